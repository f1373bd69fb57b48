"""Posting an answer: whether we may, "is typing" meanwhile, and again where a connection broke."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import aiohttp
import discord

from bot.discord_app.failures import cause, is_broken_connection, jittered
from bot.discord_app.splitting import split_message

logger = logging.getLogger(__name__)

# A typing indicator is worth waiting for, but not this long.
TYPING_GRACE_S = 1.0

# Discord remembers a nonce for a few minutes; this is well within them.
RETRY_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def permissions_in(message: discord.Message, user_id: int) -> discord.Permissions:
    """A user's in the message's channel; all, where the cache cannot tell and Discord will.

    :param user_id: a user that discord.py caches in each guild, as it does us
    """
    channel, guild = message.channel, message.guild
    if guild is None or isinstance(channel, discord.PartialMessageable):
        return discord.Permissions.all()
    member = guild.get_member(user_id)
    if member is None:
        return discord.Permissions.all()
    try:
        return channel.permissions_for(member)
    except discord.ClientException:  # a thread whose parent is not in the cache
        return discord.Permissions.all()


def may_send(message: discord.Message, permissions: discord.Permissions) -> bool:
    """Whether the permissions allow an answer where the message is."""
    if isinstance(message.channel, discord.Thread):
        return permissions.send_messages_in_threads
    return permissions.send_messages


@contextlib.asynccontextmanager
async def typing(channel: discord.abc.Messageable) -> AsyncIterator[None]:
    """Show "is typing" while the block runs, which does not wait for it; a failure is ignored."""
    async with contextlib.AsyncExitStack() as stack:
        starting = asyncio.create_task(_start_typing(channel, stack))
        try:
            yield
            # An indicator that reaches Discord after the answer would stay for ten seconds.
            await asyncio.wait((starting,), timeout=TYPING_GRACE_S)
        finally:
            starting.cancel()


async def _start_typing(channel: discord.abc.Messageable, stack: contextlib.AsyncExitStack) -> None:
    try:
        await stack.enter_async_context(channel.typing())
    except Exception as error:  # an ornament: the reply matters more than any failure here
        logger.debug("typing could not be shown: %s", cause(error))


async def post(message: discord.Message, text: str, *, as_reply: bool) -> list[int]:
    """Post the text, in pieces if it is long, the first as a reply to the message.

    With a nonce Discord posts a piece once, even if it is sent again because the connection broke,
    or another process of ours sends it too.

    :return: the ids of the posted messages
    :raises discord.HTTPException: if Discord refuses it also as a plain message
    :raises aiohttp.ClientError, OSError: if the connection broke each time
    """
    posted = []
    for index, piece in enumerate(split_message(text)):
        nonce = f"{message.id}-{index}" if index else str(message.id)
        send = partial(message.channel.send, piece, nonce=nonce)
        if as_reply and index == 0:
            reference = message.to_reference(fail_if_not_exists=False)
            try:
                sent = await _insist(partial(send, reference=reference, mention_author=False))
                posted.append(sent.id)
                continue
            except discord.HTTPException as error:
                if error.status not in (400, 403, 404):
                    raise
                why = cause(error)
                logger.info("message %d takes no reply (%s); sending it plainly", message.id, why)
        posted.append((await _insist(send)).id)
    return posted


async def _insist(send: Callable[[], Awaitable[discord.Message]]) -> discord.Message:
    """Send, and again a few times where the connection breaks."""
    for pause_s in RETRY_PAUSES_S:
        try:
            return await _sent(send)
        except Exception as error:
            if not is_broken_connection(error):
                raise
            logger.debug("a post is sent again: %s", cause(error))
        await asyncio.sleep(jittered(pause_s))
    return await _sent(send)


async def _sent(send: Callable[[], Awaitable[discord.Message]]) -> discord.Message:
    """Send; an answer that discord.py cannot read is as good as a broken connection."""
    try:
        return await send()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise aiohttp.ClientPayloadError(f"Discord's answer cannot be read ({error!r})") from error
