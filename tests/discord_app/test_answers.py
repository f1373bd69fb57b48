import asyncio
import logging

import pytest
from discord_world import AT_EASE, World

from bot.discord_app.chat import HELLO


@pytest.mark.parametrize("text", ["{me}", "  {me} \n{me}", "{me},"])
async def test_a_bare_mention_gets_a_hello_that_says_what_the_bot_can_do(
    world: World, text: str
) -> None:
    await world.alice.send(world.channel, text.format(me=world.me))

    assert world.answers() == [HELLO]
    assert world.responder.asked == []


async def test_a_direct_message_without_text_gets_the_hello(world: World) -> None:
    bob = world.env.create_user("bob")
    attachments = world.env.backend.store_attachments(bob.dm_channel.id, [("cat.png", b"meow")])
    await bob.send_dm("", attachments=attachments)

    assert world.answers(bob.dm_channel) == [HELLO]


async def test_the_responder_reads_names_instead_of_mentions(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob", global_name="Bob B."))
    await world.alice.send(world.channel, f"{world.me} do you know {bob.mention}?")

    assert world.responder.asked == ["do you know Bob B.?"]


async def test_a_long_reply_comes_in_pieces_of_which_the_first_is_the_reply(world: World) -> None:
    sentence = "All work and no play makes a dull bot. "
    world.responder.answer = sentence * 150
    message = await world.alice.send(world.channel, f"{world.me} write a novel")

    assert len(world.answers()) == 3
    assert all(len(answer) <= 2000 for answer in world.answers())
    assert all(answer.endswith("bot.") for answer in world.answers())
    assert " ".join(world.answers()) == (sentence * 150).strip()
    assert ["message_reference" in post for post in world.posts] == [True, False, False]
    assert [post["nonce"] for post in world.posts] == [
        str(message.id),
        f"{message.id}-1",
        f"{message.id}-2",
    ]


async def test_a_reply_pings_nobody(world: World) -> None:
    world.responder.answer = f"@everyone @here {world.alice.mention} <@&{world.guild.id}>"
    await world.alice.send(world.channel, f"{world.me} hello")
    await world.alice.user.send_dm("hello")

    assert len(world.posts) == 2
    for post in world.posts:
        assert post["allowed_mentions"] == {"parse": [], "replied_user": False}


async def test_the_nonce_lets_two_processes_answer_once(world: World) -> None:
    message = await world.alice.send(world.channel, f"{world.me} hello")

    (post,) = world.posts
    assert post["nonce"] == str(message.id)
    assert len(post["nonce"]) + len("-999") <= 25
    assert post["enforce_nonce"] is True


async def test_typing_shows_while_the_reply_is_made(world: World) -> None:
    async def answer(text: str) -> str:
        while not world.typings:  # noqa: ASYNC110 (simcord offers no event for it)
            await asyncio.sleep(0.01)
        return "done"

    world.responder.answer = answer
    await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == ["done"]


async def test_a_failing_typing_indicator_does_not_prevent_the_reply(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.env.inject_error("POST", "/channels/*/typing", status=500, times=None)
    with caplog.at_level(logging.DEBUG, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == ["HELLO"]
    assert "typing could not be shown" in caplog.text
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@AT_EASE
async def test_two_users_at_once_each_get_their_own_reply(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    alice_may_have_hers = asyncio.Event()

    async def answer(text: str) -> str:
        if text == "slow":
            await world.env.external_wait(alice_may_have_hers.wait(), reason="a long reply")
        return text.upper()

    world.responder.answer = answer
    slow = await world.alice.send(world.channel, f"{world.me} slow")
    quick = await bob.send(world.channel, f"{world.me} quick")
    assert world.answers() == ["QUICK"]
    alice_may_have_hers.set()
    await world.env.settle()

    assert world.answers() == ["QUICK", "SLOW"]
    assert [post["message_reference"]["message_id"] for post in world.posts] == [
        quick.id,
        slow.id,
    ]
