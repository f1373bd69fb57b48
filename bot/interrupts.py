"""Ctrl-C that cannot get lost.

Python raises ``KeyboardInterrupt`` wherever the program happens to be, and some code drops it:
torch, while it is imported, imports numpy from C++, and takes whatever goes wrong there for a
missing numpy. So nothing is raised while torch is imported, and what was dropped elsewhere is
raised again until it ends the command.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "Stopped; nothing unfinished was written."
EXIT_CODE = 128 + signal.SIGINT

AGAIN_S = 0.05


@contextmanager
def insistent_interrupts() -> Iterator[None]:
    """While what is inside runs, Ctrl-C ends it with a sentence and an exit code.

    This module imports nothing that takes time, so that what is imported inside is covered too.
    """
    # A shell starts what runs in its background with Ctrl-C ignored; so it stays.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(_number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        if not (_tidies_up() or _imports_torch(frame)):
            raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(EXIT_CODE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _tidies_up() -> bool:
    """Whether the code that was interrupted is at work because of an interrupt before."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _imports_torch(frame: FrameType | None) -> bool:
    """Whether the import of torch, which drops an exception or aborts in places, is under way."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and name.partition(".")[0] == "torch":
            return True
        frame = frame.f_back
    return False
