"""Lines in and lines out: a terminal with line editing, or a pipe."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from bot.printable import printable


def lines_from_terminal(prompt: str) -> Iterator[str]:
    """What the user types, with line editing and a history in memory, until ``q``, ``quit`` or end
    of file."""
    with contextlib.suppress(ImportError):  # not every Python has it: then there is neither
        import readline  # noqa: F401 (importing it gives input() both)

    while True:
        try:
            line = input(prompt)
        except EOFError:
            print()
            return
        if _leaves(line):
            return
        if line.strip():
            yield line


def lines_from_pipe() -> Iterator[str]:
    """Each line of standard input, whatever bytes it holds, until ``q``, ``quit`` or its end."""
    if sys.stdin is None:  # closed
        return
    reconfigure(sys.stdin)
    for line in sys.stdin:
        if _leaves(line):
            return
        yield line.rstrip("\n")


def _leaves(line: str) -> bool:
    return line.strip().lower() in ("q", "quit")


def reconfigure(stream: object) -> None:
    """Make a standard stream never raise over a character it cannot decode or encode."""
    change = getattr(stream, "reconfigure", None)
    if change is not None:  # a test's stand-in may have none
        change(errors="replace")


def converse(lines: Iterator[str], answer: Callable[[str], list[str]], prefix: str = "") -> None:
    """Answer each line on standard output, at once.

    :param answer: the lines to print, of which the first gets the prefix
    """
    reconfigure(sys.stdout)
    for line in lines:
        first, *rest = map(printable, answer(line))
        print("\n".join((prefix + first, *rest)), flush=True)
