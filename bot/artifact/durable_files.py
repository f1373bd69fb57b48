"""Files of a store: none is waited for, and none is half there after a power cut."""

import errno
import os
from pathlib import Path


def check_regular(path: Path) -> None:
    """Refuse what is there and is no file: a pipe would be waited for, a device has no end.

    :raises OSError: if it is a folder, a pipe, a device or the like
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_regular(path: Path) -> bytes:
    """The content of a file.

    :raises OSError: if it cannot be read, or is no regular file
    """
    check_regular(path)
    return path.read_bytes()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that survives a power cut, once ``sync`` has been called on its folder.

    :raises OSError: with the path, if it cannot be written; what was written is removed
    """
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        # Of a full disk, Python says no path.
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync(folder: Path) -> None:
    """Make the folder's entries survive a power cut, as ``fsync`` does a file's content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
