"""What model cards say of texts from outside: legible, and silent on where they were.

A card is published. The folders of the machine that made the model are nobody's business.
"""

import re
import shlex

from bot.printable import printable, without_unprintable

# At the beginning of a word, or after what stands before a path in one: --run=/x, jsonl:/x.
_ABSOLUTE_FOLDER = re.compile(r"(^|[=:])(?:/|~[^/]*/)(?!/)(?:.*/)?(?=[^/])")


def cell(text: str) -> str:
    """The text as a table's cell; it may hold anything."""
    on_one_line = without_unprintable(" ".join(text.split()))
    return on_one_line.replace("|", "\\|").replace("<", "&lt;")


def without_folders(path: str) -> str:
    """A path, or an option or a source that ends in one: of an absolute one the last name."""
    return _ABSOLUTE_FOLDER.sub(r"\1", path)


def command_without_folders(command: str) -> str:
    """A command on one line, with the last names of the absolute paths in it."""
    return printable(shlex.join(map(without_folders, shlex.split(command))))
