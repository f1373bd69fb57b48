"""The consoles of the commands: what they print holds nothing that a terminal would obey."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment

from bot.printable import printable_lines


class PrintableConsole(Console):
    """Rich's console; everything unprintable in texts is spelt out, its own codes are kept."""

    def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
        """Segments of a renderable, fit for a terminal."""
        for segment in super().render(*arguments, **options):
            text = segment.text if segment.control else printable_lines(segment.text)
            yield segment._replace(text=text)


def progress_console() -> Console:
    """Standard error: what happens, and how far it is."""
    return PrintableConsole(stderr=True, soft_wrap=True, markup=False, highlight=False)


def table_console() -> Console:
    """Standard output, for tables; in a file or a pipe nothing of them is folded."""
    console = PrintableConsole(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    return console
