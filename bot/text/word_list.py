"""Lists of words that a text must not hold: what is not learnt, and what is not said."""

import re
import unicodedata
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from bot.errors import UsageError

_OURS = {
    "default": ("offensive_words.txt", "slurs.txt"),
    "hateful": ("hateful_words.txt", "slurs.txt"),
    "self-harm": ("self_harm_words.txt",),
}
_ENTRY = re.compile(r"\*?[^\s*]+(?: [^\s*]+)*\*?")


class WordList:
    """Finds words of a list in a text, whatever their case.

    :param entries: ``word``; ``stem*``, the beginning of a word; ``*stem``, the end of one;
        ``*stem*``, anywhere in one; the words of a phrase may stand apart by any white space
    :raises UsageError: if an entry has a star in another place
    """

    def __init__(self, entries: Iterable[str]) -> None:
        # By the edges of a word and by first letter: several times as fast as one alternation.
        bodies: dict[tuple[str, str], dict[str, list[str]]] = {}
        for entry in entries:
            if not _ENTRY.fullmatch(entry):
                raise UsageError(
                    f"The word list's entry {entry!r} must be a word or a phrase, with a star"
                    " nowhere but at its beginning or end."
                )
            edges = (
                "" if entry.startswith("*") else r"\b",
                "" if entry.endswith("*") else r"\b",
            )
            body = _folded(entry.strip("*"))
            rest = r"\s+".join(map(re.escape, body[1:].split(" ")))
            bodies.setdefault(edges, {}).setdefault(re.escape(body[0]), []).append(rest)
        self._patterns = [
            re.compile(
                f"{left}(?:"
                + "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in letters.items())
                + f"){right}"
            )
            for (left, right), letters in bodies.items()
        ]

    @classmethod
    def named(cls, name: str) -> "WordList":
        """The list of that name.

        :param name: ``default`` (offensive words), ``hateful`` or ``self-harm``, which come with
            Causerie; ``none``, which is empty; or the path of a UTF-8 file with one entry a line,
            ``#`` beginning a comment line
        :raises UsageError: if the file cannot be read or an entry is malformed
        """
        if name == "none":
            return cls([])
        if name in _OURS:
            folder = resources.files("bot.text")
            text = "\n".join(folder.joinpath(file).read_text("utf-8") for file in _OURS[name])
        else:
            try:
                path = Path(name)
                if path.exists() and not path.is_file():  # a pipe would be waited for
                    raise ValueError("it is no regular file")
                text = path.read_text("utf-8-sig")
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"The word list {name!r} cannot be read ({error}); give default, none, or the"
                    " path of a UTF-8 file with one word a line."
                ) from error
        lines = (" ".join(line.split()) for line in text.splitlines())
        return cls(line for line in lines if line and not line.startswith("#"))

    def search(self, text: str) -> bool:
        """Whether a word of the list is in the text."""
        folded = _folded(text)
        return any(pattern.search(folded) for pattern in self._patterns)


def _folded(text: str) -> str:
    """The text without case, full-width forms, invisible characters and Markdown's italics."""
    if not text.isascii():  # most text is, and then this would change nothing
        visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
        text = unicodedata.normalize("NFKC", visible)
    return text.casefold().replace("_", " ")
