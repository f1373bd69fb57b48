"""Folders of results: one process at a time fills one, and what was not finished is removed."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from bot.errors import CauserieError, DiskFullError, UsageError

LOCK_FILE = ".lock"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def filled_folder(folder: Path, option: str, names: Iterable[str]) -> Iterator[None]:
    """Hold a folder while files are written to it, so that no other process does the same.

    It is made if it is not there, and removed again if nothing is left in it. Drafts of a process
    that was killed are removed. The kernel lets go of the folder when a process dies.

    :param option: what the command line calls it, for the errors
    :param names: of the files that may have been drafted
    :raises UsageError: if it cannot be made or written to, or another process holds it
    """
    made = make_folder(folder, option)
    try:
        with _lock(folder, option):
            try:
                for name in names:
                    with suppress(OSError):
                        draft_of(folder / name).unlink()
                yield
            finally:
                with suppress(OSError):
                    (folder / LOCK_FILE).unlink()
    finally:
        remove_empty(made)


def _lock(folder: Path, option: str) -> TextIO:
    """The folder's lock, held until it is closed.

    :raises UsageError: if another process holds it
    """
    path = folder / LOCK_FILE
    while True:
        try:
            lock = path.open("w")
        except OSError as error:
            raise cannot_be_written(folder, error, option) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it before may have removed it meanwhile.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                    return lock
        except BlockingIOError as error:
            lock.close()
            raise UsageError(
                f"Another process is writing to {folder}; wait until it has ended, or choose"
                f" another {option}."
            ) from error
        lock.close()


def draft_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.new")


def cannot_be_written(path: Path, error: OSError, option: str = "path") -> CauserieError:
    """What to raise about it.

    :param option: what the command line calls the path
    """
    reason = f"{path} cannot be written ({error.strerror or error})"
    if error.errno in _NO_ROOM:
        return DiskFullError(f"{reason}; free space and try again.")
    return UsageError(f"{reason}; choose another {option}.")


def make_folder(folder: Path, option: str) -> list[Path]:
    """Make a folder, if it is not there, and see whether files can be written to it.

    :param option: what the command line calls it, for the error
    :return: the folders that were made, the innermost first
    :raises UsageError: if it cannot be made or written to; nothing is left of it then
    """
    made = []
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remove_empty(made)
        raise cannot_be_written(folder, error, option) from error
    return made


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, up to the first that holds something."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
