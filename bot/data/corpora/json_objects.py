"""JSON: a conversation an object, in JSON Lines or in an array."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.data.corpora.columns import PairNames, with_details
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import MAX_LINE, ReadingLog, numbered_lines
from bot.data.corpora.text_file import PIECE, first_text, text_pieces

SHAPES = (
    '{"turns": ["...", "..."]}, {"messages": [{"role": "user", "content": "..."}, ...]} or'
    ' {"prompt": "...", "reply": "..."}'
)

# What they are called in {"messages": [{"role", "content"}]} and in {"conversations": [{"from",
# "value"}]}.
_REPLY_ROLES = ("assistant", "gpt", "model", "bot", "chatbot")
_PROMPT_ROLES = ("user", "human", "prompter")
_NOT_TURNS = ("system", "developer", "tool", "function")

# The types of the parts that a content may be a list of.
_TEXT_PARTS = ("text", "input_text", "output_text")

_BETWEEN = re.compile(r"[\s,]*")


def read_json(
    path: Path, log: ReadingLog, encoding: str = "", split: str = ""
) -> Iterator[Conversation]:
    """Each object has the turns of a conversation, in one of ``SHAPES``.

    ``"first_reply": n`` beside ``"turns"`` says that not all are to be learnt. Of messages, only
    the assistant's are learnt; several in a row are one turn, of several lines.

    :param split: the split that the file's conversations belong to
    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    for number, value in json_values(path, log, encoding):
        found = _conversation(value)
        if isinstance(found, str):
            log.skip(str(path), number, found)
        else:
            yield found._replace(split=split)


def json_values(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[tuple[int, Any]]:
    """What the lines of a file, or the elements of the array in it, are, with their line's number.

    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read
    """
    if first_text(path, encoding).lstrip().startswith("["):
        yield from _elements(path, log, encoding)
        return
    for number, line in numbered_lines(path, log, encoding):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            log.skip(str(path), number, "is not JSON")


def _elements(path: Path, log: ReadingLog, encoding: str) -> Iterator[tuple[int, Any]]:
    """The elements of an array, which may be larger than memory, one after the other."""
    taken = log.encoding_of(path, encoding)
    pieces = text_pieces(path, taken, log.on_bytes)
    decoder = json.JSONDecoder()
    text, at, number = "", 0, 1
    opened = ended = False
    wanted = PIECE  # so many characters must be there before the next element is tried
    while True:
        if wanted:
            parts, size = [text[at:]], len(text) - at
            while size < wanted and not ended:
                piece = next(pieces, "")
                ended = not piece
                parts.append(taken.decoded(piece) or piece)
                size += len(parts[-1])
            text, at, wanted = "".join(parts), 0, 0
        if not opened:
            opened, at = True, text.index("[") + 1
            number += text.count("\n", 0, at)
        between = _BETWEEN.match(text, at)
        start = between.end() if between else at
        number += text.count("\n", at, start)
        at = start
        if text.startswith("]", at):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            # Either it is malformed or its end is still to be read.
            if not ended and len(text) - at < MAX_LINE:
                wanted = max(PIECE, 2 * (len(text) - at))
                continue
            problem = "is not JSON" if at < len(text) else "is the last, but its array goes on"
            log.skip(str(path), number, f"{problem}, so no more of the file is read")
            return
        if taken.decoded(text[at:end]) is None:
            log.skip(str(path), number, f"is not {taken.name.upper()}")
        else:
            yield number, value
        number += text.count("\n", at, end)
        at = end


def _conversation(value: Any) -> Conversation | str:
    """The conversation that an object is, or what is wrong with it."""
    if not isinstance(value, dict):
        return f"is not {SHAPES}"
    if "turns" in value:
        return _of_turns(value["turns"], value.get("first_reply", 1))
    messages = value.get("messages", value.get("conversations"))
    if messages is not None:
        return _of_messages(messages)
    names = PairNames.among(value)
    if names is None:
        return f"is not {SHAPES}"
    prompt, reply = value[names.prompt], value[names.reply]
    details = (value.get(names.details) if names.details else "") or ""
    if isinstance(prompt, str) and isinstance(reply, str) and isinstance(details, str):
        return Conversation([with_details(prompt, details), reply])
    return "has a prompt or a reply that is not a string"


def _of_turns(turns: Any, first_reply: Any) -> Conversation | str:
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        return "has turns that are not a list of strings"
    if type(first_reply) is not int or first_reply < 1:
        return "has a first_reply that is not a number from 1"
    if first_reply >= len(turns):
        return "has no reply: fewer turns than it takes to have one"
    return Conversation(turns, first_reply)


def _of_messages(messages: Any) -> Conversation | str:
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        return "has messages that are not a list of roles and contents"
    turns: list[str] = []
    roles: list[bool] = []  # whether the turn is a reply
    for message in messages:
        role = message.get("role", message.get("from"))
        text = _text(message.get("content", message.get("value")))
        if role in _NOT_TURNS or text is None:
            continue
        if role not in _PROMPT_ROLES + _REPLY_ROLES:
            return f"has a message whose role is {role!r:.40}, and not user, assistant or system"
        if not isinstance(text, str):
            return "has a message whose content is neither a string nor a list of parts"
        replies = role in _REPLY_ROLES
        if replies and not text:  # an assistant that calls a tool says nothing
            continue
        if roles and roles[-1] == replies:
            turns[-1] += f"\n{text}"
        else:
            turns.append(text)
            roles.append(replies)
    if True not in roles[1:]:
        return "has no reply: no message of the assistant after one of the user"
    return Conversation(turns, roles.index(True, 1), both_reply=False)


def _text(content: Any) -> Any:
    """What is written in a message of several parts, without its images and calls of tools."""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content
    texts = [part.get("text") for part in content if part.get("type") in _TEXT_PARTS]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else content
