"""Folders of results: they can be written to before the work begins."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bot.errors import UsageError


def make_folder(folder: Path, option: str) -> list[Path]:
    """Make a folder, if it is not there, and see whether files can be written to it.

    :param option: what the command line calls it, for the error
    :return: the folders that were made, the innermost first
    :raises UsageError: if it cannot be made or written to; nothing is left of it then
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remove_empty(made)
        raise UsageError(
            f"{folder} cannot be written to ({error.strerror}); choose another {option}."
        ) from error
    return made


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, up to the first that holds something."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
