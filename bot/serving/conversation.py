"""What was said: bounded histories of turns, in memory only."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

# More than any model here was trained to read; the tokenizer takes the last ones.
MAX_TURNS = 8


class Conversation:
    """The last turns of one conversation, the two speakers' alternating.

    :param max_turns: the oldest are forgotten beyond it
    """

    def __init__(self, max_turns: int = MAX_TURNS) -> None:
        self._turns: deque[str] = deque(maxlen=max_turns)

    @property
    def turns(self) -> tuple[str, ...]:
        """The oldest turn first."""
        return tuple(self._turns)

    def add(self, *turns: str) -> None:
        """Append turns, the oldest first."""
        self._turns.extend(turns)

    def clear(self) -> None:
        """Forget every turn."""
        self._turns.clear()


class Remembered(NamedTuple):
    """A conversation as it stood after a reply.

    :param turns: the oldest first
    :param reply_ids: of the messages that the newest reply was posted as
    :param since: when, by the clock of ``Conversations``
    """

    turns: tuple[str, ...]
    reply_ids: frozenset[int]
    since: float


class Conversations:
    """A conversation for each of many pairs of speakers.

    :param max_conversations: beyond it, the one that has been silent for longest is forgotten
    :param memory_s: a conversation that has been silent for so long is forgotten
    :param clock: the time in seconds, of which only differences matter
    """

    def __init__(
        self,
        max_conversations: int = 1000,
        memory_s: float = 30 * 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.memory_s = memory_s
        self._max_conversations = max_conversations
        self._clock = clock
        # The one that has been silent for longest comes first.
        self._kept: OrderedDict[tuple[int, int], Remembered] = OrderedDict()

    def recall(self, key: tuple[int, int]) -> Remembered:
        """What was said there; no turns if it is forgotten.

        :param key: whose conversation, for instance the ids of a channel and a user
        """
        self.forget_expired()
        return self._kept.get(key, Remembered((), frozenset(), self._clock()))

    def remember(
        self, key: tuple[int, int], turns: Sequence[str], reply_ids: Iterable[int] = ()
    ) -> None:
        """Keep a conversation's last turns, in the place of what was kept, for ``memory_s``."""
        self.forget_expired()
        self._kept.pop(key, None)
        self._kept[key] = Remembered(tuple(turns[-MAX_TURNS:]), frozenset(reply_ids), self._clock())
        if len(self._kept) > self._max_conversations:
            self._kept.popitem(last=False)

    def forget_expired(self) -> float | None:
        """Drop what has been silent for ``memory_s``; the other methods do it too.

        :return: in how many seconds the next is to be dropped; ``None`` if nothing is kept
        """
        now = self._clock()
        while self._kept:
            left_s = next(iter(self._kept.values())).since + self.memory_s - now
            if left_s > 0:
                return left_s
            self._kept.popitem(last=False)
        return None

    def __len__(self) -> int:
        return len(self._kept)
