"""Which encoding the text of a corpus file is in.

What decodes as UTF-8 is UTF-8. Else a byte order mark decides, or chardet guesses.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.errors import UsageError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 1 << 16  # bytes that a guess is made of
# Below so many lines a guess among the encodings of Western languages is chance.
_FEW_LINES = 6
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
# Bytes that are not UTF-8, as "surrogateescape" decodes them.
_STRAY = re.compile("[\udc80-\udcff]+")
# A line of these may be valid UTF-8 by accident, so the whole file is in them or nothing is.
_MULTIBYTE = ("big5", "cp932", "cp949", "euc", "gb", "iso2022", "shift", "utf-16", "utf-32")


@dataclass(frozen=True)
class Encoding:
    """How bytes become text.

    :param name: of a Python codec
    :param fallback: the codec of the lines that are not UTF-8; empty: they are malformed
    :param mixed: whether in a line that has both, only the bytes that are not UTF-8 are in it
    :param guessed: whether nothing but a guess says so
    """

    name: str = "utf-8"
    fallback: str = ""
    mixed: bool = False
    guessed: bool = False

    def __str__(self) -> str:
        if self.fallback:
            return f"{self.fallback} where it is not UTF-8"
        return self.name

    @property
    def errors(self) -> str:
        """Python's error handler, whose marks ``decoded`` knows."""
        return "surrogateescape" if self.name == "utf-8" else "replace"

    def decoded(self, text: str) -> str | None:
        """A piece of text that was decoded with ``errors``; None if it is not in this encoding."""
        if text.isascii():
            return text
        if self.name != "utf-8":
            return None if "\N{REPLACEMENT CHARACTER}" in text else text
        try:
            text.encode()
        except UnicodeEncodeError:
            if not self.fallback:
                return None
            if self.mixed and _is_mixed(text):
                return _STRAY.sub(lambda stray: self._fallen_back(stray[0]), text)
            return self._fallen_back(text)
        return text

    def _fallen_back(self, text: str) -> str:
        # The few bytes that a code page does not define are left out.
        return text.encode("utf-8", "surrogateescape").decode(self.fallback, "ignore")


def named(name: str) -> Encoding:
    """The encoding of that name.

    :raises UsageError: if Python has none
    """
    try:
        "a".encode(name)
        codec = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"--encoding {name!r} is not known; give a name such as utf-8, windows-1252, gb18030,"
            " big5 or utf-16."
        ) from error
    return Encoding("utf-8" if codec == "utf-8-sig" else codec)


def detect(blocks: Iterable[bytes]) -> Encoding:
    """The encoding of a file.

    :param blocks: its bytes, all of them for a sure answer
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid, first = True, True
    lines = _Lines()
    for block in blocks:
        if first:
            first = False
            for mark, name in _MARKS:
                if block.startswith(mark):
                    return Encoding(name)
            if b"\0" in block:
                guess = _guess(block[:_SAMPLE])
                return Encoding(guess, guessed=True) if guess.startswith("utf-") else Encoding()
        if valid:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                valid = False
        lines.add(block)
    return Encoding() if valid and not decoder.getstate()[0] else lines.encoding()


class _Lines:
    """Counts lines that are UTF-8 and keeps a sample of those that are not."""

    def __init__(self) -> None:
        self._rest = b""
        self._utf8 = self._mixed = self._other = 0
        self._sample = bytearray()

    def add(self, block: bytes) -> None:
        """The next bytes of the file."""
        whole, end, self._rest = (self._rest + block).rpartition(b"\n")
        if not end and len(self._rest) >= _SAMPLE:  # one long line
            whole, self._rest = self._rest, b""
        self._count(whole)

    def encoding(self) -> Encoding:
        """What the lines that are not UTF-8 are in."""
        self._count(self._rest)
        sample = bytes(self._sample)
        mixed = 0 < self._mixed >= self._other - self._utf8
        if (mixed or self._other < _FEW_LINES) and (not sample or _western(sample)):
            return Encoding(fallback="cp1252", mixed=mixed, guessed=True)
        if self._utf8 > self._other and not _western(sample):
            return Encoding()
        guess = _guess(sample)
        if not guess or guess == "utf-8":
            return Encoding()
        if guess.startswith(_MULTIBYTE):
            return Encoding(guess, guessed=True)
        return Encoding(fallback=guess, guessed=True)

    def _count(self, lines: bytes) -> None:
        if lines.isascii():
            return
        if _is_utf8(lines):
            self._utf8 += 1 + lines.count(b"\n")
            return
        for line in lines.splitlines():
            if line.isascii():
                continue
            if _is_utf8(line):
                self._utf8 += 1
            elif _is_mixed(line.decode("utf-8", "surrogateescape")):
                self._mixed += 1
            else:
                self._other += 1
                if len(self._sample) < _SAMPLE:
                    self._sample += line[:_SAMPLE] + b"\n"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_mixed(text: str) -> bool:
    """Whether a line of a Western language has both UTF-8 and single bytes that are not."""
    strays = _STRAY.findall(text)
    rest = _STRAY.sub("", text)
    return (
        bool(strays)
        and not rest.isascii()
        and all(len(stray) == 1 for stray in strays)
        and all(char < "\u0250" or not char.isalpha() for char in rest)
    )


def _western(sample: bytes) -> bool:
    """Whether the letters are ASCII but for one here and there, as in French, or in quotes."""
    runs = [len(run) for run in _HIGH_BYTES.findall(sample)]
    return sum(runs) < 1.5 * len(runs) and sum(runs) < 0.15 * len(sample)


def _guess(sample: bytes) -> str:
    """The name of a Python codec; empty if the sample is no text."""
    # Its models take a tenth of a second to load, and most files are UTF-8.
    import chardet

    found = chardet.detect(
        sample, encoding_era=chardet.EncodingEra.MODERN_WEB, prefer_superset=True, max_bytes=_SAMPLE
    )
    return codecs.lookup(found["encoding"]).name if found["encoding"] else ""
