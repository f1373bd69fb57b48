"""The lines of a corpus file, and what is wrong with some of them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.errors import CorpusError

_LOGGER = logging.getLogger(__name__)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPORT_EVERY = 1 << 16  # bytes


class ReadingLog:
    """What readers tell about the files they go through.

    The first malformed line of a file is logged as a warning at once; the others are counted.

    :param on_bytes: called now and then with how many more bytes were read
    """

    def __init__(self, on_bytes: Callable[[int], None] = lambda count: None) -> None:
        self.on_bytes = on_bytes
        self.malformed: Counter[str] = Counter()
        self.first_problem = ""

    def skip(self, file: str, number: int, problem: str) -> None:
        """Count a malformed line.

        :param number: of the line, from 1
        :param problem: what is wrong, as it would follow "line 3"
        """
        self.malformed[file] += 1
        if self.malformed[file] == 1:
            description = f"{file}, line {number} {problem}"
            self.first_problem = self.first_problem or description
            _LOGGER.warning("%s; malformed lines are skipped.", description)

    def finish(self) -> None:
        """Say how many lines of each file were skipped."""
        for file, count in self.malformed.items():
            lines = "malformed line was" if count == 1 else "malformed lines were"
            _LOGGER.warning("%s: %s %s skipped.", file, f"{count:,}", lines)


def decode_utf8(line: bytes) -> str:
    """UTF-8."""
    return line.decode()


def decode_utf8_or_latin1(line: bytes) -> str:
    """UTF-8, or else ISO-8859-1, which any bytes are."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("iso-8859-1")


def numbered_lines(
    path: Path, log: ReadingLog, decode: Callable[[bytes], str] = decode_utf8
) -> Iterator[tuple[int, str]]:
    """Each line of a file with its number, from 1, and without its end.

    Lines that cannot be decoded are skipped.

    :raises CorpusError: if the file cannot be read
    """
    unreported = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                unreported += len(line)
                if unreported >= _REPORT_EVERY:
                    log.on_bytes(unreported)
                    unreported = 0
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if b"\0" in line:
                    log.skip(str(path), number, "holds a null byte, so it is not UTF-8")
                    continue
                try:
                    text = decode(line)
                except UnicodeDecodeError:
                    log.skip(str(path), number, "is not UTF-8")
                    continue
                yield number, text.rstrip("\r\n")
    except OSError as error:
        raise CorpusError(
            f"The corpus {path} cannot be read ({error.strerror}); check the path."
        ) from error
    log.on_bytes(unreported)
