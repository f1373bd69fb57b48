"""A guild of simcord's in-memory Discord, for the tests of the chat."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import simcord

from bot.discord_app.chat import Chat
from bot.discord_app.client import CauserieClient

Reply = Callable[..., Awaitable[str]]

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
    def chat(self) -> Chat:
        assert isinstance(self.env.bot, CauserieClient)
        return self.env.bot.chat

    @property
    def me(self) -> str:
        assert self.env.bot.user is not None
        return self.env.bot.user.mention

    def write(self, member: simcord.MemberActor, *texts: str) -> list[int]:
        """Let a member write, without waiting for an answer as its ``send`` does; the ids."""
        create = self.env.backend.create_message
        return [create(self.channel.id, member.id, text).id for text in texts]

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


class Clock:
    """A clock that the test moves; without a time of its own it shows the real one."""

    now: float | None = 0.0

    def __call__(self) -> float:
        return time.monotonic() if self.now is None else self.now
