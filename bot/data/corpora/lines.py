"""The lines of a corpus file, and what is wrong with some of them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.data.corpora.encoding import Encoding
from bot.data.corpora.text_file import PIECE, encoding_of, text_pieces

_LOGGER = logging.getLogger(__name__)

MAX_LINE = 1 << 24  # characters; a longer one is no line of dialogue


class ReadingLog:
    """What readers tell about the files they go through.

    The first malformed line of a file is logged as a warning at once; the others are counted.

    :param on_bytes: called now and then with how many more bytes were read
    """

    def __init__(self, on_bytes: Callable[[int], None] = lambda count: None) -> None:
        self.on_bytes = on_bytes
        self.malformed: Counter[str] = Counter()
        self.first_problem = ""

    def skip(self, file: str, number: int, problem: str, *, count: int = 1) -> None:
        """Count a malformed line.

        :param number: of the line, from 1
        :param problem: what is wrong, as it would follow "line 3"
        :param count: of how many malformed lines this is the first
        """
        if not self.malformed[file]:
            description = f"{file}, line {number} {problem}"
            self.first_problem = self.first_problem or description
            _LOGGER.warning("%s; malformed lines are skipped.", description)
        self.malformed[file] += count

    def encoding_of(self, path: Path, name: str) -> Encoding:
        """The encoding of a file; one that was guessed is told.

        :param name: of an encoding; empty: it is found out
        :raises UsageError: if there is no encoding of that name
        :raises CorpusError: if the file cannot be read
        """
        encoding = encoding_of(path, name)
        if encoding.guessed:
            self.tell(f"{path} is read as {encoding}; if that is wrong, give --encoding.")
        return encoding

    def tell(self, sentence: str) -> None:
        """Say what was taken for granted about a file."""
        _LOGGER.warning("%s", sentence)

    def finish(self) -> None:
        """Say how many lines of each file were skipped."""
        for file, count in self.malformed.items():
            lines = "malformed line was" if count == 1 else "malformed lines were"
            _LOGGER.warning("%s: %s %s skipped.", file, f"{count:,}", lines)


def numbered_lines(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[tuple[int, str]]:
    """Each line of a file with its number, from 1, and without its end.

    Lines end as on any system: LF, CR LF or CR. Those that cannot be decoded, or are longer than
    ``MAX_LINE``, are skipped.

    :param encoding: of the file; empty: it is found out
    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    taken = log.encoding_of(path, encoding)
    for number, line in enumerate(_whole_lines(text_pieces(path, taken, log.on_bytes)), 1):
        text = taken.decoded(line)
        if len(line) > MAX_LINE:
            log.skip(str(path), number, f"has more than {MAX_LINE:,} characters")
        elif "\0" in line:
            log.skip(str(path), number, "holds a null byte, so it is not text")
        elif text is None:
            log.skip(str(path), number, f"is not {taken.name.upper()}")
        else:
            yield number, text.rstrip("\n")


def _whole_lines(pieces: Iterator[str]) -> Iterator[str]:
    """Each line in one; of what is longer than ``MAX_LINE``, only the beginning, which is too."""
    parts, length = list[str](), 0
    for piece in pieces:
        if length <= MAX_LINE:
            parts.append(piece)
            length += len(piece)
        if len(piece) < PIECE or piece[-1] == "\n":
            yield "".join(parts)
            parts, length = [], 0
    if parts:
        yield "".join(parts)
