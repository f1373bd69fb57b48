"""What became of each message of a long run under load, and the run."""

import asyncio
import mmap
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from bot.bench.load import ANSWERED, BUSY, EXPIRED, arrivals_until, open_loop, percentiles_ms
from bot.errors import BusyError, DeadlineError

CANCELLED = "cancelled"
USERS = 200
MAX_PATIENCE_S = 0.05  # of a caller who gives up
MEMORY_FILE = Path("/proc/self/statm")
MAX_GROWTH = 0.05


class Replies(Protocol):
    """What answers: the responder."""

    def reply(self, *turns: str, user: str) -> Awaitable[str]:
        """The reply to a message."""
        ...


class Ledger:
    """What was sent and what became of it; an id may be sent and may end once.

    :param expected: the right reply to each message
    """

    def __init__(self, expected: Sequence[str]) -> None:
        self._expected = expected
        self._open: dict[int, int] = {}
        self._latencies: list[float] = []
        self._next = 0
        self.counts: Counter[str] = Counter()
        self.duplicated = 0
        self.wrong = 0

    @property
    def lost(self) -> int:
        """How many messages have had no outcome yet: those under way, and none at the end."""
        return len(self._open)

    @property
    def sent(self) -> int:
        """How many messages there were."""
        return self._next

    @property
    def faultless(self) -> bool:
        """Whether each message has had one outcome and each reply was the right one."""
        return not (self.lost or self.duplicated or self.wrong)

    def send(self, message: int) -> int:
        """Open the account of a message, given by its index; its id."""
        self._next += 1
        self._open[self._next] = message
        return self._next

    def end(self, id_: int, outcome: str, latency_s: float = 0.0, reply: str = "") -> None:
        """Enter an outcome; the reply and its latency where it is ``ANSWERED``."""
        message = self._open.pop(id_, None)
        if message is None:
            self.duplicated += 1
            return
        self.counts[outcome] += 1
        if outcome == ANSWERED:
            self.wrong += reply != self._expected[message]
            self._latencies.append(latency_s)

    def take_latencies(self) -> list[float]:
        """The latencies of the replies since the last call, in seconds."""
        latencies, self._latencies = self._latencies, []
        return latencies


def different_messages(prompts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """So many different messages, each of one prompt or of two."""
    rng = random.Random(seed)
    messages = dict.fromkeys(prompts[: count // 2])
    while len(messages) < count:
        messages[" ".join(rng.sample(prompts, 2))] = None
    return list(messages)


async def replies_alone(responder: Replies, messages: Sequence[str]) -> list[str]:
    """The reply to each message when nothing else is asked."""
    return [await responder.reply(message, user="alone") for message in messages]


async def send_at_random(
    responder: Replies,
    messages: Sequence[str],
    ledger: Ledger,
    *,
    rate: float,
    seconds: float,
    patience_s: float,
    cancelled_share: float,
    seed: int = 0,
) -> None:
    """Send messages at random for so long, and wait for what becomes of them.

    :param rate: messages a second, a Poisson process
    :param patience_s: longer than the responder's deadline; what takes longer is lost
    :param cancelled_share: how many callers give up, each after a random time of at most
        ``MAX_PATIENCE_S``
    """
    loop = asyncio.get_running_loop()
    rng = random.Random(seed)

    async def request(number: int, due: float) -> None:
        message = rng.randrange(len(messages))
        gives_up = rng.random() < cancelled_share
        patience = rng.uniform(0.0, MAX_PATIENCE_S)
        id_ = ledger.send(message)
        reply = asyncio.ensure_future(
            responder.reply(messages[message], user=f"user{rng.randrange(USERS)}")
        )
        if gives_up:
            loop.call_later(patience, reply.cancel)
        done, _ = await asyncio.wait([reply], timeout=patience_s)
        if not done:
            reply.cancel()
            return
        if reply.cancelled():
            ledger.end(id_, CANCELLED)
            return
        error = reply.exception()
        if error is None:
            ledger.end(id_, ANSWERED, loop.time() - due, reply.result())
        elif isinstance(error, BusyError):
            ledger.end(id_, BUSY)
        elif isinstance(error, DeadlineError):
            ledger.end(id_, EXPIRED)
        else:
            raise error

    await open_loop(arrivals_until(rate, seconds, seed), request)


async def watch(
    ledger: Ledger,
    every_s: float,
    on_report: Callable[[float, int | None, str], None],
) -> None:
    """Report now and then, until cancelled.

    :param on_report: called with the seconds since the start, the resident memory in bytes
        (``None`` where it cannot be read) and a line about what was sent
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await asyncio.sleep(every_s)
        on_report(loop.time() - began, resident_bytes(), line(ledger))


def line(ledger: Ledger) -> str:
    """What was sent until now and became of it; the latencies since the last line."""
    p50, p95, _ = percentiles_ms(ledger.take_latencies())
    latency = "-" if p50 is None else f"{p50:.1f} / {p95:.1f} ms"
    counts = ", ".join(
        f"{outcome} {ledger.counts[outcome]}" for outcome in (ANSWERED, BUSY, EXPIRED, CANCELLED)
    )
    return (
        f"sent {ledger.sent}, {counts}, open {ledger.lost}, duplicated {ledger.duplicated},"
        f" wrong {ledger.wrong}, p50 / p95 {latency}"
    )


def resident_bytes() -> int | None:
    """The memory of this process that is in use, on Linux."""
    try:
        return int(MEMORY_FILE.read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        return None
