"""From a message to a reply: encode, search before the deadline, decode."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from bot.errors import DeadlineError

FALLBACK = "I have no words for that one. Could you say it another way?"


class TextCodec(Protocol):
    """What the responder needs of a tokenizer."""

    def encode_source(self, *turns: str) -> list[int]:
        """The source ids of any strings, in bounded time; never raises."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of reply ids."""
        ...


class ReplyGenerator(Protocol):
    """What the responder needs of the engine."""

    async def generate(self, source_ids: list[int]) -> list[int]:
        """The reply ids to a source."""
        ...


class Responder:
    """Answers the newest turn of a conversation with a sentence.

    :param reply_timeout_s: how long a search may take, its wait in the queue included
    """

    def __init__(
        self, engine: ReplyGenerator, tokenizer: TextCodec, reply_timeout_s: float
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._reply_timeout_s = reply_timeout_s

    async def reply(self, *turns: str) -> str:
        """The reply to the newest turn, which is the last; never blank.

        :param turns: the conversation so far, the other speaker's turns and ours alternating
        :raises DeadlineError: if the reply is not ready in time
        :raises ServingError: what the engine raises
        """
        source_ids = self._tokenizer.encode_source(*turns)
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                reply_ids = await self._engine.generate(source_ids)
        except TimeoutError as error:
            raise DeadlineError(
                f"The reply was not ready within {self._reply_timeout_s:g} s."
            ) from error
        reply = self._tokenizer.decode(reply_ids).strip()
        return reply if _is_visible(reply) else FALLBACK


def _is_visible(text: str) -> bool:
    """Whether a reader would see anything: more than white space, joiners and controls."""
    return any(character.isprintable() and character != " " for character in text)
