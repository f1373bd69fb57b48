import logging

import discord
import pytest
from discord_world import World

NO_SEND = discord.PermissionOverwrite(
    send_messages=False, send_messages_in_threads=False, mention_everyone=True
)
NO_HISTORY = discord.PermissionOverwrite(read_message_history=False)


async def test_where_it_may_not_send_the_bot_stays_silent_with_a_log_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    role = world.guild.create_role("member")
    allowed = discord.PermissionOverwrite(send_messages=True)
    channel = world.guild.create_text_channel(
        "rules", overwrites={world.guild.default_role: NO_SEND, role: allowed}
    )
    bob = world.guild.add_member(world.env.create_user("bob"), roles=[role])
    with caplog.at_level(logging.INFO, logger="bot"):
        await bob.send(channel, f"{world.me} hello")

    assert world.posts == []
    assert world.typings == 0
    assert world.responder.asked == []
    assert "stays unanswered" in caplog.text


async def test_where_only_threads_are_open_to_it_the_bot_answers_in_threads(world: World) -> None:
    role = world.guild.create_role("member")
    channel = world.guild.create_text_channel(
        "threads",
        overwrites={
            world.guild.default_role: discord.PermissionOverwrite(send_messages=False),
            role: discord.PermissionOverwrite(send_messages=True),
        },
    )
    starter = await world.guild.add_member(world.env.create_user("bob"), roles=[role]).send(
        channel, "let us talk"
    )
    await starter.create_thread(name="talk")
    (thread,) = channel.threads
    await world.alice.send(thread, f"{world.me} hello")

    assert world.answers(thread) == ["HELLO"]


async def test_without_the_history_the_answer_is_a_plain_message(world: World) -> None:
    channel = world.guild.create_text_channel(
        "short-memory", overwrites={world.guild.default_role: NO_HISTORY}
    )
    await world.alice.send(channel, f"{world.me} hello")

    assert world.answers(channel) == ["HELLO"]
    assert ["message_reference" in post for post in world.posts] == [False]


@pytest.mark.parametrize(
    ("status", "code"), [(400, 50035), (400, 160002), (403, 50013), (404, 10008)]
)
async def test_a_refused_reply_is_sent_as_a_plain_message(
    world: World, status: int, code: int
) -> None:
    world.env.inject_error("POST", "/channels/*/messages", status=status, code=code)
    message = await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == ["HELLO"]
    assert ["message_reference" in post for post in world.posts] == [True, False]
    assert {post["nonce"] for post in world.posts} == {str(message.id)}


async def test_where_the_cache_does_not_know_the_bot_itself_discord_decides(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    guild = world.env.bot.get_guild(world.guild.id)
    assert guild is not None
    assert world.env.bot.user is not None
    guild._members.pop(world.env.bot.user.id)
    await world.alice.send(world.channel, f"{world.me} hello")
    assert world.answers() == ["HELLO"]

    world.env.inject_error("POST", "/channels/*/messages", status=403, times=None)
    with caplog.at_level(logging.INFO, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")
    assert world.answers() == ["HELLO"]
    assert caplog.records[-1].levelname == "INFO"
    assert "stays unanswered: Discord answered 403" in caplog.text
