"""What was said: bounded histories of turns, in memory only."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

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
        self._kept: OrderedDict[tuple[int, int], tuple[float, Conversation]] = OrderedDict()

    def turns(self, key: tuple[int, int]) -> tuple[str, ...]:
        """What was said there, the oldest turn first; nothing if it is forgotten.

        :param key: whose conversation, for instance the ids of a channel and a user
        """
        self.forget_expired()
        return self._kept[key][1].turns if key in self._kept else ()

    def add(self, key: tuple[int, int], *turns: str) -> None:
        """Append turns, the oldest first, and remember the conversation for ``memory_s`` more."""
        self.forget_expired()
        _, conversation = self._kept.pop(key, (0.0, Conversation()))
        conversation.add(*turns)
        self._kept[key] = (self._clock(), conversation)
        if len(self._kept) > self._max_conversations:
            self._kept.popitem(last=False)

    def forget_expired(self) -> None:
        """Drop what has been silent for ``memory_s``; the other methods do it too."""
        now = self._clock()
        while self._kept:
            since, _ = next(iter(self._kept.values()))
            if now - since < self.memory_s:
                return
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
