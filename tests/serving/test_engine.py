import asyncio
import threading
from collections.abc import Callable

import pytest
import torch
from gate import Gate
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.artifact.artifact import load_searcher, search_batch
from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.errors import BusyError, DeadlineError, SearchFailedError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import compile_searcher
from bot.serving.engine import WARM_UP_SHAPES, Engine
from bot.text.tokenizer import EOS_ID

Sources = list[list[int]]


class Searcher:
    """Answers a source with its ids in reverse, after the work that the test hands it.

    Sources of the warm-up are answered without work and not recorded.
    """

    def __init__(self, work: Callable[[Sources], object] = lambda _: None) -> None:
        self.work = work
        self.batches: list[Sources] = []
        self.max_lengths: set[int] = set()
        self.options: list[SearchOptions] = []
        self.warm_ups: list[tuple[str, tuple[int, int], int]] = []

    def search(
        self, source_ids: Sources, max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        self.max_lengths.add(max_length)
        self.options.append(options)
        if set(source_ids[0]) == {EOS_ID}:
            thread = threading.current_thread().name
            shape = len(source_ids), len(source_ids[0])
            self.warm_ups.append((thread, shape, torch.get_num_threads()))
        else:
            self.batches.append(source_ids)
            self.work(source_ids)
        return [source[::-1] for source in source_ids]

    def hypotheses(
        self, source_ids: Sources, max_length: int, options: SearchOptions
    ) -> list[list[Hypothesis]]:
        replies = self.search(source_ids, max_length, options)
        return [
            [Hypothesis(reply, -1.0, -1.0, ended=True)] * options.beam_size for reply in replies
        ]

    def attention(self, source_ids: list[int], target_ids: list[int]) -> list[list[float]]:
        self.batches.append([source_ids])
        self.work([source_ids])
        return [[1 / len(source_ids)] * len(source_ids)] * len(target_ids)


def make_engine(
    searcher: object,
    *,
    workers: int = 1,
    threads_per_worker: int = 1,
    queue_limit: int = 64,
    max_batch_size: int = 8,
    max_reply_tokens: int = 40,
    options: SearchOptions = GREEDY,
) -> Engine:
    return Engine(
        searcher,
        workers=workers,
        threads_per_worker=threads_per_worker,
        queue_limit=queue_limit,
        max_batch_size=max_batch_size,
        max_reply_tokens=max_reply_tokens,
        options=options,
    )


async def test_the_reply_is_what_the_searcher_wrote() -> None:
    searcher = Searcher()
    async with make_engine(searcher) as engine:
        assert await engine.generate([5, 6, 7]) == [7, 6, 5]
    assert searcher.max_lengths == {40}


async def test_it_searches_as_it_was_told_from_the_warm_up_on() -> None:
    searcher = Searcher()
    options = SearchOptions(no_repeat_ngram=3)
    async with make_engine(searcher, options=options) as engine:
        await engine.generate([5])
        assert set(searcher.options) == {options}


async def test_hypotheses_are_searched_for_as_each_request_says() -> None:
    searcher = Searcher()
    async with make_engine(searcher) as engine:
        options = SearchOptions(beam_size=3)
        found = await engine.hypotheses([5, 6], options)
        assert [hypothesis.token_ids for hypothesis in found] == [[6, 5]] * 3
        assert set(searcher.options) == {GREEDY, options}
        assert await engine.attention([5, 6], [7]) == [[0.5, 0.5]]


async def test_each_of_many_requests_gets_its_own_reply() -> None:
    async with make_engine(Searcher(), workers=4, queue_limit=100) as engine:
        replies = await asyncio.gather(*(engine.generate([i, i + 1]) for i in range(3, 103)))
    assert replies == [[i + 1, i] for i in range(3, 103)]


async def test_requests_of_the_same_kind_and_like_length_are_searched_together() -> None:
    searcher = Searcher()
    nucleus = SearchOptions(temperature=0.7, seed=1)
    other = SearchOptions(temperature=0.7, seed=2)
    async with make_engine(searcher) as engine:
        await asyncio.gather(
            *(engine.generate([5] * length) for length in (1, 8, 9, 30, 16, 5)),
            *(engine.hypotheses([5] * length, nucleus) for length in (1, 9, 8)),
            engine.hypotheses([5], other),
            engine.hypotheses([5], GREEDY),
            engine.attention([5], [6]),
            engine.attention([5], [7]),
        )
    assert [[len(source) for source in batch] for batch in searcher.batches] == [
        [1, 8, 5],
        [9, 16],
        [30],
        [1, 8],
        [9],
        [1],
        [1],
        [1],
        [1],
    ]


async def test_a_beam_of_k_counts_as_k_rows() -> None:
    searcher = Searcher()
    async with make_engine(searcher, max_batch_size=8) as engine:
        for beam_size in (4, 64):
            options = SearchOptions(beam_size=beam_size)
            found = await asyncio.gather(*(engine.hypotheses([i], options) for i in range(5, 10)))
            assert [best.token_ids for best, *_ in found] == [[i] for i in range(5, 10)]
    assert list(map(len, searcher.batches)) == [2, 2, 1, 1, 1, 1, 1, 1]


async def test_a_batch_of_long_sources_has_fewer_rows() -> None:
    searcher = Searcher()
    async with make_engine(searcher, max_batch_size=16) as engine:
        await asyncio.gather(*(engine.generate([5] * 60) for _ in range(5)))
        await engine.generate([5] * 1000)
    assert list(map(len, searcher.batches)) == [4, 1, 1]


async def test_users_and_deadlines_are_those_of_each_request() -> None:
    gate = Gate()
    searcher = Searcher(gate)
    async with make_engine(searcher, queue_limit=3, max_batch_size=1) as engine:
        asked = [engine.generate([5], user=1)]
        asked += [engine.hypotheses([6], GREEDY, user=1), engine.attention([7], [7], user=1)]
        asked += [engine.generate([8], user=2)]
        tasks = []
        for request in asked:
            tasks.append(asyncio.create_task(request))
            await asyncio.sleep(0)
            await gate.reached()
        for late in (
            engine.generate([9], user=3, timeout_s=0),
            engine.hypotheses([9], GREEDY, user=3, timeout_s=0),
            engine.attention([9], [9], user=3, timeout_s=0),
        ):
            with pytest.raises((DeadlineError, BusyError)) as caught:
                await late
            # The first takes the place of user 1's newest.
            assert isinstance(caught.value, DeadlineError)
        with pytest.raises(BusyError):
            await tasks.pop(2)
        gate.open()
        await asyncio.gather(*tasks)
    assert searcher.batches == [[[5]], [[6]], [[8]]]


async def test_every_worker_is_warmed_up_with_its_threads_before_the_engine_is_ready() -> None:
    searcher = Searcher()
    async with make_engine(searcher, workers=3, threads_per_worker=3):
        shapes_of = {
            name: {shape for other, shape, _ in searcher.warm_ups if other == name}
            for name, _, _ in searcher.warm_ups
        }
        assert len(shapes_of) == 3
        assert all(shapes == set(WARM_UP_SHAPES) for shapes in shapes_of.values())
        assert {threads for _, _, threads in searcher.warm_ups} == {3}
        assert searcher.batches == []


async def test_a_searcher_that_fails_the_warm_up_fails_the_start() -> None:
    class Broken(Searcher):
        def search(
            self, source_ids: Sources, max_length: int, options: SearchOptions
        ) -> list[list[int]]:
            raise RuntimeError("no kernel")

    engine = make_engine(Broken(), workers=2)
    with pytest.raises(SearchFailedError, match="RuntimeError") as caught:
        await engine.start()
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(SearchFailedError, match="not running"):
        await engine.generate([5])


async def test_a_failing_search_carries_its_cause_and_the_engine_goes_on() -> None:
    def work(sources: Sources) -> None:
        if [13] in sources:
            raise ValueError("thirteen")

    async with make_engine(Searcher(work)) as engine:
        with pytest.raises(SearchFailedError) as caught:
            await engine.generate([13])
        assert isinstance(caught.value.__cause__, ValueError)
        assert await engine.generate([14]) == [14]
        assert engine.statistics()[2:] == (1, 0, 0, 0, 1, 2, 2)


async def test_an_engine_that_does_not_run_refuses_and_can_be_started_and_closed_again() -> None:
    engine = make_engine(Searcher())
    with pytest.raises(SearchFailedError, match="not running"):
        await engine.generate([5])
    await engine.close()

    for _ in range(2):
        await engine.start()
        assert await engine.generate([5, 6]) == [6, 5]
        await engine.close()
        await engine.close()
        with pytest.raises(SearchFailedError, match="not running"):
            await engine.generate([5])


class Compiled:
    """A small model with weights by chance, compiled."""

    def __init__(self, config: ModelConfig, *, ends: bool) -> None:
        torch.manual_seed(0)
        model = Seq2Seq(config).eval()
        if not ends:  # every reply is as long as it may be
            model.output.bias.data[EOS_ID] = -1e4
        self._searcher = load_searcher(compile_searcher(GreedySearcher(model)), "cpu")

    def search(
        self, source_ids: Sources, max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        return search_batch(self._searcher, source_ids, max_length, "cpu")


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return Compiled(ModelConfig(40, 16, 16, 1, 1), ends=True)


SOURCES = st.lists(st.integers(3, 39), min_size=1, max_size=40)
# For each request: the turns of the event loop before it, whose it is, and its source.
REQUESTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), SOURCES), max_size=20)


@given(requests=REQUESTS, workers=st.integers(1, 2), max_batch_size=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_a_reply_is_that_of_its_source_alone_whatever_batch_it_came_in(
    compiled: Compiled,
    requests: list[tuple[int, int, list[int]]],
    workers: int,
    max_batch_size: int,
) -> None:
    async def replies() -> list[list[int]]:
        tasks = []
        async with make_engine(
            compiled, workers=workers, max_batch_size=max_batch_size, max_reply_tokens=10
        ) as engine:
            for turns, user, source in requests:
                for _ in range(turns):
                    await asyncio.sleep(0)
                tasks.append(asyncio.create_task(engine.generate(source, user=user)))
            return await asyncio.gather(*tasks)

    alone = [compiled.search([source], 10, GREEDY)[0] for _, _, source in requests]
    assert asyncio.run(replies()) == alone


async def test_the_event_loop_keeps_ticking_while_fifty_replies_are_computed() -> None:
    """Tens of thousands of ticks; searches on the loop would leave it one tick a batch."""
    compiled = Compiled(ModelConfig(2000, 256, 256, 1, 2), ends=False)
    async with make_engine(compiled, workers=2, queue_limit=50) as engine:
        replies = asyncio.gather(*(engine.generate([i] * 20) for i in range(5, 55)))
        ticks = 0
        while not replies.done():
            await asyncio.sleep(0)
            ticks += 1

    assert {len(reply) for reply in await replies} == {40}
    assert ticks > 4000
