"""How the C library keeps memory."""

import ctypes


def give_back_freed_memory() -> None:
    """Return freed memory to the system; does nothing without glibc.

    Loading a model frees more than ten megabytes in pieces. glibc would keep them, and searches
    would take their own memory on top.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return
    trim(0)
