import asyncio

import pytest
from discord_world import World

from bot.discord_app import chat
from bot.discord_app.chat import BUSY, HELLO
from bot.errors import BusyError

ADDED = ("and", "six", "more", "of", "them", "now")


class Slowly:
    """Answers in capitals, once the test lets it."""

    def __init__(self, world: World) -> None:
        self.asked = asyncio.Event()
        self.finish = asyncio.Event()
        world.responder.answer = self

    async def __call__(self, text: str) -> str:
        self.asked.set()
        await self.finish.wait()
        return text.upper()


async def test_what_one_person_adds_while_being_answered_is_answered_together(
    world: World,
) -> None:
    slowly = Slowly(world)
    world.write(world.alice, f"{world.me} first")
    await slowly.asked.wait()
    *_, newest = world.write(world.alice, *(f"{world.me} {word}" for word in ADDED))
    slowly.finish.set()
    await world.env.settle()

    assert world.answers() == ["FIRST", "AND SIX MORE OF THEM NOW"]
    assert world.responder.contexts == [(), ("first", "FIRST")]
    assert world.posts[1]["message_reference"]["message_id"] == newest
    assert world.posts[1]["nonce"] == str(newest)
    assert (world.chat.answered, world.chat.unanswered) == (7, 0)
    assert len(world.chat._turns) == 0, "nothing is kept of the turns"


async def test_a_burst_of_eight_hears_nothing_of_busy(world: World) -> None:
    slowly = Slowly(world)
    world.write(world.alice, f"{world.me} one")
    await slowly.asked.wait()
    world.write(world.alice, *[f"{world.me} another"] * 7)
    slowly.finish.set()
    await world.env.settle()

    assert BUSY not in world.answers()
    assert (world.chat.answered, world.chat.busy_answers) == (8, 0)


async def test_a_mention_and_then_the_message_are_one_turn(world: World) -> None:
    world.write(world.alice, world.me, f"{world.me} hello", world.me)
    await world.env.settle()

    assert world.answers() == ["HELLO"]


async def test_several_bare_mentions_get_one_hello(world: World) -> None:
    world.write(world.alice, world.me, world.me)
    await world.env.settle()

    assert world.answers() == [HELLO]


@pytest.mark.simcord(settle_timeout=0.5)
async def test_nobody_waits_for_somebody_else_s_answer(world: World) -> None:
    finish = asyncio.Event()

    async def slowly(text: str) -> str:
        if text == "slow":
            await world.env.external_wait(finish.wait(), reason="a long reply")
        return text.upper()

    world.responder.answer = slowly
    bob = world.guild.add_member(world.env.create_user("bob"))
    await world.alice.send(world.channel, f"{world.me} slow")
    await bob.send(world.channel, f"{world.me} hello")
    assert world.answers() == ["HELLO"]
    finish.set()
    await world.env.settle()

    assert world.answers() == ["HELLO", "SLOW"]


async def test_whoever_is_alone_and_too_quick_for_the_queue_is_told_nothing_of_others(
    world: World,
) -> None:
    world.responder.answer = BusyError("full")
    await world.alice.user.send_dm("hello")

    (answer,) = world.answers(world.alice.user.dm_channel)
    assert answer == BUSY
    assert "people" not in answer


async def test_beyond_so_many_messages_under_way_they_are_counted_and_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_UNDER_WAY", 2)
    slowly = Slowly(world)
    world.write(world.alice, *(f"{world.me} {number}" for number in range(3)))
    await slowly.asked.wait()
    slowly.finish.set()
    await world.env.settle()

    assert world.answers() == ["0 1"]
    assert (world.chat.answered, world.chat.unanswered) == (2, 1)
    await world.alice.send(world.channel, f"{world.me} again")
    assert world.answers()[-1] == "AGAIN", "there is room again"


async def test_the_responder_hears_who_asks(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    await world.alice.send(world.channel, f"{world.me} hello")
    await bob.send(world.channel, f"{world.me} hello")

    assert world.responder.users == [world.alice.id, bob.id]
