"""A prepared corpus: a folder with the examples of each split, as training will see them.

FOLDER/train.jsonl    an example a line: {"turns": [context ..., reply], "first_reply": n}
FOLDER/valid.jsonl
FOLDER/test.jsonl
FOLDER/summary.json   where they come from and what was left out
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TextIO

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.json_objects import read_json
from bot.data.corpora.lines import ReadingLog
from bot.data.folders import cannot_be_written, draft_of, filled_folder
from bot.data.splits import SPLITS
from bot.errors import UsageError
from bot.text.tokenizer import well_formed

SPLIT_FILES = tuple(f"{split}.jsonl" for split in SPLITS)
SUMMARY_FILE = "summary.json"
FILES = (*SPLIT_FILES, SUMMARY_FILE)


def read_prepared(folder: Path, log: ReadingLog) -> Iterator[Conversation]:
    """The examples of every split, each with the split it belongs to.

    :raises CorpusError: if a file is missing or cannot be read
    """
    for split, name in zip(SPLITS, SPLIT_FILES, strict=True):
        yield from read_json(folder / name, log, "utf-8", split)


def max_reply_words(folder: Path) -> int:
    """How many words the replies were allowed when they were prepared; 0 if that is not known."""
    try:
        words = json.loads((folder / SUMMARY_FILE).read_text("utf-8"))["options"]["max_reply_words"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return words if isinstance(words, int) else 0


def example_line(turns: Sequence[str], reply: str) -> str:
    """The line of an example: the turns before the reply, the newest last, and the reply."""
    example: dict[str, Any] = {"turns": [*turns, reply]}
    if len(turns) > 1:
        example["first_reply"] = len(turns)
    return well_formed(json.dumps(example, ensure_ascii=False)) + "\n"


class PreparedCorpus:
    """Writes a prepared corpus; killed at any moment, there is none or the whole of it.

    A context manager: ``finish`` makes it whole, leaving without it removes what was written.

    :raises UsageError: on entering, if the folder already holds one of the files, cannot be
        written to, or another process prepares a corpus there
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> "PreparedCorpus":
        with ExitStack() as stack:
            stack.enter_context(filled_folder(self.folder, "--out", FILES))
            for name in FILES:
                if (self.folder / name).exists():
                    raise UsageError(
                        f"{self.folder} already holds {name}, which would be overwritten; choose"
                        " another --out, or remove it."
                    )
            stack.callback(self._remove_drafts)
            for name in SPLIT_FILES:
                self._files[name] = self._draft(name)
            self._leave = stack.pop_all().close
        return self

    def write(self, split: str, turns: Sequence[str], reply: str) -> None:
        """Add an example: the turns before the reply, the newest last, and the reply.

        :raises DiskFullError: if there is no room for it
        """
        name = f"{split}.jsonl"
        try:
            self._files[name].write(example_line(turns, reply))
        except OSError as error:
            raise cannot_be_written(self.folder / name, error, "--out") from error

    def finish(self, summary: dict[str, Any]) -> None:
        """Give the files their names; the summary, which makes the folder a corpus, is the last.

        :raises DiskFullError: if there is no room for them
        """
        self._files[SUMMARY_FILE] = self._draft(SUMMARY_FILE)
        for name, file in self._files.items():
            try:
                if name == SUMMARY_FILE:
                    file.write(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise cannot_be_written(self.folder / name, error, "--out") from error
        for name in FILES:
            draft_of(self.folder / name).replace(self.folder / name)

    def __exit__(self, *_error: object) -> None:
        self._leave()

    def _draft(self, name: str) -> TextIO:
        return draft_of(self.folder / name).open("w", encoding="utf-8")

    def _remove_drafts(self) -> None:
        for name, file in self._files.items():
            with suppress(OSError):  # what is left to write finds no room either
                file.close()
            draft_of(self.folder / name).unlink(missing_ok=True)
