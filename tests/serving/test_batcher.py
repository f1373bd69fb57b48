import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from gate import Gate

from bot.errors import BusyError, DeadlineError, SearchFailedError, UsageError
from bot.serving.batcher import OVERLOAD_WARNING_INTERVAL_S, Batcher, _Search

Sources = list[list[int]]


class Client:
    """Asks for sources in reverse, after the work that the test hands it; keeps the batches."""

    def __init__(self, batcher: Batcher, work: Callable[[Sources], object]) -> None:
        self.batcher = batcher
        self.work = work
        self.batches: list[Sources] = []

    def compute(self, sources: Sources) -> Sources:
        self.batches.append(sources)
        self.work(sources)
        return [source[::-1] for source in sources]

    async def ask(
        self,
        *source: int,
        user: Hashable = None,
        group: Hashable = "group",
        timeout_s: float | None = None,
    ) -> list[int]:
        return await self.batcher.ask(
            self.compute, list(source), group=group, user=user, timeout_s=timeout_s
        )

    async def start_asking(self, *source: int, **how: object) -> asyncio.Task[list[int]]:
        """A task whose request waits or runs already."""
        task = asyncio.create_task(self.ask(*source, **how))
        await asyncio.sleep(0)
        return task

    async def fill(self, sources: Iterable[int], **how: object) -> list[asyncio.Task[list[int]]]:
        return [await self.start_asking(source, **how) for source in sources]


@asynccontextmanager
async def batching(
    work: Callable[[Sources], object] = lambda _: None,
    *,
    workers: int = 1,
    queue_limit: int = 64,
    max_batch_size: int = 8,
) -> AsyncIterator[Client]:
    batcher = Batcher(workers=workers, queue_limit=queue_limit, max_batch_size=max_batch_size)
    with ThreadPoolExecutor(workers) as executor:
        batcher.start(executor)
        yield Client(batcher, work)
        await batcher.close()


class Clock:
    """The event loop's clock, which the test moves: timers come when it says."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        loop.time = lambda: self.now  # type: ignore[method-assign]

    async def move(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)  # the timers that have come
        await asyncio.sleep(0)  # the tasks that these have woken


async def fails_with(error: type[Exception], task: asyncio.Task[list[int]]) -> None:
    with pytest.raises(error):
        await task


# Batches


async def test_a_lone_request_is_computed_without_waiting_for_company() -> None:
    async with batching() as client:
        Clock()  # no timer can come
        assert await client.ask(5, 6) == [6, 5]


async def test_requests_of_one_moment_are_one_batch() -> None:
    async with batching() as client:
        replies = await asyncio.gather(*(client.ask(i, 9) for i in range(5)))
        assert replies == [[9, i] for i in range(5)]
        assert client.batches == [[[i, 9] for i in range(5)]]


async def test_a_batch_forms_while_the_one_before_runs() -> None:
    gate = Gate()
    async with batching(gate, max_batch_size=3) as client:
        first = await client.start_asking(5)
        await gate.reached()
        others = await client.fill(range(6, 10))
        statistics = client.batcher.statistics()
        assert (statistics.waiting, statistics.running) == (4, 1)
        gate.open()
        assert await asyncio.gather(first, *others) == [[5], [6], [7], [8], [9]]
        assert client.batches == [[[5]], [[6], [7], [8]], [[9]]]


async def test_who_asks_again_upon_an_answer_is_in_the_next_batch() -> None:
    async with batching() as client:

        async def talk(user: int) -> None:
            for turn in range(3):
                await client.ask(user, turn, user=user)

        await asyncio.gather(talk(1), talk(2))
        assert client.batches == [[[1, turn], [2, turn]] for turn in range(3)]


async def test_idle_workers_share_what_waits() -> None:
    async with batching(workers=2) as client:
        await asyncio.gather(*(client.ask(i) for i in range(6)))
        assert sorted(client.batches) == [[[0], [1], [2]], [[3], [4], [5]]]


async def test_groups_are_computed_apart() -> None:
    async with batching() as client:
        await asyncio.gather(
            client.ask(1, group="a"), client.ask(2, group="b"), client.ask(3, group="a")
        )
        assert client.batches == [[[1], [3]], [[2]]]


async def test_the_statistics_count_batches_and_their_requests() -> None:
    async with batching(max_batch_size=2) as client:
        await asyncio.gather(*(client.ask(i) for i in range(5)))
        statistics = client.batcher.statistics()
        assert (statistics.batches, statistics.rows, statistics.answered) == (3, 5, 5)
        assert (statistics.waiting, statistics.running) == (0, 0)


# Who leaves


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


def fail_at_thirteen(sources: Sources) -> None:
    if [13] in sources:
        raise ValueError("thirteen")


async def test_only_the_request_that_makes_a_batch_fail_fails() -> None:
    async with batching(fail_at_thirteen) as client:
        tasks = [asyncio.create_task(client.ask(i)) for i in (11, 12, 13, 14)]
        with pytest.raises(SearchFailedError, match="ValueError") as caught:
            await tasks[2]
        assert isinstance(caught.value.__cause__, ValueError)
        assert await asyncio.gather(tasks[0], tasks[1], tasks[3]) == [[11], [12], [14]]
        # Each was tried alone, once.
        assert client.batches[1:] == [[[11]], [[12]], [[13]], [[14]]]
        assert await client.ask(15) == [15]
        statistics = client.batcher.statistics()
        assert (statistics.failed, statistics.answered, statistics.running) == (1, 4, 0)


async def test_an_error_that_already_speaks_to_the_user_comes_through_as_it_is() -> None:
    refusal = UsageError("banned_ids has 2.")

    def work(sources: Sources) -> None:
        raise refusal

    async with batching(work) as client:
        with pytest.raises(UsageError) as caught:
            await client.ask(5)
        assert caught.value is refusal


@pytest.mark.parametrize("error", [StopIteration(), TimeoutError(), asyncio.CancelledError()])
async def test_whatever_the_searcher_raises_is_a_failed_search(error: BaseException) -> None:
    def work(sources: Sources) -> None:
        raise error

    async with batching(work) as client:
        with pytest.raises(SearchFailedError):
            await client.ask(5, timeout_s=60)
        client.work = lambda sources: None
        assert await client.ask(6) == [6]


async def test_a_wrong_number_of_results_is_nobodys_result() -> None:
    async with batching() as client:

        def short(sources: Sources) -> Sources:
            return sources[1:]

        with pytest.raises(SearchFailedError, match="0 results for 1 sources"):
            await client.batcher.ask(short, [5], group="g", user=None, timeout_s=None)
        assert await client.ask(6) == [6]


# The end


async def test_closing_waits_for_the_batch_that_runs_and_fails_those_that_wait() -> None:
    gate = Gate()
    async with batching(gate) as client:
        running = await client.start_asking(5)
        await gate.reached()
        waiting = await client.start_asking(6)
        closing = asyncio.create_task(client.batcher.close())
        with pytest.raises(SearchFailedError, match="closed"):
            await waiting
        with pytest.raises(SearchFailedError, match="not running"):
            await client.ask(7)
        assert not closing.done()
        gate.open()
        await closing
        assert await running == [5]
        assert client.batches == [[[5]]]


async def test_closing_says_in_one_line_what_was_done(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with batching() as client:
            await client.ask(5)
    (record,) = caplog.records
    assert record.getMessage() == (
        "closed: 1 answered, 0 busy, 0 expired, 0 cancelled, 0 failed, 1 batches, 1 rows"
    )


async def test_what_was_never_started_can_be_closed_and_refuses() -> None:
    batcher = Batcher(workers=1, queue_limit=1, max_batch_size=1)
    await batcher.close()
    with pytest.raises(SearchFailedError, match="not running"):
        await Client(batcher, lambda _: None).ask(5)
