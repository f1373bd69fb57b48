"""What people call the column, or the field, of the prompt and that of the reply."""

from collections.abc import Iterable
from typing import NamedTuple

_PROMPT_NAMES = (
    "prompt", "question", "instruction", "input", "source", "query", "message", "utterance",
    "context", "human", "user", "text", "statement", "request", "q",
)  # fmt: skip
_REPLY_NAMES = (
    "reply", "response", "answer", "output", "target", "completion", "bot", "assistant", "chosen",
    "a",
)  # fmt: skip


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


def with_details(prompt: str, details: str) -> str:
    """An instruction and what it is about, if that is not empty."""
    return f"{prompt}\n{details}" if details.strip() else prompt
