"""Corpora of ConvoKit (Chang et al., 2020), https://convokit.cornell.edu: utterances that name
what they reply to.

The movie dialogues of today's PyTorch chatbot tutorial are one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import NamedTuple

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.json_objects import json_values
from bot.data.corpora.lines import ReadingLog
from bot.data.splits import split_of

UTTERANCES_FILE = "utterances.jsonl"

# So many turns are kept before the first new one of a branch.
MAX_CONTEXT = 16


class _Utterance(NamedTuple):
    number: int
    parent: str
    speaker: str
    text: str


def read_convokit(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Each conversation; of a tree of replies, each branch, with the turns before it as context.

    An utterance that replies to none, or to one that the file does not have, begins a conversation.
    What a speaker says twice in a row is one turn of two lines. Texts are held in memory, because
    utterances come in any order.

    :param path: of ``utterances.jsonl``, or of the JSON array of older corpora
    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    utterances = _read(path, log, encoding)
    replies: dict[str, list[str]] = {}
    roots = []
    for identifier, utterance in utterances.items():
        if utterance.parent in utterances:
            replies.setdefault(utterance.parent, []).append(identifier)
        else:
            roots.append(identifier)
    reached = set()
    for root in roots:
        split = ""
        for branch, first_new in _branches(root, replies):
            reached.update(branch)
            conversation = _conversation([utterances[one] for one in branch], first_new, split)
            # The branches of a tree share turns, so that they must share the split.
            split = split or split_of(conversation)
            if conversation.replies():
                yield conversation
    lost = [one.number for identifier, one in utterances.items() if identifier not in reached]
    if lost:
        log.skip(str(path), lost[0], "replies to one that replies to it", count=len(lost))


def _read(path: Path, log: ReadingLog, encoding: str) -> dict[str, _Utterance]:
    utterances: dict[str, _Utterance] = {}
    for number, value in json_values(path, log, encoding):
        try:
            identifier, text = str(value["id"]), value["text"] or ""
            parent = value.get("reply-to", value.get("reply_to"))
            speaker = value.get("speaker", value.get("user"))
        except (KeyError, TypeError, AttributeError):
            log.skip(str(path), number, 'is not {"id": ..., "reply-to": ..., "text": "..."}')
            continue
        if not isinstance(text, str):
            log.skip(str(path), number, "has a text that is not a string")
        elif identifier in utterances:
            log.skip(str(path), number, f"has the id {identifier:.40}, which was there before")
        else:
            speaker = "" if speaker is None else intern(str(speaker))
            parent = "" if parent is None else str(parent)
            utterances[identifier] = _Utterance(number, parent, speaker, text)
    return utterances


def _branches(root: str, replies: Mapping[str, list[str]]) -> Iterator[tuple[list[str], int]]:
    """The ways from the root to where nobody replied, less what is far before the first new one.

    :return: identifiers, and the index of the first that was on no earlier way and is a reply
    """
    way: list[str] = []
    first_new = 1
    waiting = [(root, 0)]
    while waiting:
        identifier, depth = waiting.pop()
        if depth < len(way):
            first_new = depth
            del way[depth:]
        way.append(identifier)
        following = replies.get(identifier, ())
        waiting.extend((reply, depth + 1) for reply in reversed(following))
        if not following:
            start = max(0, first_new - MAX_CONTEXT)
            yield way[start:], first_new - start


def _conversation(utterances: Sequence[_Utterance], first_new: int, split: str) -> Conversation:
    turns: list[str] = []
    first_reply = 0
    speaker = ""
    for index, utterance in enumerate(utterances):
        if turns and speaker and utterance.speaker == speaker:
            turns[-1] += f"\n{utterance.text}"
            continue
        speaker = utterance.speaker
        if turns and not first_reply and index >= first_new:
            first_reply = len(turns)
        turns.append(utterance.text)
    return Conversation(turns, first_reply or len(turns), split)
