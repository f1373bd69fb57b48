"""The connection to Discord: what we subscribe to, how we start and how we stop."""

import asyncio
import contextlib
import logging
import signal

import aiohttp
import discord

from bot.discord_app.chat import Chat, SupportsReply
from bot.errors import CauserieError, SettingsError
from bot.serving.conversation import Conversations

logger = logging.getLogger(__name__)

ACTIVITY = "Mention me to chat"

# The platform kills what has not ended 30 s after SIGTERM.
DRAIN_TIMEOUT_S = 5.0

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


async def run_client(
    client: CauserieClient, token: str, drain_timeout_s: float = DRAIN_TIMEOUT_S
) -> None:
    """Stay connected until SIGTERM or SIGINT, then finish the replies under way and disconnect.

    :param drain_timeout_s: how long to wait for those replies
    :raises SettingsError: if Discord refuses the token
    :raises CauserieError: if Discord cannot be reached or ends the connection for good
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handlers stay until the loop is closed: another signal must not cut short what the
    # caller does next.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with client:
        gateway = asyncio.create_task(client.start(token))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((gateway, stop), return_when=asyncio.FIRST_COMPLETED)
            if gateway.done():
                _raise_what_ended(gateway)
            logger.info("stopping")
            await client.chat.drain(drain_timeout_s)
        finally:
            stop.cancel()
            gateway.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await gateway
    logger.info("stopped")


def _raise_what_ended(gateway: asyncio.Task[None]) -> None:
    try:
        gateway.result()
    except discord.LoginFailure as error:
        raise SettingsError(
            "DISCORD_TOKEN was refused by Discord; reset the token on the Bot page of your"
            " application and set it again, as docs/discord.md explains."
        ) from error
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        raise CauserieError(
            f"The connection to Discord failed ({error}); check the network and try again."
        ) from error
