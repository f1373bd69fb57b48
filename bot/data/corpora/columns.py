"""What people call the column, or the field, of the prompt and that of the reply."""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

_PROMPT_NAMES = (
    "prompt", "question", "instruction", "input", "source", "query", "message", "utterance",
    "context", "human", "user", "text", "statement", "request", "q",
)  # fmt: skip
_REPLY_NAMES = (
    "reply", "response", "answer", "output", "target", "completion", "bot", "assistant", "chosen",
    "a",
)  # fmt: skip
# Names of columns that are neither; so is what has an underscore, such as tweet_id.
_OTHER_NAMES = (
    "id", "index", "speaker", "author", "username", "tweet", "timestamp", "date", "label", "topic",
    "intent", "line", "character",
)  # fmt: skip
_UNDERSCORED = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")


class PairNames(NamedTuple):
    """The names that were found, as they were written.

    :param details: of what belongs to the prompt, if there is more; empty: nothing does
    """

    prompt: str
    reply: str
    details: str = ""

    @classmethod
    def among(cls, names: Iterable[str]) -> "PairNames | None":
        """Find them, whatever their case; None if the prompt's or the reply's is not there."""
        written = {name.strip().lower(): name for name in names}
        prompt = next((name for name in _PROMPT_NAMES if name in written), None)
        reply = next((name for name in _REPLY_NAMES if name in written), None)
        if prompt is None or reply is None:
            return None
        details = written.get("input", "") if prompt == "instruction" else ""
        return cls(written[prompt], written[reply], details)


class Certainty(Enum):
    """How sure it is that a line is a header."""

    SURE = auto()
    LIKELY = auto()


def header_certainty(columns: Sequence[str]) -> Certainty | None:
    """Whether the first line of a file is a header, though ``PairNames`` are not among it."""
    cells = [column.strip().lower() for column in columns]
    others = {cell for cell in cells if cell in _OTHER_NAMES or _UNDERSCORED.fullmatch(cell)}
    # "a" and "q" are words too.
    named = others | {
        cell for cell in cells if len(cell) > 1 and cell in _PROMPT_NAMES + _REPLY_NAMES
    }
    if others and len(named) > 1:
        return Certainty.SURE
    single = len(set(cells)) == len(cells) > 1 and all(len(cell.split()) < 2 for cell in cells)
    return Certainty.LIKELY if named and single else None


def with_details(prompt: str, details: str) -> str:
    """An instruction and what it is about, if that is not empty."""
    return f"{prompt}\n{details}" if details.strip() else prompt
