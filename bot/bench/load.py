"""The engine under open-loop load: messages come when they come, whether or not it keeps up."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from bot.artifact.artifact import search_batch
from bot.artifact.options import SearchOptions
from bot.bench.timing import Timing
from bot.errors import BusyError, DeadlineError
from bot.serving.engine import Engine, Searcher
from bot.serving.tuning import tuned_engine
from bot.settings import Settings

USERS = 50
WARM_UP_ROUNDS = 2
ANSWERED, BUSY, EXPIRED = "answered", "busy", "expired"


@dataclass(frozen=True)
class LoadRow:
    """What became of the messages that came at one rate.

    Latencies are of answered messages. They count from the moment at which a message was due: if
    the sender was late itself, that counts too.

    :param rate: messages a second that were offered, on average
    :param busy: refused at once, because the queue was full
    :param expired: not answered before their deadline
    :param throughput: answered a second, from the start to the last answer
    """

    rate: float
    sent: int
    answered: int
    busy: int
    expired: int
    throughput: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class Load:
    """The engine, one request at a time and under load.

    :param precision: of its searcher
    :param single: the latency of requests that come one after the other
    """

    precision: str
    workers: int
    threads_per_worker: int
    queue_limit: int
    max_batch_size: int
    single: Timing
    rows: list[LoadRow]


class _GreedySearches:
    """A searcher as the engine calls it for ``generate``."""

    def __init__(self, searcher: Any) -> None:
        self._searcher = searcher

    def search(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        return search_batch(self._searcher, source_ids, max_length, "cpu")


async def measure_engine(
    searcher: Any,
    sources: list[list[int]],
    settings: Settings,
    *,
    precision: str,
    rates: Sequence[float],
    seconds: float,
    on_progress: Callable[[str], None] = lambda what: None,
) -> Load:
    """Serve with the settings of the service, and measure.

    :param searcher: compiled, on the CPU
    :param precision: what it computes in
    :param seconds: how long messages come at each of the rates
    """
    served = cast("Searcher", _GreedySearches(searcher))  # nothing else is asked for here
    engine = tuned_engine(served, settings, sources[:4])
    async with engine:
        on_progress("engine, one at a time")
        for _ in range(WARM_UP_ROUNDS):
            single = await measure_single(engine, sources, settings.reply_timeout_s)
        rows = []
        for rate in rates:
            on_progress(f"engine, {rate:g} messages a second")
            rows.append(
                await measure_load(engine, sources, rate, seconds, settings.reply_timeout_s)
            )
    return Load(
        precision,
        engine.workers,
        engine.threads_per_worker,
        settings.queue_limit,
        settings.max_batch_size,
        single,
        rows,
    )


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """When messages come, in seconds from the start: a Poisson process without end.

    :param rate: messages a second
    """
    rng = random.Random(seed)
    now = 0.0
    while True:
        now += rng.expovariate(rate)
        yield now


def arrivals_until(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Those of ``arrivals`` that come before an end."""
    for time in arrivals(rate, seed):
        if time >= seconds:
            return
        yield time


async def open_loop(
    times: Iterable[float], request: Callable[[int, float], Awaitable[None]]
) -> None:
    """Start a request at each time, and wait until all of them are done.

    :param times: in seconds from now, rising
    :param request: a function of the request's number and of when, by the loop's clock, it was due
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, time in enumerate(times):
            due = began + time
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            group.create_task(_awaited(request(number, due)))


async def _awaited(request: Awaitable[None]) -> None:
    await request


def percentiles_ms(latencies_s: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The 50th, 95th and 99th percentile; ``None`` of nothing."""
    if not latencies_s:
        return None, None, None
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(latencies_s, [50, 95, 99]))
    return p50, p95, p99


async def measure_single(engine: Engine, sources: Sequence[list[int]], timeout_s: float) -> Timing:
    """The latency of requests that come one after the other."""
    loop = asyncio.get_running_loop()
    seconds = []
    for source in sources:
        began = loop.time()
        await engine.generate(source, user="only", timeout_s=timeout_s)
        seconds.append(loop.time() - began)
    return Timing.of(np.array([seconds]))


async def measure_load(
    engine: Engine, sources: Sequence[list[int]], rate: float, seconds: float, timeout_s: float
) -> LoadRow:
    """Offer the engine so many messages a second, of many users, for so long."""
    loop = asyncio.get_running_loop()
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []

    async def request(number: int, due: float) -> None:
        source = sources[number % len(sources)]
        try:
            await engine.generate(source, user=f"user{number % USERS}", timeout_s=timeout_s)
        except BusyError:
            outcomes[BUSY] += 1
        except DeadlineError:
            outcomes[EXPIRED] += 1
        else:
            outcomes[ANSWERED] += 1
            latencies.append(loop.time() - due)

    began = loop.time()
    await open_loop(arrivals_until(rate, seconds, seed=0), request)
    return LoadRow(
        rate,
        outcomes.total(),
        outcomes[ANSWERED],
        outcomes[BUSY],
        outcomes[EXPIRED],
        outcomes[ANSWERED] / (loop.time() - began),
        *percentiles_ms(latencies),
    )
