"""Messages that are for us: what they say, and the answer or the sentence that says why not.

The log gets ids and causes, never what was written.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakValueDictionary

import discord

from bot.discord_app.failures import cause, is_broken_connection
from bot.discord_app.messages import readable, sendable, strip_mention
from bot.discord_app.posting import may_send, permissions_in, post, typing
from bot.discord_app.triggers import is_for_us, mentions_us, own_role_ids, replied_to
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
BUSY = "I can't keep up right now. Please try again in a moment."
FAILED = "Sorry, something went wrong on my side. Please try again."
# What the bot says of itself and not the model: nothing to go on from.
NOTICES = (HELLO, UNREADABLE, BUSY, FAILED, *NOT_THE_MODELS)

# At most so many messages are under way, waiting or being answered. The next is counted and gets no
# answer, not even BUSY: Discord lets us post only so often, and that would be one more post.
MAX_UNDER_WAY = 1000


class SupportsReply(Protocol):
    """What the chat needs of a responder."""

    async def reply(self, *turns: str, user: int) -> str:
        """The reply to the last turn; raises ``ServingError`` if there is none."""
        ...


class _Turns(asyncio.Lock):
    """Held while one person is answered in one channel.

    :ivar waiting: what that person has written since; it will be answered together
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[discord.Message] = []


class Chat:
    """Answers what is meant for the bot.

    A person is answered at once in each channel. What they add to it while the answer is made is
    one turn: when the answer is posted, one more answers all of it, as a reply to the newest.

    :param client: whose messages these are
    :param conversations: what each person and the bot said to each other in each channel
    :ivar answered: how many messages were answered, alone or together
    :ivar busy_answers: how many of them with ``BUSY``
    :ivar unanswered: how many were accepted, or were one too many, and got no answer
    :ivar late: how many came while draining
    """

    def __init__(
        self, client: discord.Client, responder: SupportsReply, conversations: Conversations
    ) -> None:
        self._client = client
        self._responder = responder
        self._conversations = conversations
        self._turns: WeakValueDictionary[tuple[int, int], _Turns] = WeakValueDictionary()
        self._answering: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._draining = False
        self._will_forget = False
        self.answered = 0
        self.busy_answers = 0
        self.unanswered = 0
        self.late = 0

    async def on_message(self, message: discord.Message) -> None:
        """See to it that the message is answered if it is for us; does not wait for that."""
        if not is_for_us(message, self._user_id):
            return
        if self._draining:
            self.late += 1
            return
        if self._under_way >= MAX_UNDER_WAY:
            self.unanswered += 1
            return
        self._under_way += 1
        turns = self._turns.setdefault(_conversation_key(message), _Turns())
        turns.waiting.append(message)
        if len(turns.waiting) == 1:
            answer = asyncio.create_task(self._answer_next(turns))
            self._answering.add(answer)
            answer.add_done_callback(self._answering.discard)

    async def drain(self, timeout_s: float) -> None:
        """Accept no more messages, let those accepted be answered, and give up what is left.

        One line in the log counts every message that was for us.
        """
        self._draining = True
        if self._answering:
            logger.info("finishing the answers to %d messages", self._under_way)
            _, left = await asyncio.wait(self._answering, timeout=timeout_s)
            if left:
                for answer in left:
                    answer.cancel()
                await asyncio.wait(left)
        self.unanswered += self._under_way
        logger.log(
            logging.WARNING if self._under_way else logging.INFO,
            "%d messages were answered, %d of them with busy; %d were not, %d of them because the"
            " time to stop had come; %d came too late",
            self.answered,
            self.busy_answers,
            self.unanswered,
            self._under_way,
            self.late,
        )
        self._under_way = 0

    @property
    def _user_id(self) -> int:
        assert self._client.user is not None  # known since login, before any message
        return self._client.user.id

    def _context(self, message: discord.Message) -> tuple[str, ...]:
        """The turns before this one: what author and bot last said to each other in the channel.

        Whoever replies to an older message, or to one for somebody else, goes on from that one.
        """
        remembered = self._conversations.recall(_conversation_key(message))
        original = replied_to(message, self._user_id)
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

    async def _answer_next(self, turns: _Turns) -> None:
        """Answer what waits, once the answer before it is posted; never raises."""
        async with turns:
            messages, turns.waiting = turns.waiting, []
            if await self._answer(messages):
                self.answered += len(messages)
            else:
                self.unanswered += len(messages)
            self._under_way -= len(messages)

    async def _answer(self, messages: list[discord.Message]) -> bool:
        """Answer messages of one person in one channel together; whether that succeeded."""
        newest = messages[-1]
        where = f"message {newest.id} in channel {newest.channel.id}"
        if len(messages) > 1:
            where += f" (and {len(messages) - 1} just before it)"
        began = time.perf_counter()
        try:
            permissions = permissions_in(newest, self._user_id)
            if not may_send(newest, permissions):
                logger.info("%s stays unanswered: not allowed to send there", where)
                return False
            context = self._context(newest)
            text = " ".join(filter(None, map(self._text, messages)))
            answer = await self._write(messages, context, text, where)
            posted = await post(newest, answer, as_reply=permissions.read_message_history)
            if answer == BUSY:
                self.busy_answers += len(messages)
            if answer not in NOTICES:
                self._remember(newest, (*context, text, answer), posted)
        except (discord.Forbidden, discord.NotFound) as error:
            logger.info("%s stays unanswered: %s", where, cause(error))
        except Exception as error:
            if isinstance(error, discord.HTTPException) or is_broken_connection(error):
                logger.error("%s stays unanswered: %s", where, cause(error))
            else:
                logger.exception("%s stays unanswered", where)
        else:
            logger.info("%s answered in %.3f s", where, time.perf_counter() - began)
            return True
        return False

    def _text(self, message: discord.Message) -> str:
        """What the message says to us."""
        text = strip_mention(message.content, self._user_id, own_role_ids(message))
        return readable(text, {user.id: user.display_name for user in message.mentions})

    async def _write(
        self, messages: list[discord.Message], context: tuple[str, ...], text: str, where: str
    ) -> str:
        """The answer to what the messages say; a failure becomes a sentence."""
        newest = messages[-1]
        if not text:
            in_private = isinstance(newest.channel, discord.DMChannel)
            # Discord withholds what a reply says unless it pings us.
            return (
                HELLO
                if in_private or any(mentions_us(message, self._user_id) for message in messages)
                else UNREADABLE
            )
        try:
            async with typing(newest.channel):
                reply = await self._responder.reply(*context, text, user=newest.author.id)
                return sendable(reply) or FAILED
        except (BusyError, DeadlineError) as error:
            logger.debug("%s is answered with busy: %s", where, error)  # the engine warns
            return BUSY
        except Exception:
            logger.exception("%s: no reply could be made", where)
            return FAILED


def _conversation_key(message: discord.Message) -> tuple[int, int]:
    return message.channel.id, message.author.id
