"""What a corpus is called on the command line, and who reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.cornell import CONVERSATIONS_FILE, LINES_FILE, read_cornell
from bot.data.corpora.json_lines import read_json_lines
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import read_chatterbot, read_chitchat, read_smalltalk
from bot.data.corpora.pairs import read_adjacent_lines, read_columns
from bot.data.corpora.prepared import (
    SPLIT_FILES,
    SUMMARY_FILE,
    max_reply_words,
    read_prepared,
)
from bot.errors import CorpusError, UsageError

Reader = Callable[[ReadingLog], Iterator[Conversation]]

SUFFIXES = {".jsonl": "jsonl", ".tsv": "tsv", ".csv": "csv", ".txt": "lines"}
FORMATS = ("jsonl", "tsv", "csv", "pairs", "lines", "cornell")


@dataclass(frozen=True)
class Corpus:
    """A source whose format is known.

    :param files: what will be read; none for a corpus that is a Python package
    :param prepared: whether its examples are ready: filtered, rewritten, and put into splits
    :param max_reply_words: the limit that its replies were prepared with; 0: none is known
    """

    source: str
    read: Reader
    files: tuple[Path, ...] = ()
    prepared: bool = False
    max_reply_words: int = 0

    @property
    def size_bytes(self) -> int:
        """The size of its files."""
        return sum(file.stat().st_size for file in self.files)

    def conversations(self, log: ReadingLog) -> Iterator[Conversation]:
        """Read it, one conversation at a time.

        :raises CorpusError: if it cannot be read, or nothing in it can be used
        """
        empty = True
        for conversation in self.read(log):
            empty = False
            yield conversation
        log.finish()
        if empty:
            reason = f": {log.first_problem}" if log.first_problem else ""
            raise CorpusError(
                f"The corpus {self.source} has no line that can be used{reason}; check that it is"
                " in the format that docs/train.md shows for its name."
            )


def open_corpus(source: str, delimiter: str = "") -> Corpus:
    """Find out what a source is.

    :param source: ``smalltalk``; ``chitchat-dataset`` or ``chatterbot-corpus[:LANGUAGE]`` (Python
        packages); a folder with the Cornell corpus or with a prepared one; or a file, whose suffix
        says its format unless it is written as ``FORMAT:PATH``
    :param delimiter: what stands between the columns of a file; empty: a tab, in CSV a comma. With
        a delimiter, a file whose suffix does not promise columns is read as ``pairs``.
    :raises UsageError: if the source is none of these, or the delimiter does not fit
    :raises CorpusError: if there is no such file, or the package is not installed
    """
    if source == "smalltalk":
        return Corpus(source, read_smalltalk)
    if source == "chitchat-dataset":
        return Corpus(source, lambda log: read_chitchat())
    name, _, language = source.partition(":")
    if name == "chatterbot-corpus":
        return Corpus(source, partial(read_chatterbot, language or "english"))
    format_, _, rest = source.partition(":")
    if format_ in FORMATS and rest:
        path = Path(rest)
    else:
        path = Path(source)
        format_ = _format_of(path, delimiter)
    if not format_:
        raise UsageError(
            f"The corpus {source!r} is not known: give a .jsonl, .tsv, .csv or .txt file,"
            f" FORMAT:PATH with one of {', '.join(FORMATS)}, a folder with the Cornell corpus or a"
            " prepared one, smalltalk, chitchat-dataset or chatterbot-corpus."
        )
    if not path.exists():
        raise CorpusError(f"The corpus {path} does not exist; check the path.")
    return _open_path(source, format_, path, delimiter)


def _format_of(path: Path, delimiter: str) -> str:
    if path.is_dir():
        if (path / CONVERSATIONS_FILE).exists() or (path / LINES_FILE).exists():
            return "cornell"
        return "prepared" if any((path / name).exists() for name in SPLIT_FILES) else ""
    if path.name in (CONVERSATIONS_FILE, LINES_FILE):
        return "cornell"
    format_ = SUFFIXES.get(path.suffix.lower(), "")
    return "pairs" if delimiter and format_ in ("", "lines") else format_


def _open_path(source: str, format_: str, path: Path, delimiter: str) -> Corpus:
    if format_ == "prepared":
        if not (path / SUMMARY_FILE).is_file():
            raise CorpusError(
                f"{path} has no {SUMMARY_FILE}, so its preparation was cut short; do it again with:"
                f" python -m bot corpus prepare SOURCE --out {path}."
            )
        files = tuple(path / name for name in SPLIT_FILES)
        return Corpus(
            source,
            partial(read_prepared, path),
            files,
            prepared=True,
            max_reply_words=max_reply_words(path),
        )
    if format_ == "cornell":
        folder = path if path.is_dir() else path.parent
        files = (folder / LINES_FILE, folder / CONVERSATIONS_FILE)
        for file in files:
            if not file.is_file():
                raise CorpusError(
                    f"{folder} has no {file.name}; a Cornell corpus is a folder with {LINES_FILE}"
                    f" and {CONVERSATIONS_FILE}."
                )
        return Corpus(source, partial(read_cornell, folder), files)
    if not path.is_file():
        raise CorpusError(f"The corpus {path} is not a file; check the path.")
    return Corpus(source, _file_reader(format_, path, delimiter), (path,))


def _file_reader(format_: str, path: Path, delimiter: str) -> Reader:
    if format_ == "jsonl":
        return lambda log: read_json_lines(path, log)
    if format_ == "lines":
        return partial(read_adjacent_lines, path)
    if format_ == "csv":
        if len(delimiter or ",") != 1:
            raise UsageError(
                f"CSV has a delimiter of one character and not {delimiter!r}; for others write"
                f" pairs:{path}."
            )
        return lambda log: read_columns(path, log, delimiter or ",", quoted=True)
    pairs_only = format_ == "pairs"
    return lambda log: read_columns(path, log, delimiter or "\t", pairs_only=pairs_only)
