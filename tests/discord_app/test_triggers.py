import discord
import pytest
import simcord
from discord_world import World
from simcord.enums import MessageType

from bot.discord_app.chat import HELLO, UNREADABLE


async def test_a_mention_is_answered_with_a_reply(world: World) -> None:
    message = await world.alice.send(world.channel, f"{world.me} hello there")

    assert world.responder.asked == ["hello there"]
    assert world.answers() == ["HELLO THERE"]
    last = world.channel.last_message
    assert last is not None
    assert last.reference is not None
    assert last.reference.message_id == message.id


async def test_a_direct_message_is_answered(world: World) -> None:
    bob = world.env.create_user("bob")
    await bob.send_dm("hello")

    assert world.answers(bob.dm_channel) == ["HELLO"]


async def test_a_reply_that_pings_the_bot_is_answered(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")
    first = world.channel.last_message
    assert first is not None

    await world.alice.send(world.channel, "and how are you?", reply_to=first)

    assert world.responder.asked == ["hello", "and how are you?"]


async def test_a_reply_to_the_bot_that_does_not_ping_is_told_why_it_gets_no_answer(
    world: World,
) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")
    first = world.channel.last_message
    assert first is not None
    env = world.env
    # The member's client with the ping switched off: simcord's users always ping.
    reference = {"channel_id": str(world.channel.id), "message_id": str(first.id)}
    env.backend.create_message(
        world.channel.id,
        world.alice.id,
        "and how are you?",
        reference=env.backend.normalize_message_reference(world.channel.id, reference),
        allowed_mentions=simcord.backend.models.AllowedMentions(replied_user=False),
    )
    await env.settle()

    assert world.responder.asked == ["hello"]
    assert world.answers()[1:] == [UNREADABLE]


async def test_a_reply_to_someone_else_is_ignored(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    message = await bob.send(world.channel, "hello alice")
    await world.alice.send(world.channel, "hello bob", reply_to=message)

    assert world.answers() == []


async def test_a_mention_in_a_thread_is_answered_there(world: World) -> None:
    parent = world.env.bot.get_channel(world.channel.id)
    assert isinstance(parent, discord.TextChannel)
    await parent.create_thread(name="aside", type=discord.ChannelType.public_thread)
    (thread,) = world.channel.threads

    await world.alice.send(thread, f"{world.me} hello")

    assert world.answers(thread) == ["HELLO"]
    assert "HELLO" not in world.answers()


async def test_a_mention_of_the_bots_own_role_is_answered(world: World) -> None:
    guild = world.env.bot.get_guild(world.guild.id)
    assert guild is not None
    assert guild.self_role is None or isinstance(guild.self_role, discord.Role)
    role = world.guild.create_role("Causerie", mentionable=True)
    cached = guild.get_role(role.id)
    assert cached is not None
    # simcord makes no managed roles; Discord gives every invited bot one.
    cached.tags = discord.RoleTags({"bot_id": str(world.env.bot.user.id)})  # type: ignore[union-attr]

    await world.alice.send(world.channel, f"{role.mention} {world.me} hello")
    await world.alice.send(world.channel, f"{role.mention} hello")

    assert world.responder.asked == ["hello"]
    # Without a mention of the bot itself, Discord withholds the text.
    assert world.answers() == ["HELLO", HELLO]


@pytest.mark.parametrize("text", ["hello", "@everyone hello", "@here hello", "Causerie, hello"])
async def test_what_does_not_mention_the_bot_is_ignored(world: World, text: str) -> None:
    role = world.guild.create_role(
        "loud", permissions=discord.Permissions(mention_everyone=True, send_messages=True)
    )
    bob = world.guild.add_member(world.env.create_user("bob"), roles=[role])
    await bob.send(world.channel, text)

    assert world.answers() == []
    assert world.responder.asked == []


async def test_bots_are_ignored(world: World) -> None:
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    await robot.send(world.channel, f"{world.me} hello")

    assert world.answers() == []


async def test_the_bot_does_not_answer_itself(world: World) -> None:
    world.responder.answer = f"{world.me} talks to {world.me}"
    await world.alice.send(world.channel, f"{world.me} hello")

    assert len(world.answers()) == 1


async def test_webhooks_are_ignored(world: World) -> None:
    webhook = world.guild.create_webhook(world.channel)
    # Discord does not promise that the author of a webhook's message is called a bot.
    world.env.backend.get_user(webhook._webhook.webhook_user_id).bot = False
    await webhook.send(f"{world.me} hello", username="alice")

    assert world.answers() == []


async def test_official_system_accounts_are_ignored(world: World) -> None:
    await world.env.create_user("discord", system=True).send_dm("Your account")

    assert world.responder.asked == []
    assert world.posts == []


async def test_system_messages_are_ignored(world: World) -> None:
    """Even one in a direct message, where everything that a user writes is for the bot."""
    bob = world.env.create_user("bob")
    message = await bob.send_dm("hello")
    world.env.backend.create_system_message(
        bob.dm_channel.id, MessageType.PINS_ADD, bob.id, referenced_message_id=message.id
    )
    world.guild.create_system_message(world.channel, MessageType.NEW_MEMBER, author=world.alice)
    await world.env.settle()

    assert world.answers(bob.dm_channel) == ["HELLO"]
    assert world.answers() == []


async def test_a_channel_that_the_cache_does_not_know_is_no_direct_message(world: World) -> None:
    # As in the seconds after a start, or while Discord reports the guild as unavailable.
    world.env.bot._connection._guilds.pop(world.guild.id)

    await world.alice.send(world.channel, "hello")
    assert world.responder.asked == []

    await world.alice.send(world.channel, f"{world.me} hello")
    assert world.answers() == ["HELLO"]
