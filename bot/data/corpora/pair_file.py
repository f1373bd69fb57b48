"""A file of pairs, as others train on: a prompt, a tab and its reply a line."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.data.folders import cannot_be_written, draft_of, make_folder, remove_empty
from bot.errors import UsageError
from bot.text.tokenizer import well_formed


class PairFile:
    """Writes the pairs of all splits; killed at any moment, there is no file or the whole of it.

    A context manager, used as ``PreparedCorpus`` is.

    :raises UsageError: if the file exists, or cannot be written
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise UsageError(
                f"{path} exists and would be overwritten; choose another --pairs, or remove it."
            )
        self._path = path
        self._draft = draft_of(path)
        self._made = make_folder(path.parent, "--pairs")
        self._file = self._draft.open("w", encoding="utf-8")

    def __enter__(self) -> "PairFile":
        return self

    def write(self, split: str, turns: Sequence[str], reply: str) -> None:
        """Add an example: the newest of the turns before the reply, and the reply.

        :raises DiskFullError: if there is no room for it
        """
        prompt, reply = (" ".join(text.split()) for text in (turns[-1], reply))
        try:
            self._file.write(well_formed(f"{prompt}\t{reply}\n"))
        except OSError as error:
            raise cannot_be_written(self._path, error, "--pairs") from error

    def finish(self, summary: dict[str, Any]) -> None:
        """Give the file its name; there is no place in it for the summary.

        :raises DiskFullError: if there is no room for it
        """
        try:
            self._file.close()
            self._draft.replace(self._path)
        except OSError as error:
            raise cannot_be_written(self._path, error, "--pairs") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what is left to write finds no room either
            self._file.close()
        self._draft.unlink(missing_ok=True)
        if error is not None:
            remove_empty(self._made)
