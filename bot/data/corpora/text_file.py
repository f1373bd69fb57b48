"""A corpus file as pieces of text: gzip is undone, line ends of all systems are one."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from bot.data.corpora import encoding as encodings
from bot.data.corpora.encoding import Encoding
from bot.errors import CorpusError

_GZIP = b"\x1f\x8b"
_HIGH_BYTES = bytes(range(0x80, 0x100))
_BLOCK = 1 << 16  # bytes
PIECE = 1 << 16  # characters


def plain_or_gzip(path: Path) -> Path:
    """A file that has this name, or has it with ``.gz`` after it; if there is neither, the path."""
    compressed = path.with_name(f"{path.name}.gz")
    return compressed if not path.exists() and compressed.exists() else path


def encoding_of(path: Path, name: str = "") -> Encoding:
    """The encoding of a file, which is read to its end unless the encoding has a name.

    :raises UsageError: if there is no encoding of that name
    :raises CorpusError: if the file cannot be read
    """
    if name:
        return encodings.named(name)
    with _opened(path) as file:
        return encodings.detect(iter(lambda: file.read(_BLOCK), b""))


def first_text(path: Path, name: str = "") -> str:
    r"""The first 64 KiB of a file as text, which may end inside a line; each line ends in ``\n``.

    :raises UsageError: if there is no encoding of that name
    :raises CorpusError: if the file cannot be read
    """
    with _opened(path) as file:
        block = file.read(_BLOCK)
    if len(block) == _BLOCK:  # a character may be cut in two
        block = block.rstrip(_HIGH_BYTES)
    encoding = encodings.named(name) if name else encodings.detect([block])
    pieces = _pieces(io.BytesIO(block), encoding)
    return "".join(encoding.decoded(piece) or piece for piece in pieces)


def text_pieces(
    path: Path, encoding: Encoding, on_bytes: Callable[[int], None] = lambda count: None
) -> Iterator[str]:
    r"""A file as lines that end in ``\n``; a long line comes in pieces of 65,536 characters.

    No piece is text before ``encoding.decoded`` has made it so.

    :param on_bytes: called now and then with how many more bytes of the file were read
    :raises CorpusError: if the file cannot be read
    """
    with _opened(path, on_bytes) as file:
        yield from _pieces(file, encoding)


def _pieces(file: IO[bytes], encoding: Encoding) -> Iterator[str]:
    with io.TextIOWrapper(file, encoding.name, encoding.errors, newline=None) as text:
        piece = text.readline(PIECE).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        while piece:
            yield piece
            piece = text.readline(PIECE)


@contextmanager
def _opened(
    path: Path, on_bytes: Callable[[int], None] = lambda count: None
) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed if need be, block by block."""
    try:
        with _Reported(path, on_bytes) as raw, io.BufferedReader(raw, _BLOCK) as file:
            if file.peek(2).startswith(_GZIP):
                with gzip.GzipFile(fileobj=file) as decompressed:
                    yield cast("IO[bytes]", decompressed)
            else:
                yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(
            f"The corpus {path} is a damaged gzip file ({error}); get it again."
        ) from error
    except OSError as error:
        raise CorpusError(
            f"The corpus {path} cannot be read ({error.strerror}); check the path."
        ) from error


class _Reported(io.FileIO):
    """A file that tells how much of it was read, in steps that a progress bar can show."""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        super().__init__(path)
        self._on_bytes = on_bytes
        self._unreported = 0

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """As a file does it."""
        count = super().readinto(buffer) or 0
        self._unreported += count
        if self._unreported >= _BLOCK or not count:
            self._on_bytes(self._unreported)
            self._unreported = 0
        return count
