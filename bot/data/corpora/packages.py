"""Corpora that come as Python packages, and the one that comes with Causerie."""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from bot.data.corpora.chatterbot import yaml_conversations
from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.pairs import read_columns
from bot.errors import CorpusError, UsageError


def read_smalltalk(log: ReadingLog) -> Iterator[Conversation]:
    """Our own pairs."""
    with resources.as_file(resources.files("bot.data.corpora").joinpath("smalltalk.tsv")) as path:
        yield from read_columns(Path(path), log, "\t")


def read_chitchat() -> Iterator[Conversation]:
    """The Chit-Chat dataset, less the conversations that are kept for evaluation.

    :raises CorpusError: if its package is not installed
    """
    # The file and not the package's reader of it, which leaves it open.
    text = _package("chitchat_dataset").joinpath("dataset.json").read_text("utf-8")
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


def read_chatterbot(language: str, log: ReadingLog) -> Iterator[Conversation]:
    """The ChatterBot corpus, in one language.

    :raises UsageError: if it does not have the language
    :raises CorpusError: if its package is not installed
    :raises MissingPackageError: if PyYAML is not
    """
    data = _package("chatterbot_corpus").joinpath("data")
    languages = sorted(folder.name for folder in data.iterdir() if folder.is_dir())
    if language not in languages:
        raise UsageError(
            f"The ChatterBot corpus does not have {language!r}; write chatterbot-corpus:LANGUAGE"
            f" with one of {', '.join(languages)}."
        )
    for file in sorted(data.joinpath(language).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yml"):
            yield from yaml_conversations(file.read_text("utf-8"), str(file), log)


def _package(name: str) -> Traversable:
    try:
        return resources.files(name)
    except ModuleNotFoundError as error:
        package = name.replace("_", "-")
        extra = " pyyaml" if name == "chatterbot_corpus" else ""
        raise CorpusError(
            f"The corpus {package} is a Python package that is not installed; install it with:"
            f" python -m pip install {package}{extra}."
        ) from error
