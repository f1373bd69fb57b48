"""Corpora that come as Python packages, and the one that comes with Causerie."""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

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
    :raises CorpusError: if its package, or PyYAML, is not installed
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
            yield from _yaml_conversations(file, log)


def _yaml_conversations(file: Traversable, log: ReadingLog) -> Iterator[Conversation]:
    """The lists of strings under ``conversations``."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise _not_installed("chatterbot-corpus pyyaml") from error

    try:
        # Nodes instead of values: they know their lines, and Yes and 42 stay as they were written.
        # Nothing is constructed, whatever a tag asks for.
        root = yaml.compose(file.read_text("utf-8"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        log.skip(str(file), line, f"is not YAML ({error.problem})")
        return
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    for conversations in (value for key, value in pairs if key.value == "conversations"):
        for node in conversations.value:
            turns = node.value if isinstance(node, yaml.SequenceNode) else [node]
            if len(turns) > 1 and all(isinstance(turn, yaml.ScalarNode) for turn in turns):
                yield Conversation([turn.value for turn in turns])
            else:
                log.skip(
                    str(file), node.start_mark.line + 1, "is not a list of a prompt and its reply"
                )


def _package(name: str) -> Traversable:
    try:
        return resources.files(name)
    except ModuleNotFoundError as error:
        raise _not_installed(name.replace("_", "-")) from error


def _not_installed(packages: str) -> CorpusError:
    return CorpusError(
        f"The corpus {packages.split()[0]} is a Python package that is not installed; install it"
        f" with: python -m pip install {packages}."
    )
