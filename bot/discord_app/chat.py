"""Messages: is it for us, what does it say, and the answer or the sentence that says why not.

The log gets ids and causes, never what was written.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

import discord

from bot.discord_app.messages import readable, sendable, split_message, strip_mention
from bot.errors import BusyError, DeadlineError
from bot.serving.conversation import Conversations
from bot.serving.sentences import NOT_THE_MODELS

logger = logging.getLogger(__name__)

HELLO = (
    "Hello! I am Causerie, a small chat bot. Mention me with a message, reply to one of mine or"
    " write to me directly, and I will answer. For instance: how are you?"
)
UNREADABLE = (
    "I can only read a reply that pings me. Please switch the mention on, or mention me by name."
)
BUSY = "I'm talking with many people right now. Please try again in a moment."
FAILED = "Sorry, something went wrong on my side. Please try again."
# What the bot says of itself and not the model: nothing to go on from.
NOTICES = (HELLO, UNREADABLE, BUSY, FAILED, *NOT_THE_MODELS)

# So many messages of one person in one channel are answered one after the other; the next is told
# to wait.
MAX_IN_TURN = 4

# "Busy" is a post too, and Discord lets through only so many a second: beyond so many answers under
# way, the next message is counted and not answered.
MAX_ANSWERING = 1000

# A typing indicator is worth waiting for, but not this long.
TYPING_GRACE_S = 1.0


class SupportsReply(Protocol):
    """What the chat needs of a responder."""

    async def reply(self, *turns: str, user: int) -> str:
        """The reply to the last turn; raises ``ServingError`` if there is none."""
        ...


class _Turn(asyncio.Lock):
    """Held while a message of one person in one channel is answered.

    :ivar messages: how many are answered or wait for it
    """

    messages = 0


class Chat:
    """Answers each message that is meant for the bot exactly once.

    :param client: whose messages these are
    :param conversations: what each person and the bot said to each other in each channel
    :ivar busy_answers: how many messages were answered with ``BUSY``
    :ivar unanswered: how many were not, because ``MAX_ANSWERING`` answers were under way
    """

    def __init__(
        self, client: discord.Client, responder: SupportsReply, conversations: Conversations
    ) -> None:
        self._client = client
        self._responder = responder
        self._conversations = conversations
        self._answering: set[asyncio.Task[None]] = set()
        self._draining = False
        self._in_turn: WeakValueDictionary[tuple[int, int], _Turn] = WeakValueDictionary()
        self._will_forget = False
        self.busy_answers = 0
        self.unanswered = 0

    async def on_message(self, message: discord.Message) -> None:
        """Answer the message if it is for us; never raises."""
        if self._draining or not self._is_for_us(message):
            return
        if len(self._answering) >= MAX_ANSWERING:
            self.unanswered += 1
            return
        answer = asyncio.create_task(self._answer(message))
        self._answering.add(answer)
        answer.add_done_callback(self._answering.discard)
        await answer

    async def drain(self, timeout_s: float) -> None:
        """Accept no more messages and wait until those accepted are answered."""
        self._draining = True
        if self._answering:
            logger.info("finishing %d replies", len(self._answering))
            await asyncio.wait(self._answering, timeout=timeout_s)
        logger.info(
            "%d messages were answered with busy, %d not at all",
            self.busy_answers,
            self.unanswered,
        )

    @property
    def _user_id(self) -> int:
        assert self._client.user is not None  # known since login, before any message
        return self._client.user.id

    def _is_for_us(self, message: discord.Message) -> bool:
        author = message.author
        if author.bot or author.system or message.webhook_id is not None:
            return False
        if message.type not in (discord.MessageType.default, discord.MessageType.reply):
            return False
        return (
            isinstance(message.channel, discord.DMChannel)
            or self._mentions_us(message)
            or self._replies_to_us(message)
        )

    def _mentions_us(self, message: discord.Message) -> bool:
        """Whether we are named: by mention, by the ping of a reply, or by the bot's own role."""
        role_ids = _own_role_ids(message)
        return any(user.id == self._user_id for user in message.mentions) or any(
            role.id in role_ids for role in message.role_mentions
        )

    def _replies_to_us(self, message: discord.Message) -> bool:
        return self._replied_to(message) is not None

    def _replied_to(self, message: discord.Message) -> discord.Message | None:
        """The message of ours that this one replies to, if Discord shows it."""
        original = message.reference.resolved if message.reference else None
        if (
            message.type is discord.MessageType.reply
            and isinstance(original, discord.Message)
            and original.author.id == self._user_id
        ):
            return original
        return None

    def _context(self, message: discord.Message) -> tuple[str, ...]:
        """The turns before this one: what author and bot last said to each other in the channel.

        Whoever replies to an older message, or to one for somebody else, goes on from that one.
        """
        remembered = self._conversations.recall(_conversation_key(message))
        original = self._replied_to(message)
        if original is None or original.id in remembered.reply_ids:
            return remembered.turns
        said = self._text(original)
        return remembered.turns if said in NOTICES or not said else (said,)

    def _remember(self, message: discord.Message, turns: Sequence[str], posted: list[int]) -> None:
        self._conversations.remember(_conversation_key(message), turns, posted)
        if not self._will_forget:
            self._forget_in_time()

    def _forget_in_time(self) -> None:
        """Nothing is kept for longer, also if nobody writes any more; one timer for all."""
        left_s = self._conversations.forget_expired()
        self._will_forget = left_s is not None
        if left_s is not None:
            asyncio.get_running_loop().call_later(left_s, self._forget_in_time)

    async def _answer(self, message: discord.Message) -> None:
        where = f"message {message.id} in channel {message.channel.id}"
        began = time.perf_counter()
        try:
            permissions = _permissions(message)
            if not _may_send(message, permissions):
                logger.info("%s stays unanswered: not allowed to send there", where)
                return
            as_reply = permissions.read_message_history
            turn = self._in_turn.setdefault(_conversation_key(message), _Turn())
            if turn.messages >= MAX_IN_TURN:
                await _send(
                    message, self._busy(where, "too many of theirs wait"), as_reply=as_reply
                )
            else:
                await self._answer_in_turn(message, turn, as_reply=as_reply, where=where)
        except (discord.Forbidden, discord.NotFound) as error:
            logger.info("%s stays unanswered: %s", where, error)
        except discord.HTTPException as error:
            logger.error("%s stays unanswered: %s", where, error)
        except Exception:
            logger.exception("%s stays unanswered", where)
        else:
            logger.info("%s answered in %.3f s", where, time.perf_counter() - began)

    async def _answer_in_turn(
        self, message: discord.Message, turn: _Turn, *, as_reply: bool, where: str
    ) -> None:
        """One after the other: what is quickly added to a question follows from its answer."""
        turn.messages += 1
        try:
            async with turn:
                context, text = self._context(message), self._text(message)
                answer = await self._write(message, context, text, where)
                posted = await _send(message, answer, as_reply=as_reply)
                if answer not in NOTICES:
                    self._remember(message, (*context, text, answer), posted)
        finally:
            turn.messages -= 1

    def _busy(self, where: str, why: object) -> str:
        self.busy_answers += 1
        logger.debug("%s is answered with busy: %s", where, why)  # the engine warns now and then
        return BUSY

    def _text(self, message: discord.Message) -> str:
        """What the message says to us."""
        text = strip_mention(message.content, self._user_id, _own_role_ids(message))
        return readable(text, {user.id: user.display_name for user in message.mentions})

    async def _write(
        self, message: discord.Message, context: tuple[str, ...], text: str, where: str
    ) -> str:
        """The answer to what the message says; a failure becomes a sentence."""
        if not text:
            named = isinstance(message.channel, discord.DMChannel) or self._mentions_us(message)
            # Discord withholds what a reply says unless it pings us.
            return HELLO if named else UNREADABLE
        try:
            async with _typing(message.channel):
                reply = await self._responder.reply(*context, text, user=message.author.id)
                return sendable(reply) or FAILED
        except (BusyError, DeadlineError) as error:
            return self._busy(where, error)
        except Exception:
            logger.exception("%s: no reply could be made", where)
            return FAILED


def _conversation_key(message: discord.Message) -> tuple[int, int]:
    return message.channel.id, message.author.id


def _own_role_ids(message: discord.Message) -> list[int]:
    """The role that Discord manages for us, which people mention by mistake; none elsewhere."""
    role = message.guild.self_role if message.guild else None
    return [role.id] if role else []


def _permissions(message: discord.Message) -> discord.Permissions:
    """Ours in the message's channel; all, where the cache cannot tell and Discord will."""
    channel, guild = message.channel, message.guild
    if guild is None or isinstance(channel, discord.PartialMessageable):
        return discord.Permissions.all()
    try:
        return channel.permissions_for(guild.me)
    except discord.ClientException:  # a thread whose parent is not in the cache
        return discord.Permissions.all()


def _may_send(message: discord.Message, permissions: discord.Permissions) -> bool:
    if isinstance(message.channel, discord.Thread):
        return permissions.send_messages_in_threads
    return permissions.send_messages


@contextlib.asynccontextmanager
async def _typing(channel: discord.abc.Messageable) -> AsyncIterator[None]:
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
        logger.debug("typing could not be shown: %s", error)


async def _send(message: discord.Message, text: str, *, as_reply: bool) -> list[int]:
    """Post the text, in pieces if it is long, the first as a reply.

    With a nonce Discord posts a piece once, even if another process of ours sends it too.

    :return: the ids of the posted messages
    :raises discord.HTTPException: if Discord refuses it also as a plain message
    """
    posted = []
    for index, piece in enumerate(split_message(text)):
        nonce = f"{message.id}-{index}" if index else str(message.id)
        if as_reply and index == 0:
            reference = message.to_reference(fail_if_not_exists=False)
            try:
                sent = await message.channel.send(
                    piece, reference=reference, mention_author=False, nonce=nonce
                )
                posted.append(sent.id)
                continue
            except discord.HTTPException as error:
                if error.status not in (400, 403, 404):
                    raise
                logger.info("message %d takes no reply (%s); sending it plainly", message.id, error)
        posted.append((await message.channel.send(piece, nonce=nonce)).id)
    return posted
