"""From a message to a reply: encode, search, decode."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

from bot.artifact.options import GREEDY, Attention, Hypothesis, SearchOptions
from bot.serving.content_filter import ContentFilter
from bot.serving.sentences import FALLBACK
from bot.text.tokenizer import EOS_ID

NOTHING_FOUND = Hypothesis(token_ids=[], ended=True, log_probability=0.0, score=0.0)


class TextCodec(Protocol):
    """What the responder needs of a tokenizer."""

    def encode_source(self, *turns: str) -> list[int]:
        """The source ids of any strings, in bounded time; never raises."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of reply ids."""
        ...

    def labels(self, ids: Sequence[int]) -> list[str]:
        """A legible text for each token."""
        ...


class ReplyGenerator(Protocol):
    """What the responder needs of the engine."""

    async def generate(
        self, source_ids: list[int], *, user: Hashable, timeout_s: float
    ) -> list[int]:
        """The reply ids to a source; raises ``DeadlineError`` when the time is over."""
        ...

    async def hypotheses(
        self, source_ids: list[int], options: SearchOptions, *, user: Hashable, timeout_s: float
    ) -> list[Hypothesis]:
        """Every reply that a search found for a source, the best first."""
        ...

    async def attention(
        self, source_ids: list[int], target_ids: list[int], *, user: Hashable, timeout_s: float
    ) -> list[list[float]]:
        """Attention weights while writing a reply: a row a target, a column a source token."""
        ...


class Candidate(NamedTuple):
    """A reply that a search found.

    :param text: never blank
    """

    text: str
    hypothesis: Hypothesis


class Responder:
    """Answers the newest turn of a conversation with a sentence.

    :param reply_timeout_s: how long a search may take, its wait in the queue included
    :param content_filter: what the model does not get to see, and what it does not get to say
    :param options: how ``reply`` searches; those of the engine
    """

    def __init__(
        self,
        engine: ReplyGenerator,
        tokenizer: TextCodec,
        reply_timeout_s: float,
        content_filter: ContentFilter,
        options: SearchOptions = GREEDY,
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._reply_timeout_s = reply_timeout_s
        self._content_filter = content_filter
        self._options = options

    async def reply(self, *turns: str, user: Hashable = None) -> str:
        """The reply to the newest turn, which is the last; never blank.

        :param turns: the conversation so far, the other speaker's turns and ours alternating
        :param user: who asks: under load, users take turns
        :raises DeadlineError: if the reply is not ready in time
        :raises ServingError: what the engine raises
        """
        if self._options.beam_size > 1:  # there are others if the best may not be said
            return (await self.candidates(*turns, options=self._options, user=user))[0].text
        if instead := self._content_filter.answer_to(turns[-1]):
            return instead
        source_ids = self._tokenizer.encode_source(*turns)
        reply_ids = await self._engine.generate(
            source_ids, user=user, timeout_s=self._reply_timeout_s
        )
        return self._text(reply_ids)

    async def candidates(
        self, *turns: str, options: SearchOptions, user: Hashable = None
    ) -> list[Candidate]:
        """Every reply to the newest turn that a search found, the best first.

        What cannot be said comes last: those replies have a sentence in their place.

        :param turns, user: as ``reply`` has them
        :raises UsageError, SearcherError: if the model cannot search in that way
        :raises DeadlineError, ServingError: as ``reply`` does
        """
        if instead := self._content_filter.answer_to(turns[-1]):
            return [Candidate(instead, NOTHING_FOUND)]
        source_ids = self._tokenizer.encode_source(*turns)
        found = await self._engine.hypotheses(
            source_ids, options, user=user, timeout_s=self._reply_timeout_s
        )
        candidates = [Candidate(self._text(one.token_ids), one) for one in found]
        return sorted(candidates, key=lambda candidate: candidate.text == FALLBACK)

    async def attention(
        self, *turns: str, hypothesis: Hypothesis, user: Hashable = None
    ) -> Attention:
        """Where the model looks while it writes that reply to those turns.

        :raises SearcherError: if the model was exported by a version that did not show it
        :raises DeadlineError, ServingError: as ``reply`` does
        """
        source_ids = self._tokenizer.encode_source(*turns)
        target_ids = hypothesis.token_ids + [EOS_ID] * hypothesis.ended
        weights = await self._engine.attention(
            source_ids, target_ids, user=user, timeout_s=self._reply_timeout_s
        )
        labels = self._tokenizer.labels
        return Attention(labels(source_ids), labels(target_ids), weights)

    def _text(self, reply_ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(reply_ids).strip()
        return text if _is_visible(text) and self._content_filter.allows(text) else FALLBACK


def _is_visible(text: str) -> bool:
    """Whether a reader would see anything: more than white space, joiners and controls."""
    return any(character.isprintable() and character != " " for character in text)
