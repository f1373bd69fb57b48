"""JSON Lines: a conversation a line."""

import json
from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines


def read_json_lines(path: Path, log: ReadingLog, split: str = "") -> Iterator[Conversation]:
    """Each line is ``{"turns": ["…", …]}``, with ``"first_reply": n`` if not all are to be learnt.

    :param split: the split that the file's conversations belong to
    """
    for number, line in numbered_lines(path, log):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            turns, first_reply = value["turns"], value.get("first_reply", 1)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.skip(str(path), number, 'is not {"turns": ["...", ...]}')
            continue
        if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
            log.skip(str(path), number, "has turns that are not a list of strings")
        elif type(first_reply) is not int or first_reply < 1:
            log.skip(str(path), number, "has a first_reply that is not a number from 1")
        elif first_reply >= len(turns):
            log.skip(str(path), number, "has no reply: fewer turns than it takes to have one")
        else:
            yield Conversation(turns, first_reply, split)
