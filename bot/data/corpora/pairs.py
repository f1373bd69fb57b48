"""Text files of prompts and replies: columns of a line, or one line after the other."""

from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.columns import Certainty, PairNames, header_certainty, with_details
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines
from bot.data.corpora.rows import csv_rows, split_rows
from bot.errors import CorpusError


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

    :param delimiter: what stands between columns: any string; if ``quoted``, one character, or
        empty: it is found out
    :param quoted: whether a column that holds the delimiter or a line's end is in double quotes
        (CSV)
    :param pairs_only: whether columns after the second are ignored (as the licence column of
        tatoeba.org's translation pairs); else the last column is the reply, and those before the
        prompt are earlier turns
    :raises CorpusError: if the first line is a header that does not name both
    """
    shown = {"": "a delimiter", "\t": "a tab"}.get(delimiter, repr(delimiter))
    read = csv_rows if quoted else split_rows
    header: list[str] | None = None
    names: PairNames | None = None
    for number, columns in read(path, log, delimiter, encoding):
        if header is None:
            header, names = columns, PairNames.among(columns)
            if names:
                log.tell(
                    f"{path}, line {number} is a header: prompts are in the column"
                    f" {names.prompt.strip()!r}, replies in {names.reply.strip()!r}."
                )
                continue
            _check_is_pair(f"{path}, line {number}", columns, log)
        if len(columns) < 2:
            log.skip(str(path), number, f"has no prompt and reply with {shown} between them")
            continue
        if names:
            cells = dict(zip(header, columns, strict=False))
            if names.prompt not in cells or names.reply not in cells:
                log.skip(str(path), number, "has fewer columns than the header")
                continue
            prompt = with_details(
                cells[names.prompt], cells.get(names.details, "") if names.details else ""
            )
            columns = [prompt, cells[names.reply]]
        elif pairs_only:
            columns = columns[:2]
        yield Conversation(columns, first_reply=len(columns) - 1)


def _check_is_pair(line: str, columns: list[str], log: ReadingLog) -> None:
    """Refuse a header that does not say where prompts and replies are; warn of what may be one."""
    if not (certainty := header_certainty(columns)):
        return
    shown = ", ".join(repr(column.strip()) for column in columns if column.strip())
    if certainty is Certainty.SURE:
        raise CorpusError(
            f"{line} is a header that does not name a column of prompts and one of replies"
            f" ({shown}); rename two of them to prompt and reply, or, if the last column holds the"
            " replies and those before it nothing but turns, remove the line."
        )
    log.tell(
        f"{line} may be a header and is read as a pair ({shown}); if it is one, name the columns"
        " prompt and reply."
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
