"""What a corpus is called on the command line, and who reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.data.corpora import encoding as encodings
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.convokit import UTTERANCES_FILE
from bot.data.corpora.cornell import CONVERSATIONS_FILE, LINES_FILE, read_cornell
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import read_chatterbot, read_chitchat, read_smalltalk
from bot.data.corpora.prepared import (
    SPLIT_FILES,
    SUMMARY_FILE,
    max_reply_words,
    read_prepared,
)
from bot.data.corpora.text_file import first_text, plain_or_gzip
from bot.data.formats import FORMATS, FileOptions, format_of
from bot.data.messenger_exports import refuse_export
from bot.errors import CorpusError, UsageError

NAMES = (*(format_.name for format_ in FORMATS), "cornell")


@dataclass(frozen=True)
class Corpus:
    """A source whose format is known.

    :param files: what will be read; none for a corpus that is a Python package
    :param prepared: whether its examples are ready: filtered, rewritten, and put into splits
    :param max_reply_words: the limit that its replies were prepared with; 0: none is known
    """

    source: str
    read: Callable[[ReadingLog], Iterator[Conversation]]
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


def open_corpus(source: str, delimiter: str = "", encoding: str = "") -> Corpus:
    """Find out what a source is.

    :param source: ``smalltalk``; ``chitchat-dataset`` or ``chatterbot-corpus[:LANGUAGE]`` (Python
        packages); a folder with the Cornell corpus, one of ConvoKit or a prepared one; or a file,
        whose suffix or look says its format unless it is written as ``FORMAT:PATH``
    :param delimiter: what stands between the columns of a file; empty: a tab, in CSV what fits the
        first rows. With a delimiter, a file whose suffix does not promise columns is read as
        ``pairs``.
    :param encoding: of files; empty: it is found out
    :raises UsageError: if the source is none of these or an export of a messenger, or an option
        does not fit
    :raises CorpusError: if there is no such file, or the package is not installed
    """
    if encoding:
        encodings.named(encoding)
    if source == "smalltalk":
        return Corpus(source, read_smalltalk)
    if source == "chitchat-dataset":
        return Corpus(source, lambda log: read_chitchat())
    name, _, rest = source.partition(":")
    if name == "chatterbot-corpus":
        return Corpus(source, partial(read_chatterbot, rest or "english"))
    named = name if name in NAMES and rest else ""
    path = Path(rest if named else source)
    if path.is_dir():
        return _open_folder(source, named, path, encoding)
    if named == "cornell" or path.name.removesuffix(".gz") in (CONVERSATIONS_FILE, LINES_FILE):
        return _open_cornell(source, path.parent, encoding)
    if not path.exists() and (named or format_of(path, delimiter)):
        raise CorpusError(f"The corpus {path} does not exist; check the path.")
    return _open_file(source, named, path, FileOptions(delimiter, encoding))


def _open_folder(source: str, named: str, folder: Path, encoding: str) -> Corpus:
    utterances = plain_or_gzip(folder / UTTERANCES_FILE)
    if utterances.exists() and named in ("", "convokit"):
        return _open_file(source, "convokit", utterances, FileOptions(encoding=encoding))
    cornell = (CONVERSATIONS_FILE, LINES_FILE)
    if named == "cornell" or any(plain_or_gzip(folder / name).exists() for name in cornell):
        return _open_cornell(source, folder, encoding)
    if named:
        raise CorpusError(f"The corpus {folder} is not a file; check the path.")
    if any((folder / name).exists() for name in SPLIT_FILES):
        return _open_prepared(source, folder)
    raise _unknown(source)


def _open_prepared(source: str, folder: Path) -> Corpus:
    if not (folder / SUMMARY_FILE).is_file():
        raise CorpusError(
            f"{folder} has no {SUMMARY_FILE}, so its preparation was cut short; do it again with:"
            f" python -m bot corpus prepare SOURCE --out {folder}."
        )
    return Corpus(
        source,
        partial(read_prepared, folder),
        tuple(folder / name for name in SPLIT_FILES),
        prepared=True,
        max_reply_words=max_reply_words(folder),
    )


def _open_cornell(source: str, folder: Path, encoding: str) -> Corpus:
    files = tuple(plain_or_gzip(folder / name) for name in (LINES_FILE, CONVERSATIONS_FILE))
    for file in files:
        if not file.is_file():
            raise CorpusError(
                f"{folder} has no {file.name}; a Cornell corpus is a folder with {LINES_FILE} and"
                f" {CONVERSATIONS_FILE}."
            )
    return Corpus(source, lambda log: read_cornell(folder, log, encoding), files)


def _open_file(source: str, named: str, path: Path, options: FileOptions) -> Corpus:
    text = ""
    if path.exists():
        if not path.is_file():
            raise CorpusError(f"The corpus {path} is not a file; check the path.")
        text = first_text(path, options.encoding)
        refuse_export(path, text)
    name = named or format_of(path, options.delimiter, text)
    format_ = next((format_ for format_ in FORMATS if format_.name == name), None)
    if format_ is None:
        raise _unknown(source)
    if name == "csv" and len(options.delimiter or ",") != 1:
        raise UsageError(
            f"CSV has a delimiter of one character and not {options.delimiter!r}; for others write"
            f" pairs:{path}."
        )
    return Corpus(source, lambda log: format_.read(path, log, options), (path,))


def _unknown(source: str) -> UsageError:
    return UsageError(
        f"The corpus {source!r} is not known: give a .jsonl, .json, .tsv, .csv, .yml or .txt file,"
        f" gzipped or not, FORMAT:PATH with one of {', '.join(NAMES)}, a folder with the Cornell"
        " corpus, one of ConvoKit or a prepared one, smalltalk, chitchat-dataset or"
        " chatterbot-corpus."
    )
