import asyncio

import pytest
from discord_world import World

from bot.discord_app import chat
from bot.discord_app.chat import BUSY, MAX_IN_TURN
from bot.discord_app.client import CauserieClient


@pytest.mark.simcord(settle_timeout=0.5)
async def test_quick_messages_of_one_person_are_answered_in_order_each_after_the_other(
    world: World,
) -> None:
    finish = asyncio.Event()

    async def slowly(text: str) -> str:
        if text == "slow":
            await world.env.external_wait(finish.wait(), reason="a long reply")
        return text.upper()

    world.responder.answer = slowly
    bob = world.guild.add_member(world.env.create_user("bob"))
    await world.alice.send(world.channel, f"{world.me} slow")
    await bob.send(world.channel, f"{world.me} hello")
    assert world.answers() == ["HELLO"], "nobody else waits for her"
    with pytest.raises(TimeoutError, match="did not settle"):  # it waits for the first
        await world.alice.send(world.channel, f"{world.me} quick")
    assert world.responder.asked == ["slow", "hello"]
    finish.set()
    await world.env.settle()

    assert world.answers() == ["HELLO", "SLOW", "QUICK"]
    assert world.responder.contexts[-1] == ("slow", "SLOW")


async def test_only_so_many_messages_of_one_person_wait_for_each_other_in_a_channel(
    world: World,
) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    finish = asyncio.Event()

    async def answer(text: str) -> str:
        await finish.wait()
        return text.upper()

    world.responder.answer = answer
    for number in range(MAX_IN_TURN + 2):
        # As ``send`` does, without waiting for the answer.
        world.env.backend.create_message(
            world.channel.id, world.alice.id, f"{world.me} alice {number}"
        )
    while world.answers() != [BUSY, BUSY]:  # noqa: ASYNC110 (simcord offers no event for it)
        await asyncio.sleep(0)
    world.env.backend.create_message(world.channel.id, bob.id, f"{world.me} bob")
    await asyncio.sleep(0)
    finish.set()
    await world.env.settle()

    assert world.answers().count(BUSY) == 2
    assert "BOB" in world.answers()
    answered = [answer for answer in world.answers() if answer.startswith("ALICE")]
    assert answered == [f"ALICE {number}" for number in range(MAX_IN_TURN)]
    # When they are answered there is room again, and nothing is kept of the turns.
    await world.alice.send(world.channel, f"{world.me} again")
    assert world.answers()[-1] == "AGAIN"
    client = world.env.bot
    assert isinstance(client, CauserieClient)
    assert client.chat.busy_answers == 2
    assert len(client.chat._in_turn) == 0


async def test_beyond_so_many_answers_under_way_messages_are_counted_and_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_ANSWERING", 2)
    finish = asyncio.Event()

    async def answer(text: str) -> str:
        await finish.wait()
        return text.upper()

    world.responder.answer = answer
    client = world.env.bot
    assert isinstance(client, CauserieClient)
    for number in range(3):
        world.env.backend.create_message(world.channel.id, world.alice.id, f"{world.me} {number}")
    while client.chat.unanswered == 0:  # noqa: ASYNC110 (simcord offers no event for it)
        await asyncio.sleep(0)
    finish.set()
    await world.env.settle()

    assert world.answers() == ["0", "1"]
    assert client.chat.unanswered == 1


async def test_the_responder_hears_who_asks(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    await world.alice.send(world.channel, f"{world.me} hello")
    await bob.send(world.channel, f"{world.me} hello")

    assert world.responder.users == [world.alice.id, bob.id]
