"""The Cornell Movie-Dialogs Corpus.

Danescu-Niculescu-Mizil and Lee, 2011, "Chameleons in imagined conversations",
https://www.cs.cornell.edu/~cristian/Cornell_Movie-Dialogs_Corpus.html. Published in Windows-1252,
which its authors call ISO-8859-1; newer distributions are UTF-8 in places.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines
from bot.data.corpora.text_file import plain_or_gzip

LINES_FILE = "movie_lines.txt"
CONVERSATIONS_FILE = "movie_conversations.txt"

_SEPARATOR = " +++$+++ "
_LINE_IDS = re.compile(r"\[(?:\s*(?:'[\w.-]+'|\"[\w.-]+\")\s*,?)*\s*\]")
_LINE_ID = re.compile(r"[\w.-]+")


def read_cornell(folder: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Each conversation of the corpus, in the order of its file.

    The lines, some 30 MB of text, are held in memory, because conversations name them by id.

    :raises CorpusError: if a file cannot be read
    """
    texts = dict(_texts(plain_or_gzip(folder / LINES_FILE), log, encoding))
    path = plain_or_gzip(folder / CONVERSATIONS_FILE)
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        fields = line.split(_SEPARATOR)
        # Never evaluated, though it is written as a Python list.
        if len(fields) != 4 or not _LINE_IDS.fullmatch(fields[3].strip()):
            log.skip(str(path), number, "is not two characters, a movie and ['L1', 'L2', ...]")
            continue
        ids = _LINE_ID.findall(fields[3])
        missing = next((line_id for line_id in ids if line_id not in texts), None)
        if missing is not None:
            log.skip(str(path), number, f"names {missing}, which {LINES_FILE} does not have")
            continue
        yield Conversation([texts[line_id] for line_id in ids])


def _texts(path: Path, log: ReadingLog, encoding: str) -> Iterator[tuple[str, str]]:
    """The id and the text, which may be empty, of each line."""
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        # An editor that strips line ends leaves half a separator before an empty text.
        fields = f"{line} ".split(_SEPARATOR, 4)
        if len(fields) != 5:
            log.skip(str(path), number, f"does not have five fields with{_SEPARATOR}between them")
            continue
        yield fields[0], fields[4].strip()
