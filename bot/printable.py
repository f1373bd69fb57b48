"""Text from outside, made fit for a terminal and a log.

A model's words, a corpus, a card, a checkpoint or the name of a file may hold anything. What would
move the cursor, colour or clear the screen, end the line, reorder what is shown or not encode is
spelt out or left out here, and nowhere else. All other Unicode stays: accents, every script, and
the joiners and selectors that emoji are made of.
"""

import re

# C0, DEL and C1 (with them every escape sequence); line and paragraph separators; embeddings,
# overrides and isolates of the direction; lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BUT_LINES_AND_TABS = re.compile(f"(?![\n\t]){_UNPRINTABLE.pattern}")


def printable(text: str) -> str:
    """The text on one line, with everything unprintable spelt out, such as ``\\x1b``."""
    return _UNPRINTABLE.sub(_spell_out, text)


def printable_lines(text: str) -> str:
    """The text, its lines and tabs as they are, with everything else unprintable spelt out."""
    return _BUT_LINES_AND_TABS.sub(_spell_out, text)


def without_unprintable(text: str) -> str:
    """The text, its lines and tabs as they are, without everything else unprintable."""
    return _BUT_LINES_AND_TABS.sub("", text)


def _spell_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
