"""What every reader yields."""

from typing import NamedTuple


class Conversation(NamedTuple):
    """What two speakers said in turn.

    :param turns: two speakers alternating
    :param first_reply: the index of the first turn to learn as a reply; those before it are only
        context
    :param split: the split that it was put into when its corpus was prepared, or that of the
        conversation which it is a part of; empty: its own content says
    :param both_reply: whether the turns of both speakers are learnt as replies from there on; else
        only those of the one who says the first
    """

    turns: list[str]
    first_reply: int = 1
    split: str = ""
    both_reply: bool = True

    def replies(self) -> range:
        """The indices of the turns to learn as replies."""
        return range(self.first_reply, len(self.turns), 1 if self.both_reply else 2)

    def backwards(self) -> "Conversation":
        """The turns in reverse order, so that each prompt is learnt as the reply to its reply."""
        replies = self.replies()
        count = len(self.turns) - self.first_reply + 1
        return self._replace(
            turns=self.turns[::-1][: max(0, count)],
            first_reply=len(self.turns) - replies[-1] if replies else 1,
        )
