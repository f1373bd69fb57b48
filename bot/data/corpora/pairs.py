"""Text files of prompts and replies: columns of a line, or one line after the other."""

import csv
from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.columns import PairNames, with_details
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines


def read_columns(
    path: Path,
    log: ReadingLog,
    delimiter: str,
    *,
    quoted: bool = False,
    pairs_only: bool = False,
    encoding: str = "",
) -> Iterator[Conversation]:
    """Each line is a prompt and the reply to it, in columns.

    A first line that names columns of prompts and of replies is no pair, and says where they are.

    :param delimiter: what stands between columns: any string, one character if ``quoted``
    :param quoted: whether a column that holds the delimiter is in double quotes (CSV)
    :param pairs_only: whether columns after the second are ignored (as the licence column of
        tatoeba.org's translation pairs); else the last column is the reply, and those before the
        prompt are earlier turns
    """
    shown = "a tab" if delimiter == "\t" else repr(delimiter)
    header: list[str] | None = None
    names: PairNames | None = None
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        if quoted:
            try:
                (columns,) = csv.reader([line], delimiter=delimiter, strict=True)
            except csv.Error as error:
                log.skip(str(path), number, f"is not CSV ({error})")
                continue
        else:
            columns = [_unquoted(column) for column in line.split(delimiter)]
        if header is None:
            header, names = columns, PairNames.among(columns)
            if names:
                log.tell(
                    f"{path}, line {number} is a header: prompts are in the column"
                    f" {names.prompt.strip()!r}, replies in {names.reply.strip()!r}."
                )
                continue
        if len(columns) < 2:
            log.skip(str(path), number, f"has no prompt and reply with {shown} between them")
            continue
        if names:
            cells = dict(zip(header, columns, strict=False))
            if names.prompt not in cells or names.reply not in cells:
                log.skip(str(path), number, "has fewer columns than the header")
                continue
            prompt = with_details(cells[names.prompt], cells.get(names.details, ""))
            columns = [prompt, cells[names.reply]]
        elif pairs_only:
            columns = columns[:2]
        yield Conversation(columns, first_reply=len(columns) - 1)


def _unquoted(column: str) -> str:
    """Undo what ``csv.writer`` made of a column with quotation marks, as in the tutorial's file."""
    if len(column) < 4 or column[0] != '"' or column[-1] != '"':
        return column
    inner = column[1:-1]
    return (
        column if '""' not in inner or '"' in inner.replace('""', "") else inner.replace('""', '"')
    )


def read_adjacent_lines(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Line 2n is the reply to line 2n-1.

    The format of ywk991112/pytorch-chatbot, whose pairs do not overlap.
    """
    prompt_number, prompt = 0, ""
    for number, line in numbered_lines(path, log, encoding):
        if "\t" in line:
            log.skip(
                str(path), number, f"has a tab: columns are read with --delimiter or pairs:{path}"
            )
        elif number % 2:
            prompt_number, prompt = number, line
        elif prompt_number == number - 1:
            prompt_number = 0
            yield Conversation([prompt, line])
    if prompt_number and prompt.strip():
        log.skip(str(path), prompt_number, "has no line after it to be its reply")
