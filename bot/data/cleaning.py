"""Whether a text is fit to be learnt from, and what transport did to it undone.

Prompts are only tidied; replies are also rewritten (see ``rewriting``) and must read well, or the
pair is dropped.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable

from bot.text.words import count_words

_PLACEHOLDER = re.compile(r"\[[^\]]*\]|\b(?:user|person) ?[12]\b", re.IGNORECASE)
_LINK = re.compile(r"https?:|www\.|\.com\b|@\w")
_ENGLISH_WORD = re.compile(r"[A-Za-z]")

# Only what HTML knows is a tag: "<3", "a < b and c > d" and "<grin>" are text. An attribute has a
# value, so that "x <b and c> y" is text too.
_ATTRIBUTES = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))*\s*/?"
_LINE_BREAK = re.compile(
    rf"\s*</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr|blockquote|pre){_ATTRIBUTES}>\s*",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|center|cite|code|dd|del|dfn|dl|dt|em|embed|font|i|iframe|img|input|ins|kbd"
    r"|label|mark|object|option|param|q|s|samp|select|small|span|strike|strong|sub|sup|tbody|td"
    rf"|th|thead|tt|u|var|video|wbr){_ATTRIBUTES}>|<!--.*?-->|<(script|style)\b.*?</\1>",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});")
_TYPOGRAPHIC = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{HORIZONTAL ELLIPSIS}": "...",
    }
)
_BACKQUOTE = re.compile(r"(?<=[A-Za-z])`(?=[A-Za-z])")
# Spaces that a tokenised corpus leaves inside words and before punctuation.
_SPLIT_CONTRACTION = re.compile(
    r"(?<=[A-Za-z]) (n't|'(?:s|m|re|ve|ll|d))(?=[\s.,!?;:]|$)", re.IGNORECASE
)
# The first character of a pattern is what makes it fast: what stands before it is looked at next.
_SPACE_BEFORE = re.compile(
    r" (?<=[\w\"')\]] ) *(?=(?!\.\.|\. \.)[.,!?;]+[\"']?(?:\s|$))| (?<=\d ) *(?=%)"
)
_SPACE_AFTER = re.compile(r"(\$) +(?=\d)|((?<![:;=\-'])\() +(?=\w)")
_BLANKS = re.compile(r"[^\S\n]+")
_BLANKS_AND_LINES = re.compile(r"\s*\n\s*")

_SENTENCE = re.compile(
    "[^\u3002]+?(?:[.!?]+(?=\\s|$)\\s*|[\u3002\uff01\uff1f]+[\u201d\u300d\u300f]?\\s*|$)|\u3002+"
)

_STRETCHED = re.compile(r"([a-z])\1\1", re.IGNORECASE)
_WITH_LETTER = re.compile(r"\S*[^\W\d_]\S*")
# Letters with accents, dashes and signs of money and degrees are English too.
_NOT_ENGLISH = re.compile(
    "[^\\x20-\\x7e\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f\u2013\u2014\u20ac\u00a3\u00b0]"
)
_NOT_WRITTEN = re.compile(
    r"\b[A-Z]{4,}\b|[{}|\\_#*@^~=]|\d{5,}|([^\w\s])\1{4}"
    r"|<(?!3\b| )|(?<! )>"  # what is left of a tag or an arrow; not "i <3 you" or "a < b"
    r"|(?<![\w'.&/-])(?:u|ur|r|lol+|lmf?ao+|rofl)(?![\w'&/-]|\.\w)"
)


def tidy(text: str, rewrites: Counter[str] | None = None) -> str:
    """Undo what transport and tokenisation did to a message; its wording stays.

    HTML's tags are taken out, and its entities become the characters that they stand for.

    :param rewrites: counts what is changed, by the rule
    """
    if "&" in text:
        # Twice, because some collections are escaped twice.
        text = _noted("HTML entity", text, _unescaped(_unescaped(text)), rewrites)
    if "<" in text and ">" in text:
        text = _noted("HTML tag", text, _TAG.sub("", _LINE_BREAK.sub("\n", text)), rewrites)
    if not text.isascii():
        text = _noted("quotation marks", text, text.translate(_TYPOGRAPHIC), rewrites)
    if "`" in text:
        plain = _BACKQUOTE.sub("'", text)
        if "``" in plain:
            plain = plain.replace("``", '"').replace("''", '"')
        text = _noted("quotation marks", text, plain, rewrites)
    tidied = text
    if " '" in text or " n'" in text or " N'" in text:
        tidied = _SPLIT_CONTRACTION.sub(r"\1", tidied)
    tidied = _SPACE_BEFORE.sub("", tidied)
    if "$ " in tidied or "( " in tidied:
        tidied = _SPACE_AFTER.sub(r"\1\2", tidied)
    text = _noted("space at punctuation", text, tidied, rewrites)
    if "\n" in text:
        text = _BLANKS_AND_LINES.sub("\n", text)
    return _BLANKS.sub(" ", text).strip()


def _unescaped(text: str) -> str:
    # With their semicolon only: "AT&T", "Q&A" and "this&that" are no entities.
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _noted(rule: str, text: str, changed: str, rewrites: Counter[str] | None) -> str:
    if rewrites is not None and changed != text:
        rewrites[rule] += 1
    return changed


def unusable(text: str) -> bool:
    """Whether a message has placeholders, links or no words."""
    return bool(_PLACEHOLDER.search(text) or _LINK.search(text) or not _ENGLISH_WORD.search(text))


def shortened(text: str, words: int, count: Callable[[str], int] = count_words) -> str:
    """The leading sentences that fit in so many words; empty if the first does not."""
    kept = ""
    for match in _SENTENCE.finditer(text):
        if count(kept + match[0]) > words:
            break
        kept += match[0]
    return kept.strip()


def well_written(text: str) -> bool:
    """Whether a reply is plain English that a model may learn to write.

    At least half of what stands between spaces has a letter: "I am 25." does, "1 2 3 go" does not.
    """
    return (
        2 * len(_WITH_LETTER.findall(text)) >= len(text.split())
        and (text.isascii() or not _NOT_ENGLISH.search(text))
        and not _STRETCHED.search(text)
        and not _NOT_WRITTEN.search(text)
    )


def spoken(text: str) -> str:
    """The same message in lower case and without punctuation, as many people type."""
    if text.isascii():
        return re.sub(r"[^\w\s']", "", text).lower()
    # Vowel signs, as of Hindi and Thai, are no punctuation.
    return re.sub(
        r"[^\w\s']", lambda m: m[0] if unicodedata.category(m[0])[0] == "M" else "", text
    ).lower()
