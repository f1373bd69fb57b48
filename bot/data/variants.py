"""A training example as it may also come: typed by others, and after other turns."""

import random

from bot.data.cleaning import spoken
from bot.data.selection import Example
from bot.text.words import is_unspaced

# A message can come at any moment of a conversation. So a pair that stands alone in its corpus is
# shown after two turns of another conversation, this often.
UNRELATED_CONTEXT = 0.5
# How often the turns before a message are left out.
FORGOTTEN_CONTEXT = 0.2


class Variants:
    """Changes the turns before a reply, never the reply.

    :param max_source_turns: how many turns before a reply the model sees
    """

    def __init__(self, rng: random.Random, max_source_turns: int) -> None:
        self._rng = rng
        self._max_source_turns = max_source_turns
        self._overheard: list[tuple[str, str]] = []  # pairs of turns from all conversations so far

    def overhear(self, example: Example) -> None:
        """Remember an example, to come before one of another conversation."""
        self._overheard.append((example.turns[-1], example.reply))

    def of(self, example: Example, *, forgettable: bool, alone: bool) -> Example:
        """Another form of an example.

        :param forgettable: whether its newest turn can be answered without those before it
        :param alone: whether its conversation had nothing else in it
        """
        turns = _typed(example.turns, self._rng)
        if forgettable and self._rng.random() < FORGOTTEN_CONTEXT:
            turns = turns[-1:]
        elif alone and self._overheard and self._rng.random() < UNRELATED_CONTEXT:
            turns = (*self._rng.choice(self._overheard), *turns)[-self._max_source_turns :]
        return Example(turns, example.reply)


def _typed(turns: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """The turns with those of the other speaker as somebody else might have typed them.

    Half of the time they get other final marks, else they lose capitals and punctuation, and half
    of those their apostrophes too.
    """
    capitals = rng.random() < 0.5
    apostrophes = capitals or rng.random() < 0.5

    def typed(turn: str) -> str:
        if capitals:
            text = turn.rstrip(".!")
            # Scripts with other marks keep theirs.
            if text and text[-1] != "?" and not is_unspaced(text):
                text += rng.choice(("", ".", "!"))
        else:
            text = spoken(turn)
            if not apostrophes:
                text = text.replace("'", "")
        return text or turn

    theirs = len(turns) % 2  # the parity of the newest turn, counted from 1
    return tuple(
        typed(turn) if position % 2 == theirs else turn for position, turn in enumerate(turns, 1)
    )
