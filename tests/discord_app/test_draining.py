import asyncio

from discord_world import AT_EASE, World

from bot.discord_app.client import CauserieClient


@AT_EASE
async def test_while_draining_running_replies_are_finished_and_new_messages_are_left_alone(
    world: World,
) -> None:
    client = world.env.bot
    assert isinstance(client, CauserieClient)
    finish = asyncio.Event()

    async def answer(text: str) -> str:
        await world.env.external_wait(finish.wait(), reason="a long reply")
        return text.upper()

    world.responder.answer = answer
    await world.alice.send(world.channel, f"{world.me} first")
    draining = asyncio.create_task(client.chat.drain(5))
    await asyncio.sleep(0.01)
    await world.alice.send(world.channel, f"{world.me} second")
    assert not draining.done()
    finish.set()
    await draining
    await world.env.settle()

    assert world.answers() == ["FIRST"]


@AT_EASE
async def test_draining_ends_when_its_time_is_up(world: World) -> None:
    client = world.env.bot
    assert isinstance(client, CauserieClient)

    async def answer(text: str) -> str:
        await world.env.external_wait(asyncio.Event().wait(), reason="a reply without end")
        return text

    world.responder.answer = answer
    await world.alice.send(world.channel, f"{world.me} first")

    await asyncio.wait_for(client.chat.drain(0.01), 5)
