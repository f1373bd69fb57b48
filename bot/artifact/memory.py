"""How the C library keeps memory."""

import ctypes


def give_back_freed_memory() -> None:
    """Return to the system what was freed; outside glibc nothing happens.

    Loading a model leaves holes of more than ten megabytes between what is kept. glibc would keep
    them beside what searches take.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return
    trim(0)
