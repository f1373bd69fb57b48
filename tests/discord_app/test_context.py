import asyncio

import pytest
from discord_world import Clock, World

from bot.errors import BusyError, DeadlineError
from bot.serving.conversation import Conversations
from bot.serving.sentences import CARE, DEFLECTION, FALLBACK


async def test_a_follow_up_is_answered_with_what_was_said_before(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} I like tea")
    await world.alice.send(world.channel, f"{world.me} why?")
    await world.alice.send(world.channel, f"{world.me} me too")

    assert world.responder.contexts == [
        (),
        ("I like tea", "I LIKE TEA"),
        ("I like tea", "I LIKE TEA", "why?", "WHY?"),
    ]


async def test_a_direct_message_is_answered_with_its_own_context(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} in public")
    await world.alice.user.send_dm("in private")
    await world.alice.user.send_dm("why?")

    assert world.responder.contexts == [(), (), ("in private", "IN PRIVATE")]


async def test_two_users_in_one_channel_share_no_context(world: World) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    await world.alice.send(world.channel, f"{world.me} my secret")
    await bob.send(world.channel, f"{world.me} hello")
    await bob.send(world.channel, f"{world.me} why?")

    assert world.responder.contexts == [(), (), ("hello", "HELLO")]


async def test_one_user_in_two_channels_shares_no_context(world: World) -> None:
    other = world.guild.create_text_channel("other")
    await world.alice.send(world.channel, f"{world.me} hello")
    await world.alice.send(other, f"{world.me} why?")

    assert world.responder.contexts == [(), ()]


async def test_a_reply_to_an_older_message_of_the_bot_goes_on_from_that_one(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} I like tea")
    older = world.channel.last_message
    assert older is not None
    await world.alice.send(world.channel, f"{world.me} hello")

    await world.alice.send(world.channel, "why?", reply_to=older)

    assert world.responder.contexts[-1] == ("I LIKE TEA",)


async def test_a_reply_to_what_the_bot_told_someone_else_knows_that_and_not_their_words(
    world: World,
) -> None:
    bob = world.guild.add_member(world.env.create_user("bob"))
    world.responder.answer = "I like tea."
    await world.alice.send(world.channel, f"{world.me} my secret")
    told_alice = world.channel.last_message
    assert told_alice is not None

    await bob.send(world.channel, "why?", reply_to=told_alice)

    assert world.responder.contexts[-1] == ("I like tea.",)


async def test_a_reply_to_the_bots_last_message_keeps_the_whole_context(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} I like tea")
    last = world.channel.last_message
    assert last is not None
    await world.alice.send(world.channel, "why?", reply_to=last)

    assert world.responder.contexts[-1] == ("I like tea", "I LIKE TEA")


async def test_after_a_reply_to_an_older_message_the_conversation_goes_on_from_there(
    world: World,
) -> None:
    await world.alice.send(world.channel, f"{world.me} I like tea")
    older = world.channel.last_message
    assert older is not None
    await world.alice.send(world.channel, f"{world.me} bye")
    await world.alice.send(world.channel, "why?", reply_to=older)
    await world.alice.send(world.channel, f"{world.me} oh")

    assert world.responder.contexts[-1] == ("I LIKE TEA", "why?", "WHY?")


async def test_a_reply_to_a_last_message_that_came_in_pieces_keeps_the_whole_context(
    world: World,
) -> None:
    world.responder.answer = "long " * 500
    await world.alice.send(world.channel, f"{world.me} tell me")
    last = world.channel.last_message
    assert last is not None
    world.responder.answer = None
    await world.alice.send(world.channel, "why?", reply_to=last)

    assert len(world.responder.contexts[-1]) == 2
    assert world.responder.contexts[-1][0] == "tell me"


@pytest.mark.parametrize(
    "failure",
    [
        BusyError("full"),
        DeadlineError("late"),
        ZeroDivisionError("a bug"),
        "\x00",
        FALLBACK,
        DEFLECTION,
        CARE,
    ],
    ids=repr,
)
async def test_a_failed_reply_is_no_turn(
    world: World, conversations: Conversations, failure: Exception | str
) -> None:
    world.responder.answer = failure
    await world.alice.send(world.channel, f"{world.me} hello")
    failed = world.channel.last_message
    assert failed is not None
    assert len(conversations) == 0

    world.responder.answer = None
    await world.alice.send(world.channel, f"{world.me} hello again")
    await world.alice.send(world.channel, "why?", reply_to=failed)

    assert world.responder.contexts[-2:] == [(), ("hello again", "HELLO AGAIN")]


async def test_a_reply_that_could_not_be_sent_is_no_turn(
    world: World, conversations: Conversations
) -> None:
    world.env.inject_error("POST", "/channels/*/messages", status=403, times=None)
    await world.alice.send(world.channel, f"{world.me} hello")

    assert len(conversations) == 0


async def test_what_was_said_is_forgotten_after_a_while(
    world: World, conversations: Conversations, clock: Clock
) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")
    clock.now = 59.9
    await world.alice.send(world.channel, f"{world.me} why?")
    clock.now = 119.8
    await world.alice.send(world.channel, f"{world.me} and now?")
    clock.now = 179.8
    await world.alice.send(world.channel, f"{world.me} who am I?")

    assert list(map(len, world.responder.contexts)) == [0, 2, 4, 0]
    assert len(conversations) == 1


async def test_what_was_said_is_forgotten_also_if_nobody_writes_any_more(
    world: World, conversations: Conversations, clock: Clock
) -> None:
    clock.now = None
    conversations.memory_s = 0.01
    await world.alice.send(world.channel, f"{world.me} hello")
    while len(conversations):  # noqa: ASYNC110 (a timer of the event loop has no event)
        await asyncio.sleep(0.01)
