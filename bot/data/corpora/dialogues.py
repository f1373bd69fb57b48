"""Text files of whole dialogues: DailyDialog's lines, and PersonaChat's numbered ones."""

import re
from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines

END_OF_UTTERANCE = "__eou__"

NUMBERED = re.compile(r"([0-9]{1,4}) (.*)")
_PERSONA = re.compile(r"(?:your|partner's|their) persona: ")
_SILENCE = "__SILENCE__"


def read_eou(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Each line is a dialogue, with ``__eou__`` after each turn.

    The format of DailyDialog (Li et al., 2017, https://aclanthology.org/I17-1099).

    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        turns = [turn.strip() for turn in line.split(END_OF_UTTERANCE)]
        if not turns[-1]:
            turns.pop()
        if len(turns) < 2:
            log.skip(str(path), number, f"has no two turns with {END_OF_UTTERANCE} after each")
        else:
            yield Conversation(turns)


def read_numbered(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Each dialogue is lines with numbers from 1; a tab stands before the reply to a line, if any.

    The format of PersonaChat (Zhang et al., 2018, https://aclanthology.org/P18-1205) in ParlAI:
    lines that describe the speakers, and columns after the reply, are left out.

    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    turns: list[str] = []
    start, last = 1, 0
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        match = NUMBERED.fullmatch(line)
        if match is None:
            log.skip(str(path), number, "does not begin with its number in a dialogue")
            continue
        if int(match[1]) <= last:
            yield from _dialogue(turns, path, start, log)
            turns, start = [], number
        last = int(match[1])
        if not _PERSONA.match(match[2]):
            turns += [turn for turn in match[2].split("\t")[:2] if turn != _SILENCE]
    yield from _dialogue(turns, path, start, log)


def _dialogue(turns: list[str], path: Path, start: int, log: ReadingLog) -> Iterator[Conversation]:
    if len(turns) > 1:
        yield Conversation(turns)
    elif turns:
        log.skip(str(path), start, "begins a dialogue of one turn")
