"""Files of results: whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bot.data.folders import cannot_be_written, draft_of
from bot.errors import UsageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; whoever is killed here leaves the old one whole.

    Where the path is a symbolic link, the file that it leads to is written.

    :raises UsageError: if it cannot be written there
    :raises DiskFullError: if there is no room for it
    """
    target = _target(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as file:
            file.write(content)
    except OSError as error:
        raise cannot_be_written(path, error) from error


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A draft to write to, which takes the file's place in the end; of what fails nothing is left.

    :raises OSError: if it cannot be written
    """
    draft = draft_of(path)
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def check_outputs(*paths: Path) -> None:
    """Refuse before the work what could not be written after it; nothing is left behind.

    :raises UsageError: if one cannot be written, or two are the same file
    """
    targets = [_target(path) for path in paths]
    if len(set(targets)) < len(targets):
        raise UsageError(
            f"{' and '.join(map(str, paths))} are the same file; give two files to write."
        )
    for path, target in zip(paths, targets, strict=True):
        try:
            folder = next(parent for parent in target.parents if os.path.lexists(parent))
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise cannot_be_written(path, error) from error


def _target(path: Path) -> Path:
    """The file that a path leads to, if it is one that may be replaced."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give the path of a file to write.")
        target = Path(os.path.realpath(path))
        # A link that is left leads in a circle.
        if target.is_symlink() or (path.exists() and not path.is_file()):
            raise UsageError(f"{path} is not a regular file; choose another path.")
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return target
