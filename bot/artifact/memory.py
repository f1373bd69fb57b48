"""What loading a model leaves behind."""

import ctypes


def give_back_freed_memory() -> None:
    """Let the C library return to the system what was freed, which it may keep for long.

    A file's bytes and the weights that are packed into another form leave tens of megabytes. Does
    nothing where the C library has no such function, as outside Linux.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return
    trim(0)
