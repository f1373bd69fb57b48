"""A prepared corpus: a folder with the examples of each split, as training will see them.

FOLDER/train.jsonl    an example a line: {"turns": [context ..., reply], "first_reply": n}
FOLDER/valid.jsonl
FOLDER/test.jsonl
FOLDER/summary.json   where they come from and what was left out
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.data.corpora.conversation import SPLITS, Conversation
from bot.data.corpora.json_objects import read_json
from bot.data.corpora.lines import ReadingLog
from bot.data.folders import make_folder, remove_empty
from bot.errors import UsageError
from bot.text.tokenizer import well_formed

SPLIT_FILES = tuple(f"{split}.jsonl" for split in SPLITS)
SUMMARY_FILE = "summary.json"


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

    :raises UsageError: if the folder already holds one of the files, or cannot be written to
    """

    def __init__(self, folder: Path) -> None:
        for name in (*SPLIT_FILES, SUMMARY_FILE):
            if (folder / name).exists():
                raise UsageError(
                    f"{folder} already holds {name}, which would be overwritten; choose another"
                    " --out, or remove it."
                )
        self.folder = folder
        self._made = make_folder(folder, "--out")
        with ExitStack() as stack:
            self._files = {
                name: stack.enter_context((folder / f"{name}.new").open("w", encoding="utf-8"))
                for name in SPLIT_FILES
            }
            self._close = stack.pop_all().close

    def __enter__(self) -> "PreparedCorpus":
        return self

    def write(self, split: str, turns: Sequence[str], reply: str) -> None:
        """Add an example: the turns before the reply, the newest last, and the reply."""
        self._files[f"{split}.jsonl"].write(example_line(turns, reply))

    def finish(self, summary: dict[str, Any]) -> None:
        """Give the files their names; the summary, which makes the folder a corpus, is the last."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._close()
        (self.folder / f"{SUMMARY_FILE}.new").write_text(
            json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )
        for name in (*SPLIT_FILES, SUMMARY_FILE):
            (self.folder / f"{name}.new").replace(self.folder / name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        for name in (*SPLIT_FILES, SUMMARY_FILE):
            (self.folder / f"{name}.new").unlink(missing_ok=True)
        if error is not None:
            remove_empty(self._made)
