"""The Discord client: what we subscribe to, what is kept in memory, and how to invite the bot."""

import logging

import discord

from bot.discord_app.chat import Chat, SupportsReply
from bot.discord_app.events import survive_unreadable_events
from bot.serving.conversation import Conversations

logger = logging.getLogger(__name__)

ACTIVITY = "Mention me to chat"

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
        """Pass the message on, if it is whole: discord.py drops parts that it cannot read."""
        if getattr(message, "author", None) is None or not isinstance(message.content, str):
            logger.error("message %d has no author or no text and is left out", message.id)
            return
        await self.chat.on_message(message)
