"""Files that are read as a whole: a pipe nobody writes to, or an endless device, is none."""

import errno
from pathlib import Path


def read_regular_file(path: Path) -> bytes:
    """The content of a regular file.

    :raises OSError: if there is none or it cannot be read
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.read_bytes()
