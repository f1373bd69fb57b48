"""What a word is, for limits of length and for measures.

White space ends a word, and where a script has none, each of its characters is counted as one:
Chinese, Japanese, Thai, Lao, Burmese and Khmer.
"""

import re
from collections.abc import Iterable

# Letters and vowel signs of the scripts that put no space between words. Hangul does.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
_CHARACTER = re.compile(f"[{_UNSPACED}]")
_CHARACTER_OR_ITS_MARK = re.compile(f"[{_UNSPACED}\u3000-\u303f\uff01-\uff65]+")
_WORD_OR_MARK = re.compile(
    rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+(?:['\u2019]\w+)*|[^\w\s]"  # \u2019: an apostrophe
)


def count_words(text: str) -> int:
    """How many words there are between white space, and characters of scripts without it."""
    if text.isascii():
        return len(text.split())
    characters = len(_CHARACTER.findall(text))
    return characters + len(_CHARACTER_OR_ITS_MARK.sub(" ", text).split())


def words_and_marks(text: str) -> list[str]:
    """Words, or characters of scripts without spaces, and punctuation marks; in lower case."""
    return _WORD_OR_MARK.findall(text.lower())


def is_unspaced(text: str) -> bool:
    """Whether a text has a letter of a script without spaces between words."""
    return not text.isascii() and _CHARACTER.search(text) is not None


def unit_of(texts: Iterable[str]) -> str:
    """What is mostly counted in texts: ``words``, or ``characters`` where no space parts words."""
    characters = others = 0
    for text in texts:
        found = len(_CHARACTER.findall(text))
        characters += found
        others += count_words(text) - found
    return "characters" if characters > others else "words"
