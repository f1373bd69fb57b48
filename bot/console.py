"""A chat in the terminal, or through a pipe: one line in, one line out."""

import sys
from collections.abc import Callable, Iterator


def lines_from_terminal(prompt: str) -> Iterator[str]:
    """What the user types, with line editing, until ``q``, ``quit`` or end of file."""
    import readline  # noqa: F401 (importing it gives input() its line editing)

    while True:
        try:
            line = input(prompt)
        except EOFError:
            print()
            return
        if line.strip().lower() in ("q", "quit"):
            return
        if line.strip():
            yield line


def lines_from_pipe() -> Iterator[str]:
    """Each line of standard input, whatever bytes it holds."""
    if sys.stdin is None:  # closed
        return
    reconfigure(sys.stdin)
    for line in sys.stdin:
        yield line.rstrip("\n")


def reconfigure(stream: object) -> None:
    """Make a standard stream never raise over a character it cannot decode or encode."""
    change = getattr(stream, "reconfigure", None)
    if change is not None:  # a test's stand-in may have none
        change(errors="replace")


def converse(lines: Iterator[str], reply: Callable[[str], str], prefix: str = "") -> None:
    """Answer each line with one line on standard output, at once."""
    reconfigure(sys.stdout)
    for line in lines:
        print(prefix + " ".join(reply(line).split()), flush=True)
