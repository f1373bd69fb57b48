"""Files of results: whole or not there."""

import contextlib
import os
from pathlib import Path

from bot.errors import UsageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; whoever is killed here leaves the old one whole.

    :raises UsageError: if it cannot be written there
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the path of a file to write.")
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); choose another path."
        ) from error
