"""Reads dialogue corpora as conversations: lists of turns, two speakers alternating."""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from bot.errors import CorpusError, UsageError


class Conversation(NamedTuple):
    """What two speakers said in turn.

    :param turns: two speakers alternating
    :param first_reply: the index of the first turn to learn as a reply; those before it are only
        context
    """

    turns: list[str]
    first_reply: int = 1


def read_conversations(source: str) -> Iterator[Conversation]:
    """Read a corpus, one conversation at a time.

    :param source: ``smalltalk`` (our own pairs), ``chitchat-dataset`` (the Python package), or a
        path: ``.jsonl`` with ``{"turns": ["…", …]}`` a line, or ``.tsv`` with
        ``prompt<TAB>reply`` a line, earlier turns before them if there were any
    :raises UsageError: if the source is none of these
    :raises CorpusError: if a file or a line of it cannot be read, or the package is not installed
    """
    if source == "smalltalk":
        lines = resources.files("bot.training").joinpath("smalltalk.tsv").read_text("utf-8")
        return _pair_lines(lines.splitlines(), source)
    if source == "chitchat-dataset":
        return _chitchat()
    path = Path(source)
    if path.suffix == ".jsonl":
        return _json_lines(_lines(path), source)
    if path.suffix == ".tsv":
        return _pair_lines(_lines(path), source)
    raise UsageError(
        f"The corpus {source!r} is not known: give a .jsonl or .tsv file, smalltalk or"
        " chitchat-dataset."
    )


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"The corpus {path} cannot be read: {error}; check the path and that it is UTF-8."
        ) from error


def _json_lines(lines: Iterator[str], source: str) -> Iterator[Conversation]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            turns = json.loads(line)["turns"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f'{source}, line {number} is not {{"turns": [...]}}; correct or remove the line.'
            ) from error
        if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
            raise CorpusError(
                f"{source}, line {number}: turns must be a list of strings; correct or remove it."
            )
        yield Conversation(turns)


def _pair_lines(lines: Iterator[str] | list[str], source: str) -> Iterator[Conversation]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        turns = line.rstrip("\n").split("\t")
        if len(turns) < 2:
            raise CorpusError(f"{source}, line {number} has no tab; write prompt<TAB>reply.")
        yield Conversation(turns, first_reply=len(turns) - 1)


def _chitchat() -> Iterator[Conversation]:
    """The Chit-Chat dataset, less the conversations that are kept for evaluation."""
    try:
        # The file and not the package's reader of it, which leaves it open.
        text = resources.files("chitchat_dataset").joinpath("dataset.json").read_text("utf-8")
    except ModuleNotFoundError as error:
        raise CorpusError(
            "The corpus chitchat-dataset is a Python package that is not installed; install it"
            " with: python -m pip install chitchat-dataset."
        ) from error
    for conversation_id, conversation in json.loads(text).items():
        if reserved_for_evaluation(conversation_id):
            continue
        yield Conversation(
            [
                "\n".join(message["text"] for message in messages)
                for messages in conversation["messages"]
            ]
        )


def reserved_for_evaluation(conversation_id: str) -> bool:
    """Whether a Chit-Chat conversation must never be trained on: 2% of them, by their id."""
    return int(sha256(conversation_id.encode()).hexdigest(), 16) % 1000 < 20
