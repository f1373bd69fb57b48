"""YAML as the ChatterBot corpus is written: lists of turns under ``conversations``."""

from collections.abc import Iterator
from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog, numbered_lines
from bot.errors import CorpusError, MissingPackageError

# YAML is parsed as a whole, in a hundred times the memory of the text.
MAX_CHARACTERS = 16_000_000


def read_yaml(path: Path, log: ReadingLog, encoding: str = "") -> Iterator[Conversation]:
    """Each list of a file.

    :raises UsageError: if there is no such encoding
    :raises CorpusError: if the file cannot be read, or is too large
    :raises MissingPackageError: if PyYAML is not installed
    """
    lines: list[str] = []
    size = 0
    for number, line in numbered_lines(path, log, encoding):
        lines += [""] * (number - 1 - len(lines))  # what was skipped
        lines.append(line)
        size += len(line)
        if size > MAX_CHARACTERS:
            raise CorpusError(
                f"The corpus {path} has more than {MAX_CHARACTERS:,} characters, which is too much"
                " for YAML; write it as JSON Lines."
            )
    yield from yaml_conversations("\n".join(lines), str(path), log)


def yaml_conversations(text: str, name: str, log: ReadingLog) -> Iterator[Conversation]:
    """Each list of a text.

    :param name: of its file
    :raises MissingPackageError: if PyYAML is not installed
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{name} is YAML, and PyYAML is not installed; install it with: python -m pip install"
            " pyyaml."
        ) from error

    try:
        # Nodes instead of values: they know their lines, and Yes and 42 stay as they were written.
        # Nothing is constructed, whatever a tag asks for.
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        log.skip(name, mark.line + 1 if mark else 1, f"is not YAML ({problem})")
        return
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    for conversations in (value for key, value in pairs if key.value == "conversations"):
        is_list = isinstance(conversations, yaml.SequenceNode)
        for node in conversations.value if is_list else [conversations]:
            turns = node.value if isinstance(node, yaml.SequenceNode) else [node]
            if len(turns) > 1 and all(isinstance(turn, yaml.ScalarNode) for turn in turns):
                yield Conversation([turn.value for turn in turns])
            else:
                log.skip(name, node.start_mark.line + 1, "is not a list of a prompt and its reply")
