import asyncio
import logging
import signal
from collections.abc import AsyncIterator

import pytest
from discord_world import AT_EASE, World
from gate import Gate
from small_discord import Discord, Service

from bot.serving.content_filter import ContentFilter
from bot.serving.engine import Engine
from bot.serving.responder import Responder
from bot.text.tokenizer import train_bpe


@AT_EASE
async def test_while_draining_running_replies_are_finished_and_new_messages_are_left_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    finish = asyncio.Event()

    async def answer(text: str) -> str:
        await world.env.external_wait(finish.wait(), reason="a long reply")
        return text.upper()

    world.responder.answer = answer
    await world.alice.send(world.channel, f"{world.me} first")
    with caplog.at_level(logging.INFO, logger="bot"):
        draining = asyncio.create_task(world.chat.drain(5))
        await asyncio.sleep(0.01)
        await world.alice.send(world.channel, f"{world.me} second")
        assert not draining.done()
        finish.set()
        await draining
    await world.env.settle()

    assert world.answers() == ["FIRST"]
    assert "1 messages were answered, 0 of them with busy; 0 were not" in caplog.text
    assert "1 came too late" in caplog.text


class Blocked:
    """A searcher whose first batch does not end before the test says so."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.warm = False

    def search(
        self, source_ids: list[list[int]], max_length: int, options: object
    ) -> list[list[int]]:
        if self.warm:
            self.gate(source_ids)
        return source_ids


@pytest.fixture
def searcher() -> Blocked:
    return Blocked()


@pytest.fixture
async def engine(searcher: Blocked) -> AsyncIterator[Engine]:
    async with Engine(
        searcher,  # type: ignore[arg-type]
        workers=1,
        threads_per_worker=1,
        queue_limit=8,
        max_batch_size=1,
        max_reply_tokens=40,
    ) as engine:
        searcher.warm = True
        yield engine
        searcher.gate.open()


@AT_EASE
async def test_what_waits_in_the_engine_when_the_time_is_up_is_counted_too(
    world: World, engine: Engine, searcher: Blocked, caplog: pytest.LogCaptureFixture
) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")
    tokenizer = train_bpe(["hello, how are you?"], 300, max_source_tokens=32)
    world.responder.answer = Responder(engine, tokenizer, 20, ContentFilter.default()).reply
    for number in range(5):
        member = world.guild.add_member(world.env.create_user(f"user-{number}"))
        world.write(member, f"{world.me} hello")
    await searcher.gate.reached()
    while engine.statistics().waiting < 4:  # noqa: ASYNC110 (the engine has no event for it)
        await asyncio.sleep(0)
    world.write(member, f"{world.me} are you", f"{world.me} there?")
    await asyncio.sleep(0)

    with caplog.at_level(logging.INFO, logger="bot"):
        await world.chat.drain(0.01)

    assert "1 messages were answered, 0 of them with busy; 7 were not, 7 of them" in caplog.text
    assert engine.statistics().waiting == 0
    assert "Traceback" not in caplog.text


# The whole process


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service(Discord())
    try:
        await service.start(drain_timeout_s=2)
        await asyncio.wait_for(service.there.identified.wait(), 30)
        yield service
    finally:
        await service.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service_gracefully(service: Service, number: int) -> None:
    service.process.send_signal(number)
    code, output = await service.finish()

    assert code == 0, output
    assert "Traceback" not in output
    assert "stopped" in output
    assert service.there.close_code == 1000


async def test_a_reply_under_way_is_sent_before_the_service_ends(service: Service) -> None:
    await service.there.deliver("slow")
    await asyncio.wait_for(service.there.typing.wait(), 30)
    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()

    assert [post["content"] for post in service.there.posts] == ["SLOW"]
    assert code == 0, output
    assert "Traceback" not in output


async def test_what_is_left_when_the_time_is_up_is_counted_and_the_service_ends() -> None:
    there = Discord()
    # It does not even confirm the end of the connection.
    there.confirms_close = False
    service = Service(there)
    await service.start(drain_timeout_s=0.1)
    await asyncio.wait_for(there.identified.wait(), 30)
    await there.deliver("hello")
    await service.says("answered in")
    there.typing.clear()
    await there.deliver("forever")
    await asyncio.wait_for(there.typing.wait(), 30)
    for _ in range(3):
        await there.deliver("hello?")
    await there.send_event("TYPING_START", {})  # unreadable: when it is logged, all before are read
    await service.says("TYPING_START")
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()
    await service.stop()

    assert [post["content"] for post in there.posts] == ["HELLO"]
    assert code == 0, output
    assert (
        "1 messages were answered, 0 of them with busy; 4 were not, 4 of them because the time to"
        " stop had come" in output
    )
    assert "Traceback" not in output
