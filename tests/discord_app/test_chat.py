import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import discord
import pytest
import simcord
from simcord.enums import MessageType

from bot.discord_app import chat
from bot.discord_app.chat import BUSY, FAILED, HELLO, MAX_IN_TURN, UNREADABLE
from bot.discord_app.client import CauserieClient
from bot.errors import BusyError, DeadlineError, SearchFailedError
from bot.serving.content_filter import ContentFilter
from bot.serving.conversation import Conversations
from bot.serving.engine import Engine
from bot.serving.responder import Responder as RealResponder
from bot.serving.sentences import CARE, DEFLECTION, FALLBACK
from bot.text.tokenizer import train_bpe

Reply = Callable[..., Awaitable[str]]

NO_SEND = discord.PermissionOverwrite(
    send_messages=False, send_messages_in_threads=False, mention_everyone=True
)
NO_HISTORY = discord.PermissionOverwrite(read_message_history=False)


# A reply that takes its time renews the typing indicator every 5 s; simcord need not wait for it.
AT_EASE = pytest.mark.simcord(settle_timeout=2.0)


class Responder:
    """Answers in capitals, or as the test says; keeps what it was asked, and after which turns."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.contexts: list[tuple[str, ...]] = []
        self.users: list[int] = []
        self.answer: Reply | str | Exception | None = None

    async def reply(self, *turns: str, user: int) -> str:
        *context, text = turns
        self.users.append(user)
        self.asked.append(text)
        self.contexts.append(tuple(context))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            return text.upper()
        return self.answer if isinstance(self.answer, str) else await self.answer(text)


class World:
    """A guild with one channel and one member, and the bot in it."""

    def __init__(self, env: simcord.Env, responder: Responder) -> None:
        self.env = env
        self.responder = responder
        self.guild = env.create_guild()
        self.channel = self.guild.create_text_channel("general")
        self.alice = self.guild.add_member(env.create_user("alice"))

    @property
    def me(self) -> str:
        assert self.env.bot.user is not None
        return self.env.bot.user.mention

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The bodies of the bot's attempts to post a message."""
        return [
            request.json or {}
            for request in self.env.http_requests
            if request.method == "POST" and request.path.endswith("/messages")
        ]

    @property
    def typings(self) -> int:
        return sum(request.path.endswith("/typing") for request in self.env.http_requests)

    def answers(self, channel: simcord.ChannelHandle | None = None) -> list[str]:
        """What the bot said in the channel."""
        assert self.env.bot.user is not None
        me = self.env.bot.user.id
        return [m.content for m in (channel or self.channel).history() if m.author.id == me]


def pings_nobody(post: dict[str, Any]) -> bool:
    """Discord takes a missing ``replied_user`` for false."""
    return post["allowed_mentions"] in ({"parse": []}, {"parse": [], "replied_user": False})


def fits_and_pings_nobody(post: dict[str, Any]) -> bool:
    return 0 < len(post["content"].encode("utf-16-le")) // 2 <= 2000 and pings_nobody(post)


@pytest.fixture
def responder() -> Responder:
    return Responder()


class Clock:
    """A clock that the test moves; without a time of its own it shows the real one."""

    now: float | None = 0.0

    def __call__(self) -> float:
        return time.monotonic() if self.now is None else self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conversations(clock: Clock) -> Conversations:
    return Conversations(memory_s=60, clock=clock)


@pytest.fixture
def simcord_bot(responder: Responder, conversations: Conversations) -> CauserieClient:
    """The bot that simcord's fixture connects to its Discord."""
    return CauserieClient(responder, conversations)


@pytest.fixture
def world(simcord_env: simcord.Env, responder: Responder) -> World:
    return World(simcord_env, responder)


# Which messages are for us


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


# What is asked and answered


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


# Context


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


# Failures


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (SearchFailedError("broken"), FAILED),
        (ZeroDivisionError("a bug"), FAILED),
    ],
)
async def test_a_failure_is_one_friendly_sentence_and_its_cause_is_logged_without_the_message(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception, answer: str
) -> None:
    world.responder.answer = error
    with caplog.at_level(logging.INFO, logger="bot"):
        message = await world.alice.send(world.channel, f"{world.me} my secret")

    assert world.answers() == [answer]
    record = next(record for record in caplog.records if record.levelno >= logging.WARNING)
    assert str(message.id) in record.getMessage()
    assert str(world.channel.id) in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is error
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [BusyError("full"), DeadlineError("late")])
async def test_overload_is_one_friendly_sentence_that_is_counted_and_not_logged_each_time(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    world.responder.answer = error
    with caplog.at_level(logging.INFO, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")
        await world.alice.send(world.channel, f"{world.me} hello?")

    client = world.env.bot
    assert isinstance(client, CauserieClient)
    assert world.answers() == [BUSY, BUSY]
    assert client.chat.busy_answers == 2
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


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


async def test_no_message_content_is_logged_when_all_goes_well(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await world.alice.send(world.channel, f"{world.me} my secret")

    assert world.answers() == ["MY SECRET"]
    assert "secret" not in caplog.text.lower()


@pytest.mark.parametrize("blank", ["", "  \n", "\x00"])
async def test_a_blank_reply_is_not_posted_as_such(world: World, blank: str) -> None:
    world.responder.answer = blank
    await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == [FAILED]


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


async def test_a_deleted_message_is_answered_all_the_same(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")

    assert world.posts[0]["message_reference"]["fail_if_not_exists"] is False


@pytest.mark.parametrize(
    ("status", "level"), [(403, "INFO"), (404, "INFO"), (400, "ERROR"), (500, "ERROR")]
)
async def test_an_answer_that_discord_refuses_for_good_is_a_log_line(
    world: World, caplog: pytest.LogCaptureFixture, status: int, level: str
) -> None:
    world.env.inject_error("POST", "/channels/*/messages", status=status, times=None)
    with caplog.at_level(logging.INFO, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == []
    record = caplog.records[-1]
    assert record.levelname == level
    assert "stays unanswered" in record.getMessage()
    assert record.exc_info is None


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
