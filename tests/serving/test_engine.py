import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest
import torch

from bot.artifact.artifact import load_searcher, search_batch
from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.errors import BusyError, SearchFailedError, UsageError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.serving.engine import WARM_UP_LENGTHS, Engine
from bot.text.tokenizer import EOS_ID
from bot.training.export import compile_searcher


class Searcher:
    """Answers a source with its ids in reverse, after the work that the test hands it.

    Sources of the warm-up are answered without work and not recorded.
    """

    def __init__(self, work: Callable[[list[int]], object] = lambda _: None) -> None:
        self.work = work
        self.sources: list[list[int]] = []
        self.max_lengths: set[int] = set()
        self.options: set[SearchOptions] = set()
        self.warm_ups: list[tuple[str, int, int]] = []

    def search(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        (source,) = source_ids
        self.max_lengths.add(max_length)
        self.options.add(options)
        if set(source) == {2}:
            thread = threading.current_thread().name
            self.warm_ups.append((thread, len(source), torch.get_num_threads()))
        else:
            self.sources.append(source)
            self.work(source)
        return [source[::-1]]

    def hypotheses(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[Hypothesis]]:
        (reply,) = self.search(source_ids, max_length, options)
        return [[Hypothesis(reply, -1.0, -1.0, ended=True)] * options.beam_size]

    def attention(self, source_ids: list[int], target_ids: list[int]) -> list[list[float]]:
        self.work(source_ids)
        return [[1 / len(source_ids)] * len(source_ids)] * len(target_ids)


def make_engine(
    searcher: Searcher, *, workers: int = 1, threads_per_worker: int = 1, queue_limit: int = 64
) -> Engine:
    return Engine(
        searcher,
        workers=workers,
        threads_per_worker=threads_per_worker,
        queue_limit=queue_limit,
        max_reply_tokens=40,
    )


class Gate:
    """Work that says when it has begun and waits until the test opens the gate."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self._open = threading.Event()

    def __call__(self, source: list[int]) -> None:
        self.began.set()
        assert self._open.wait(10)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.began.wait, 10)

    def open(self) -> None:
        self._open.set()


async def test_the_reply_is_what_the_searcher_wrote() -> None:
    searcher = Searcher()
    async with make_engine(searcher) as engine:
        assert await engine.generate([5, 6, 7]) == [7, 6, 5]
    assert searcher.max_lengths == {40}


async def test_it_searches_as_it_was_told_from_the_warm_up_on() -> None:
    searcher = Searcher()
    options = SearchOptions(no_repeat_ngram=3)
    engine = Engine(
        searcher,
        workers=1,
        threads_per_worker=1,
        queue_limit=1,
        max_reply_tokens=40,
        options=options,
    )
    async with engine:
        await engine.generate([5])
        assert searcher.options == {options}


async def test_hypotheses_are_searched_for_as_each_request_says() -> None:
    searcher = Searcher()
    async with make_engine(searcher) as engine:
        options = SearchOptions(beam_size=3)
        found = await engine.hypotheses([5, 6], options)
        assert [hypothesis.token_ids for hypothesis in found] == [[6, 5]] * 3
        assert searcher.options == {GREEDY, options}
        assert await engine.attention([5, 6], [7]) == [[0.5, 0.5]]


async def test_every_kind_of_request_takes_a_place_in_the_queue() -> None:
    gate = Gate()
    async with make_engine(Searcher(gate), queue_limit=1) as engine:
        running = asyncio.create_task(engine.attention([5], [6]))
        await gate.reached()
        for request in (
            engine.generate([5]),
            engine.hypotheses([5], GREEDY),
            engine.attention([5], [6]),
        ):
            with pytest.raises(BusyError):
                await request
        gate.open()
        await running


async def test_an_error_that_already_speaks_to_the_user_comes_through_as_it_is() -> None:
    refusal = UsageError("banned_ids has 2.")

    def work(source: list[int]) -> None:
        raise refusal

    async with make_engine(Searcher(work)) as engine:
        with pytest.raises(UsageError) as caught:
            await engine.hypotheses([5], GREEDY)
        assert caught.value is refusal


async def test_each_of_many_requests_gets_its_own_reply() -> None:
    async with make_engine(Searcher(), workers=4, queue_limit=100) as engine:
        replies = await asyncio.gather(*(engine.generate([i, i + 1]) for i in range(3, 103)))
    assert replies == [[i + 1, i] for i in range(3, 103)]


async def test_every_worker_is_warmed_up_with_its_threads_before_the_engine_is_ready() -> None:
    searcher = Searcher()
    async with make_engine(searcher, workers=3, threads_per_worker=3):
        lengths_of = {
            name: {length for other, length, _ in searcher.warm_ups if other == name}
            for name, _, _ in searcher.warm_ups
        }
        assert len(lengths_of) == 3
        assert all(lengths == set(WARM_UP_LENGTHS) for lengths in lengths_of.values())
        assert {threads for _, _, threads in searcher.warm_ups} == {3}
        assert searcher.sources == []


async def test_a_searcher_that_fails_the_warm_up_fails_the_start() -> None:
    class Broken(Searcher):
        def search(
            self, source_ids: list[list[int]], max_length: int, options: SearchOptions
        ) -> list[list[int]]:
            raise RuntimeError("no kernel")

    engine = make_engine(Broken(), workers=2)
    with pytest.raises(SearchFailedError, match="RuntimeError") as caught:
        await engine.start()
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(SearchFailedError, match="not running"):
        await engine.generate([5])


async def test_a_failing_search_carries_its_cause_and_the_engine_goes_on() -> None:
    def work(source: list[int]) -> None:
        if source == [13]:
            raise ValueError("thirteen")

    async with make_engine(Searcher(work)) as engine:
        with pytest.raises(SearchFailedError) as caught:
            await engine.generate([13])
        assert isinstance(caught.value.__cause__, ValueError)
        assert await engine.generate([14]) == [14]


async def test_a_full_queue_refuses_at_once_and_takes_requests_again_when_it_has_room() -> None:
    gate = Gate()
    async with make_engine(Searcher(gate), queue_limit=3) as engine:
        accepted = [asyncio.create_task(engine.generate([i])) for i in (5, 6, 7)]
        await gate.reached()
        with pytest.raises(BusyError):
            await engine.generate([8])
        gate.open()
        assert await asyncio.gather(*accepted) == [[5], [6], [7]]
        assert await engine.generate([8]) == [8]


async def test_a_request_cancelled_while_it_waits_never_runs_and_frees_its_place() -> None:
    gate = Gate()
    searcher = Searcher(gate)
    async with make_engine(searcher, queue_limit=2) as engine:
        running = asyncio.create_task(engine.generate([5]))
        await gate.reached()
        waiting = asyncio.create_task(engine.generate([6]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        successor = asyncio.create_task(engine.generate([7]))
        await asyncio.sleep(0)
        gate.open()
        assert await running == [5]
        assert await successor == [7]
    assert searcher.sources == [[5], [7]]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_request_cancelled_while_it_runs_ends_without_a_trace(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def work(source: list[int]) -> None:
        gate(source)
        if fails:
            raise ValueError("nobody waits for this")

    searcher = Searcher(work)
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    with caplog.at_level(logging.DEBUG):
        async with make_engine(searcher, queue_limit=1) as engine:
            running = asyncio.create_task(engine.generate([5]))
            await gate.reached()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            # Its thread is still taken, and so is its place.
            with pytest.raises(BusyError):
                await engine.generate([6])
            gate.open()
    assert problems == []
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


async def test_closing_waits_for_the_search_that_runs_and_fails_those_that_wait() -> None:
    gate = Gate()
    searcher = Searcher(gate)
    engine = make_engine(searcher)
    await engine.start()
    running = asyncio.create_task(engine.generate([5]))
    await gate.reached()
    waiting = asyncio.create_task(engine.generate([6]))
    await asyncio.sleep(0)

    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    gate.open()
    await closing

    assert await running == [5]
    with pytest.raises(SearchFailedError, match="closed"):
        await waiting
    assert searcher.sources == [[5]]


async def test_an_engine_that_does_not_run_refuses_and_can_be_closed_again() -> None:
    engine = make_engine(Searcher())
    with pytest.raises(SearchFailedError, match="not running"):
        await engine.generate([5])
    await engine.close()

    await engine.start()
    await engine.close()
    await engine.close()
    with pytest.raises(SearchFailedError, match="not running"):
        await engine.generate([5])


async def test_cancelled_requests_do_not_pile_up_behind_a_long_search() -> None:
    gate = Gate()
    async with make_engine(Searcher(gate), queue_limit=2) as engine:
        running = asyncio.create_task(engine.generate([5]))
        await gate.reached()
        for _ in range(1000):
            waiting = asyncio.create_task(engine.generate([6]))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert engine._executor is not None
        assert engine._executor._work_queue.qsize() == 0
        gate.open()
        assert await running == [5]


async def test_the_event_loop_keeps_ticking_while_fifty_replies_are_computed() -> None:
    """Its largest stall is a small part of the time that the replies take together."""
    torch.manual_seed(0)
    model = Seq2Seq(ModelConfig(2000, 256, 256, 1, 2)).eval()
    model.output.bias.data[EOS_ID] = -1e4  # every reply is as long as it may be
    compiled = load_searcher(compile_searcher(GreedySearcher(model)), "cpu")

    class Compiled:
        def search(
            self, source_ids: list[list[int]], max_length: int, options: SearchOptions
        ) -> list[list[int]]:
            return search_batch(compiled, source_ids, max_length, "cpu")

    stalls: list[float] = []

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - before)

    engine = Engine(
        Compiled(), workers=2, threads_per_worker=1, queue_limit=50, max_reply_tokens=40
    )
    async with engine:
        ticking = asyncio.create_task(tick())
        began = time.perf_counter()
        replies = await asyncio.gather(*(engine.generate([i] * 20) for i in range(5, 55)))
        took = time.perf_counter() - began
        ticking.cancel()

    assert {len(reply) for reply in replies} == {40}
    assert len(stalls) > 10
    print(f"largest stall {max(stalls) * 1e3:.1f} ms while 50 replies took {took:.2f} s")
    assert max(stalls) < took / 3
