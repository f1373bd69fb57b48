"""The formats of files, in one table: a new one is a reader in ``corpora/`` and an entry here."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.data.corpora.chatterbot import read_yaml
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.convokit import read_convokit
from bot.data.corpora.dialogues import END_OF_UTTERANCE, NUMBERED, read_eou, read_numbered
from bot.data.corpora.json_objects import read_json
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.pairs import read_adjacent_lines, read_columns

_CHECKED_LINES = 200


@dataclass(frozen=True)
class FileOptions:
    """What the command line says of a file.

    :param delimiter: what stands between columns; empty: a tab, in CSV what fits the first rows
    :param encoding: empty: it is found out
    """

    delimiter: str = ""
    encoding: str = ""


Reader = Callable[[Path, ReadingLog, FileOptions], Iterator[Conversation]]


@dataclass(frozen=True)
class Format:
    """A format of one file.

    :param name: as it is written before a path
    :param suffixes: of the files that have it, unless they look like another
    :param looks: whether a file is in it, judged by the first 64 KiB
    :param instead_of: the formats whose suffixes its look overrules, besides ``.txt``
    """

    name: str
    read: Reader
    suffixes: tuple[str, ...] = ()
    looks: Callable[[str], bool] = lambda text: False
    instead_of: tuple[str, ...] = ()


def format_of(path: Path, delimiter: str = "", text: str = "") -> str:
    """The name of a file's format; empty if it is not known.

    :param delimiter: if there is one, a file whose suffix does not promise columns has them
    :param text: the first 64 KiB
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    by_suffix = next((format_.name for format_ in FORMATS if suffix in format_.suffixes), "")
    if delimiter and by_suffix in ("", "lines"):
        return "pairs"
    for format_ in FORMATS:
        if by_suffix in ("", "lines", *format_.instead_of) and format_.looks(text):
            return format_.name
    return by_suffix


def _first_object(text: str) -> dict[str, object]:
    """The first object of JSON Lines or of an array; empty if there is none."""
    start = text.lstrip().removeprefix("[").lstrip()
    try:
        value, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_convokit(text: str) -> bool:
    keys = _first_object(text).keys()
    return {"id", "text"} <= keys and not keys.isdisjoint(("reply-to", "reply_to"))


def _is_numbered(text: str) -> bool:
    """Whether lines are numbered from 1, again and again."""
    last = count = 0
    for line in _lines(text):
        match = NUMBERED.match(line)
        if match is None or int(match[1]) not in (1, last + 1):
            return False
        last, count = int(match[1]), count + 1
    return count > 1


def _share(text: str, sign: str) -> float:
    """The share of the lines that hold a sign."""
    lines = _lines(text)
    return sum(sign in line for line in lines) / max(1, len(lines))


def _lines(text: str) -> list[str]:
    """The first lines that are not blank; what follows the last end of a line may be cut off."""
    whole = text.rpartition("\n")[0] or text
    return [line for line in whole.split("\n") if line.strip()][:_CHECKED_LINES]


def _plain(read: Callable[[Path, ReadingLog, str], Iterator[Conversation]]) -> Reader:
    """A reader of files without columns."""
    return lambda path, log, options: read(path, log, options.encoding)


def _columns(delimiter: str, *, quoted: bool = False, pairs_only: bool = False) -> Reader:
    """A reader of columns.

    :param delimiter: what stands between them unless the command line says it; empty: what
        fits the first rows
    """
    return lambda path, log, options: read_columns(
        path,
        log,
        options.delimiter or delimiter,
        quoted=quoted,
        pairs_only=pairs_only,
        encoding=options.encoding,
    )


# A look is tried before those below it.
FORMATS = (
    Format("convokit", _plain(read_convokit), looks=_is_convokit, instead_of=("jsonl",)),
    Format(
        "jsonl",
        _plain(read_json),
        (".jsonl", ".ndjson", ".json"),
        looks=lambda text: bool(_first_object(text)),
    ),
    Format("tsv", _columns("\t"), (".tsv", ".tab")),
    Format("csv", _columns("", quoted=True), (".csv",)),
    Format("yaml", _plain(read_yaml), (".yml", ".yaml")),
    Format("numbered", _plain(read_numbered), looks=_is_numbered, instead_of=("tsv",)),
    Format("eou", _plain(read_eou), looks=lambda text: _share(text, END_OF_UTTERANCE) > 0.5),
    Format("pairs", _columns("\t", pairs_only=True), looks=lambda text: _share(text, "\t") > 0.9),
    Format("lines", _plain(read_adjacent_lines), (".txt",)),
)
