import asyncio
import random
from itertools import islice, takewhile

import pytest

from bot.bench.load import arrivals, arrivals_until, measure_engine, open_loop, percentiles_ms
from bot.bench.models import MAX_STEPS, BenchModel
from bot.settings import Settings


def test_arrivals_are_random_at_the_right_rate_and_the_same_for_a_seed() -> None:
    times = list(islice(arrivals(50.0, seed=3), 5000))
    gaps = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1 / 50, rel=0.05)
    assert variance**0.5 == pytest.approx(mean, rel=0.05)  # as an exponential distribution has it
    assert times == list(islice(arrivals(50.0, seed=3), 5000))
    assert times != list(islice(arrivals(50.0, seed=4), 5000))
    before = takewhile(lambda time: time < 2.0, times)
    assert list(arrivals_until(50.0, 2.0, seed=3)) == list(before)


async def test_a_request_that_waits_does_not_keep_the_next_from_being_sent() -> None:
    started: list[int] = []
    all_started = asyncio.Event()

    async def request(number: int, due: float) -> None:
        started.append(number)
        if len(started) == 3:
            all_started.set()
        await all_started.wait()

    async with asyncio.timeout(20):
        await open_loop([0.0, 0.0, 0.001], request)
    assert started == [0, 1, 2]


async def test_what_is_sent_late_was_due_when_it_was_scheduled() -> None:
    dues: list[float] = []

    async def request(number: int, due: float) -> None:
        dues.append(due)

    loop = asyncio.get_running_loop()
    began = loop.time()
    await open_loop([-1.0, -0.5], request)
    assert began - 1.0 <= dues[0] <= loop.time() - 1.0
    assert dues[1] - dues[0] == pytest.approx(0.5)


def test_percentiles_are_in_milliseconds_and_nothing_has_none() -> None:
    latencies = [i / 1e3 for i in range(101)]
    random.Random(0).shuffle(latencies)
    assert percentiles_ms(latencies) == pytest.approx((50.0, 95.0, 99.0))
    assert percentiles_ms([]) == (None, None, None)


async def test_under_load_every_message_is_answered_refused_or_late(
    small_model: BenchModel,
) -> None:
    load = await measure_engine(
        small_model.fp32,
        small_model.sources,
        Settings(
            queue_limit=1, max_batch_size=1, workers=1, max_reply_tokens=MAX_STEPS, _env_file=None
        ),
        precision="fp32",
        rates=(50, 5000),
        seconds=0.2,
    )
    slow, fast = load.rows
    assert slow.sent == len(list(arrivals_until(50, 0.2, seed=0)))
    for row in load.rows:
        assert row.sent == row.answered + row.busy + row.expired
    assert fast.busy > 0
    assert fast.p50_ms is not None
    assert load.single.median_ms > 0
