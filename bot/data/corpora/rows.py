"""The rows of a file of columns: a line each; in CSV, a quoted cell may go on over several."""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.data.corpora.lines import ReadingLog, numbered_lines
from bot.data.corpora.text_file import first_text

_MAX_ROW_LINES = 200  # of a cell that goes on for longer, the quote was never closed
_CHECKED_ROWS = 200


def split_rows(
    path: Path, log: ReadingLog, delimiter: str, encoding: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """The columns of each line that is not blank, and its number.

    A column that ``csv.writer`` has put into quotes, as the tutorial does, is unquoted.

    :param delimiter: any string
    """
    for number, line in numbered_lines(path, log, encoding):
        if line.strip():
            yield number, [_unquoted(column) for column in line.split(delimiter)]


def csv_rows(
    path: Path, log: ReadingLog, delimiter: str, encoding: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """The columns of each row of CSV that is not blank, and the number of its first line.

    Of a row that is malformed only the first line is skipped: the quote may be the mistake.

    :param delimiter: one character; empty: the one that fits the first rows
    """
    if not delimiter:
        delimiter = _likely_delimiter(first_text(path, encoding))
        if delimiter != ",":
            log.tell(
                f"{path} is read with {delimiter!r} between columns; if that is wrong, give"
                " --delimiter ','."
            )
    lines = numbered_lines(path, log, encoding)
    again = deque[tuple[int, str]]()  # lines that were taken for a part of a malformed row
    while True:
        taken: list[tuple[int, str]] = []
        reader = csv.reader(_row_lines(lines, again, taken), delimiter=delimiter, strict=True)
        try:
            columns = next(reader, None)
        except csv.Error as error:
            log.skip(str(path), taken[0][0], f"is not CSV ({error})")
            again.extendleft(reversed(taken[1:]))
            continue
        if columns is None:
            return
        if len(columns) > 1 or "".join(columns).strip():
            yield taken[0][0], columns


def _row_lines(
    lines: Iterator[tuple[int, str]], again: deque[tuple[int, str]], taken: list[tuple[int, str]]
) -> Iterator[str]:
    """The lines that one row may have: they follow each other, and are not too many.

    :param taken: where those that were asked for are put
    """
    while len(taken) < _MAX_ROW_LINES:
        numbered = again.popleft() if again else next(lines, None)
        if numbered is None:
            return
        if taken and numbered[0] != taken[-1][0] + 1:
            again.appendleft(numbered)
            return
        taken.append(numbered)
        yield f"{numbered[1]}\n"


def _likely_delimiter(text: str) -> str:
    """What splits the most rows into the same number of columns; a comma if nothing does better."""
    lines = text.split("\n")[:_CHECKED_ROWS]
    return max((",", ";", "\t"), key=lambda delimiter: _alike(lines, delimiter))


def _alike(lines: Iterable[str], delimiter: str) -> float:
    """The share of the rows that have the number of columns which most have; 0 if that is one."""
    try:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    except csv.Error:
        return 0.0
    ((columns, rows),) = counts.most_common(1) or ((0, 0),)
    return rows / counts.total() if columns > 1 else 0.0


def _unquoted(column: str) -> str:
    """Undo what ``csv.writer`` made of a column with quotation marks, as in the tutorial's file."""
    if len(column) < 4 or column[0] != '"' or column[-1] != '"':
        return column
    inner = column[1:-1]
    return (
        column if '""' not in inner or '"' in inner.replace('""', "") else inner.replace('""', '"')
    )
