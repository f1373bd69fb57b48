from collections.abc import AsyncIterator

import pytest
from discord_world import Reply, World, fits_and_pings_nobody

from bot.discord_app.chat import FAILED
from bot.serving.content_filter import ContentFilter
from bot.serving.engine import Engine
from bot.serving.responder import Responder as RealResponder
from bot.text.tokenizer import train_bpe

# Discord takes 2,000 characters from a user; tests/serving sends longer texts.
BAD_INPUTS = {
    "control characters": "".join(map(chr, range(1, 32))) + "x",
    "lone surrogates": "\ud800 and \udfff",
    "emoji": "\N{FACE WITH TEARS OF JOY}" * 2000,
    "right-to-left marks": "\u202e\u200fabc\u2067",
    "a ping": "@everyone @here",
    "a code block": "```python\nprint('hi')\n```",
    "an open code block": "```" + "x\n" * 998,
    "an injected log line": "\n2026-01-01T00:00:00 ERROR forged",
}


@pytest.mark.parametrize("text", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
async def test_a_bad_reply_is_posted_within_the_limits_and_pings_nobody(
    world: World, text: str
) -> None:
    world.responder.answer = text * 3
    await world.env.create_user("bob").send_dm("hello")

    assert world.posts
    assert all(fits_and_pings_nobody(post) for post in world.posts)


class EchoSearcher:
    def search(
        self, source_ids: list[list[int]], max_length: int, options: object
    ) -> list[list[int]]:
        return [source[:max_length] for source in source_ids]


@pytest.fixture
async def chain() -> AsyncIterator[Reply]:
    """The real way from text to text around a searcher that repeats what it reads."""
    tokenizer = train_bpe(["hello, how are you?"], 300, max_source_tokens=32)
    async with Engine(
        EchoSearcher(),
        workers=1,
        threads_per_worker=1,
        queue_limit=4,
        max_batch_size=4,
        max_reply_tokens=40,
    ) as engine:
        yield RealResponder(engine, tokenizer, 5, ContentFilter.default()).reply


@pytest.mark.parametrize("text", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
async def test_bad_input_is_answered_by_the_whole_chain(
    world: World, chain: Reply, text: str
) -> None:
    world.responder.answer = chain
    bob = world.env.create_user("bob")
    await bob.send_dm(text)
    await world.alice.send(world.channel, f"{world.me} {text[:1900]}")

    assert len(world.posts) == 2
    assert all(fits_and_pings_nobody(post) for post in world.posts)
    assert FAILED not in world.answers() + world.answers(bob.dm_channel)
