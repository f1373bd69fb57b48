"""Requests that leave before they are answered: cancelled, expired, or turned away."""

import asyncio
import gc
import logging

import pytest
from batching import Clock, Sources, batching, fails_with
from gate import Gate

from bot.errors import BusyError, DeadlineError
from bot.serving.batcher import OVERLOAD_WARNING_INTERVAL_S, _Search


async def test_a_request_cancelled_while_it_waits_is_never_computed_and_frees_its_place() -> None:
    gate = Gate()
    async with batching(gate, queue_limit=1) as client:
        running = await client.start_asking(5)
        await gate.reached()
        for _ in range(100):
            waiting = await client.start_asking(6)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert client.batcher.statistics().waiting == 0
        successor = await client.start_asking(7)
        gate.open()
        assert await asyncio.gather(running, successor) == [[5], [7]]
        assert client.batches == [[[5]], [[7]]]
        assert client.batcher.statistics().cancelled == 100


async def test_a_request_cancelled_in_the_moment_its_batch_forms_is_not_computed() -> None:
    async with batching() as client:
        going, staying = asyncio.create_task(client.ask(5)), asyncio.create_task(client.ask(6))
        await asyncio.sleep(0)
        going.cancel()
        assert await staying == [6]
        assert client.batches == [[[6]]]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_request_cancelled_while_it_runs_ends_without_a_trace(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def work(sources: Sources) -> None:
        gate(sources)
        if fails:
            raise ValueError("nobody waits for this")

    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with batching(work) as client:
        running = await client.start_asking(5)
        await gate.reached()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.open()
        client.work = lambda sources: None
        assert await client.ask(6) == [6]
    gc.collect()
    assert problems == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_request_that_fails_and_is_cancelled_in_one_moment_ends_without_a_trace() -> None:
    problems: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    gate = Gate()
    async with batching(gate) as client:
        running = await client.start_asking(5)
        await gate.reached()
        waiting = await client.start_asking(6)
        closing = asyncio.create_task(client.batcher.close())
        loop.call_soon(waiting.cancel)  # after the request has failed, before its caller hears
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.open()
        await asyncio.gather(running, closing)
    del waiting
    gc.collect()
    assert problems == []


async def test_the_neighbours_of_a_cancelled_request_get_their_results() -> None:
    gate = Gate()
    async with batching(gate) as client:
        tasks = [asyncio.create_task(client.ask(i)) for i in (5, 6, 7)]
        await gate.reached()
        tasks[1].cancel()
        await asyncio.sleep(0)
        gate.open()
        assert await asyncio.gather(tasks[0], tasks[2]) == [[5], [7]]
        assert client.batches == [[[5], [6], [7]]]


# Deadlines


async def test_a_request_that_expires_while_it_waits_is_never_computed() -> None:
    gate = Gate()
    async with batching(gate, queue_limit=1) as client:
        clock = Clock()
        running = await client.start_asking(5, timeout_s=30)
        await gate.reached()
        waiting = await client.start_asking(6, timeout_s=2)
        await clock.move(1.9)
        assert not waiting.done()
        await clock.move(0.2)
        with pytest.raises(DeadlineError, match=r"within 2 s\."):
            await waiting
        assert client.batcher.statistics().waiting == 0
        gate.open()
        assert await running == [5]
        assert client.batches == [[[5]]]
        assert client.batcher.statistics().expired == 1


async def test_a_request_without_any_time_is_not_computed_even_by_an_idle_worker() -> None:
    async with batching() as client:
        with pytest.raises(DeadlineError):
            await client.ask(5, timeout_s=0)
        assert await client.ask(6, timeout_s=60) == [6]
        assert client.batches == [[[6]]]


async def test_what_expires_while_the_event_loop_is_late_is_not_computed_either() -> None:
    gate = Gate()
    async with batching(gate) as client:
        clock = Clock()
        running = await client.start_asking(5)
        await gate.reached()
        waiting = await client.start_asking(6, timeout_s=2)
        clock.now += 3  # no timer had its turn yet
        gate.open()
        await fails_with(DeadlineError, waiting)
        assert await running == [5]
        assert client.batches == [[[5]]]


async def test_a_caller_hears_of_its_deadline_while_the_batch_runs_and_its_neighbours_go_on() -> (
    None
):
    gate = Gate()
    async with batching(gate) as client:
        clock = Clock()
        late = asyncio.create_task(client.ask(5, timeout_s=2))
        patient = asyncio.create_task(client.ask(6, timeout_s=60))
        await gate.reached()
        await clock.move(2.1)
        await fails_with(DeadlineError, late)
        gate.open()
        assert await patient == [6]
        assert await client.ask(7) == [7]
        assert client.batches == [[[5], [6]], [[7]]]


# Overload


async def test_a_full_queue_refuses_at_once_and_takes_requests_again_when_it_has_room() -> None:
    gate = Gate()
    async with batching(gate, queue_limit=2) as client:
        running = await client.start_asking(5)
        await gate.reached()
        waiting = await client.fill((6, 7))
        for _ in range(3):
            refused = await client.start_asking(8)
            assert refused.done()
            await fails_with(BusyError, refused)
        assert client.batcher.statistics().busy == 3
        gate.open()
        await asyncio.gather(running, *waiting)
        assert await client.ask(8) == [8]


async def test_a_flooder_does_not_keep_others_from_the_next_batch() -> None:
    gate = Gate()
    async with batching(gate, queue_limit=300, max_batch_size=4) as client:
        flood = await client.fill((0,), user="flooder")
        await gate.reached()
        flood += await client.fill(range(1, 301), user="flooder")
        ann = await client.start_asking(1000, user="ann")
        # The queue was full: the flooder's newest made room, and hears of it at once.
        await fails_with(BusyError, flood.pop())
        assert client.batcher.statistics().busy == 1
        refused = await client.start_asking(301, user="flooder")
        await fails_with(BusyError, refused)
        gate.open()
        assert await ann == [1000]
        assert client.batches[:2] == [[[0]], [[1], [1000], [2], [3]]]
        assert await asyncio.gather(*flood) == [[i] for i in range(300)]


async def test_a_hundred_thousand_refused_requests_leave_nothing_behind() -> None:
    gate = Gate()
    async with batching(gate, queue_limit=8) as client:
        running = await client.start_asking(5)
        await gate.reached()
        waiting = await client.fill(range(8), user="ann")
        refused = 0
        for _ in range(100_000):
            try:
                await client.ask(6, user="ann", timeout_s=20)
            except BusyError:
                refused += 1
        gc.collect()
        alive = sum(type(one) is _Search for one in gc.get_objects())
        scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        gate.open()
        await asyncio.gather(running, *waiting)
    assert (refused, client.batcher.statistics().busy) == (100_000, 100_000)
    assert (alive, len(scheduled)) == (9, 0)


async def test_overload_is_one_warning_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    async with batching(gate, queue_limit=1) as client:
        clock = Clock()
        tasks = await client.fill((5,))
        await gate.reached()
        tasks += await client.fill((6,))

        async def flood() -> int:
            refused = await client.fill(range(50))
            await asyncio.gather(*refused, return_exceptions=True)
            return sum(record.levelno == logging.WARNING for record in caplog.records)

        assert await flood() == 1
        await clock.move(OVERLOAD_WARNING_INTERVAL_S - 1)
        assert await flood() == 1
        await clock.move(1)
        assert await flood() == 2
        gate.open()
        await asyncio.gather(*tasks)


# Failures
