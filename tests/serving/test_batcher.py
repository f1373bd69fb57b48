"""Batches: when they form, and of what."""

import asyncio
import logging

import pytest
from batching import Client, Clock, Sources, batching, fails_with
from gate import Gate

from bot.errors import SearchFailedError, UsageError
from bot.serving.batcher import Batcher


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
            await client.batcher.ask(short, [5], group="g", batch_size=1, user=None, timeout_s=None)
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


async def test_closing_ends_the_retries_of_a_batch_that_failed() -> None:
    gate = Gate()

    def fail_after_the_gate(sources: Sources) -> None:
        gate(sources)
        raise RuntimeError("no")

    async with batching(fail_after_the_gate) as client:
        tasks = [asyncio.create_task(client.ask(source)) for source in range(5, 9)]
        await gate.reached()
        closing = asyncio.create_task(client.batcher.close())
        await asyncio.sleep(0)
        gate.open()
        await closing
        for task in tasks:
            await fails_with(SearchFailedError, task)
    assert client.batches == [[[5], [6], [7], [8]]]


async def test_what_was_never_started_can_be_closed_and_refuses() -> None:
    batcher = Batcher(workers=1, queue_limit=1)
    await batcher.close()
    with pytest.raises(SearchFailedError, match="not running"):
        await Client(batcher, lambda _: None, 1).ask(5)
