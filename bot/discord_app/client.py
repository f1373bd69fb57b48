"""The connection to Discord: what we subscribe to, how we start and how we stop."""

import asyncio
import contextlib
import logging
import signal

import discord

from bot.discord_app.chat import Chat, SupportsReply
from bot.discord_app.events import survive_unreadable_events
from bot.discord_app.gateway import stay_connected
from bot.serving.conversation import Conversations

logger = logging.getLogger(__name__)

ACTIVITY = "Mention me to chat"

# How long we wait for Discord to confirm the end of the connection; aiohttp would wait for 30 s.
CLOSE_TIMEOUT_S = 2.0

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
)
SCOPES = ("bot", "applications.commands")


def make_intents() -> discord.Intents:
    """Guilds and messages. None is privileged, so nothing needs to be switched on at Discord."""
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_messages = True
    intents.dm_messages = True
    return intents


class CauserieClient(discord.Client):
    """A discord.py client that passes messages to the chat and keeps few things in memory.

    :param responder: makes the replies; ready before the client connects
    :param conversations: what is remembered of them; by default for half an hour
    """

    def __init__(
        self, responder: SupportsReply, conversations: Conversations | None = None
    ) -> None:
        # discord.py warns that libraries for voice are missing; there is no voice here.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=make_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            activity=discord.CustomActivity(ACTIVITY),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
        )
        survive_unreadable_events(self)
        # An empty one is false.
        if conversations is None:
            conversations = Conversations()
        self.chat = Chat(self, responder, conversations)

    async def on_ready(self) -> None:
        """Tell the operator that it works, and how to invite the bot."""
        link = discord.utils.oauth_url(
            self.application_id or 0, permissions=PERMISSIONS, scopes=SCOPES
        )
        logger.info("connected as %s, in %d guilds", self.user, len(self.guilds))
        logger.info("invite link: %s", link)

    async def on_message(self, message: discord.Message) -> None:
        """Pass the message on."""
        await self.chat.on_message(message)


async def run_client(client: CauserieClient, token: str, drain_timeout_s: float) -> None:
    """Stay connected until SIGTERM or SIGINT, then finish the replies under way and disconnect.

    :param drain_timeout_s: how long to wait for those replies
    :raises SettingsError: if Discord refuses the token, or what the bot asks for
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handlers stay until the loop is closed: another signal must not cut short what the
    # caller does next.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with client:
        gateway = asyncio.create_task(stay_connected(client, token))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((gateway, stop), return_when=asyncio.FIRST_COMPLETED)
            has_failed = not stopping.is_set()
            logger.info("stopping")
            await client.chat.drain(drain_timeout_s)
        finally:
            for task in (gateway, stop):
                task.cancel()
            await asyncio.wait((gateway, stop))  # not ``await gateway``, which would raise here
            await _disconnect(client)
    if has_failed:
        gateway.result()  # raises what ended it
    logger.info("stopped")


async def _disconnect(client: discord.Client) -> None:
    """End the session at Discord, which shows the bot as offline at once."""
    if client.ws is not None:  # discord.py says that it never is, and it is before a connection
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await client.ws.close(code=1000)
