"""How the C library keeps memory."""

import ctypes

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE_BYTES = 2 << 20


def give_back_large_blocks() -> None:
    """From now on, blocks of more than two megabytes go back to the system when they are freed.

    glibc begins to keep larger and larger ones, once one was freed: loading a model, and batches
    of long messages, would leave tens of megabytes that nobody uses. Does nothing where the C
    library has no such setting, as outside Linux.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return
    set_option(M_MMAP_THRESHOLD, LARGE_BYTES)
