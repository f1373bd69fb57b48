"""Searches side by side: the tutorial's, eager, ONNX Runtime's and ours, on the same weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from statistics import mean
from typing import Any

import torch

from bot.artifact.artifact import search_batch
from bot.bench import onnx
from bot.bench.floor import LARGE_BYTES, Bandwidth, BandwidthProbe, streamed_bytes, weight_bytes
from bot.bench.models import MAX_STEPS, NO_ID, BenchModel, steps_of
from bot.bench.timing import Seconds, Timing, take_turns
from bot.bench.tutorial_search import TutorialSearcher
from bot.errors import MissingPackageError
from bot.text.tokenizer import EOS_ID

TUTORIAL, EAGER, ONNX, ONNX_BY_HAND, FP32, INT8 = (
    "tutorial, scripted",
    "eager",
    "ONNX Runtime int8",
    "the same by hand",
    "ours fp32",
    "ours int8",
)
TEN_STEPS, REAL_PROMPTS = "10 steps", "real prompts"
WARM_UP_CALLS = 3  # TorchScript profiles, optimises, and runs fast from the third call on

Search = Callable[[list[int]], object]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    :param rounds: of each row at batch 1 and exactly ten steps
    :param calls: in each of those rounds
    :param prompt_rounds: how often each real prompt is answered, and each batch
    :param load_s: of requests at each rate, in seconds
    :param rates: messages a second that the engine is offered
    :param large_bytes: of the buffer that no cache should hold
    """

    rounds: int = 20
    calls: int = 5
    prompt_rounds: int = 3
    load_s: float = 5.0
    large_bytes: int = LARGE_BYTES
    rates: tuple[int, ...] = (10, 50, 100, 200)


@dataclass(frozen=True)
class SearchRow:
    """A searcher at batch 1.

    :param measure: ``TEN_STEPS``, all writing exactly ten tokens to one prompt, or
        ``REAL_PROMPTS``, all but the tutorial's stopping at ``EOS``
    :param times_tutorial: how many times as fast as the tutorial's, by ``Timing.mean_ms``
    :param times_memory_floor: how many times as long as its weights take to come from memory; on
        one thread only
    :param times_cache_floor: the same from a cache that holds them
    """

    measure: str
    threads: int
    searcher: str
    timing: Timing
    times_tutorial: float
    times_memory_floor: float | None
    times_cache_floor: float | None


@dataclass(frozen=True)
class BatchRow:
    """A searcher on batches of real prompts, stopping at ``EOS``.

    :param replies_per_second: by the mean of each batch's median time
    :param times_tutorial: how many times those of the tutorial's searcher, one at a time
    """

    batch_size: int
    threads: int
    searcher: str
    replies_per_second: float
    times_tutorial: float


@dataclass(frozen=True)
class Searches:
    """All measurements of the searchers of one model.

    :param memory_floor_ms, cache_floor_ms: the least time for the prompt of ``TEN_STEPS``
    :param streamed_mb: what that search must read, ``weights_mb`` all int8 weights together
    :param source_tokens: of the prompt of ``TEN_STEPS``
    :param mean_steps: of the real prompts' replies, ``EOS`` included; ``int8_mean_steps`` of int8,
        whose replies are not always the same
    :param notes: what was left out, and why
    """

    memory_floor_ms: float
    cache_floor_ms: float
    streamed_mb: float
    weights_mb: float
    bandwidth: Bandwidth
    source_tokens: int
    mean_steps: float
    int8_mean_steps: float | None
    rows: list[SearchRow]
    batches: list[BatchRow]
    notes: list[str]


def measure_searches(
    model: BenchModel,
    effort: Effort,
    thread_counts: Sequence[int] = (1, 2),
    batch_sizes: Sequence[int] = (8, 32, 64),
    on_progress: Callable[[str], None] = lambda what: None,
) -> Searches:
    """Measure every row; torch's number of threads is left at the last of ``thread_counts``.

    :param thread_counts: beginning with 1, where the bandwidth is measured too
    :param on_progress: called with what is measured next
    """
    notes = [] if model.int8 is not None else ["ours int8: this model has no int8 searcher."]
    try:
        onnx.require()
    except MissingPackageError as error:
        notes.append(f"{ONNX} is skipped: {error}")
    tutorial = TutorialSearcher(model.eager)
    source = typical_source(model.sources)
    rows: list[SearchRow] = []
    batches: list[BatchRow] = []
    steps = steps_of(model.fp32, model.sources)
    bandwidth = None
    for threads in thread_counts:
        torch.set_num_threads(threads)
        on_progress(f"{TEN_STEPS}, threads: {threads}")
        probe = None
        if bandwidth is None:
            probe = BandwidthProbe(weight_bytes(model.config), effort.large_bytes)
        with model.writing_on():
            searches = _searches(model, tutorial, threads, NO_ID)
            subjects = {name: _always(search, source) for name, search in searches.items()}
            if probe is not None:
                subjects |= probe.subjects
            seconds = _measured(
                subjects, items=effort.calls, rounds=effort.rounds, turn=effort.calls
            )
        if probe is not None:
            bandwidth = probe.bandwidth(seconds)
        assert bandwidth is not None  # from the first of thread_counts on
        size = streamed_bytes(model.config, len(source), MAX_STEPS)
        rows += _rows(TEN_STEPS, threads, searches, seconds, bandwidth, size)

        on_progress(f"{REAL_PROMPTS}, threads: {threads}")
        searches = _searches(model, tutorial, threads, EOS_ID)
        seconds = _measured(
            {name: _each(search, model.sources) for name, search in searches.items()},
            items=len(model.sources),
            rounds=effort.prompt_rounds,
            turn=10,
        )
        mean_size = mean(
            streamed_bytes(model.config, len(ids), count)
            for ids, count in zip(model.sources, steps, strict=True)
        )
        rows += _rows(REAL_PROMPTS, threads, searches, seconds, bandwidth, mean_size)

        one_at_a_time = 1e3 / Timing.of(seconds[TUTORIAL]).mean_ms
        for batch_size in batch_sizes:
            on_progress(f"batches of {batch_size}, threads: {threads}")
            batches += _batches(model, effort, threads, batch_size, one_at_a_time)
    assert bandwidth is not None  # thread_counts is not empty
    size = streamed_bytes(model.config, len(source), MAX_STEPS)
    return Searches(
        memory_floor_ms=bandwidth.memory_floor_ms(size),
        cache_floor_ms=bandwidth.cache_floor_ms(size),
        streamed_mb=size / 1e6,
        weights_mb=weight_bytes(model.config) / 1e6,
        bandwidth=bandwidth,
        source_tokens=len(source),
        mean_steps=mean(steps),
        int8_mean_steps=None if model.int8 is None else mean(steps_of(model.int8, model.sources)),
        rows=rows,
        batches=batches,
        notes=notes,
    )


def typical_source(sources: Sequence[list[int]]) -> list[int]:
    """The first source of median length."""
    length = sorted(map(len, sources))[len(sources) // 2]
    return next(ids for ids in sources if len(ids) == length)


def _searches(
    model: BenchModel, tutorial: TutorialSearcher, threads: int, eos_id: int
) -> dict[str, Search]:
    """A function of one source each; the tutorial's first."""
    searches: dict[str, Search] = {TUTORIAL: lambda ids: tutorial.search(ids, MAX_STEPS)}
    searches[EAGER] = _single(model.eager)
    if onnx.is_installed():
        for name, by_tool in ((ONNX, True), (ONNX_BY_HAND, False)):
            rival = onnx.OnnxSearcher(model.eager, threads, eos_id, by_tool=by_tool)
            searches[name] = partial(rival.search, max_length=MAX_STEPS)
    return searches | {name: _single(searcher) for name, searcher in _ours(model).items()}


def _ours(model: BenchModel) -> dict[str, Any]:
    ours = {FP32: model.fp32, INT8: model.int8}
    return {name: searcher for name, searcher in ours.items() if searcher is not None}


def _single(searcher: Any) -> Search:
    return lambda ids: search_batch(searcher, [ids], MAX_STEPS, "cpu")


def _batched(searcher: Any, batches: Sequence[list[list[int]]]) -> Callable[[int], object]:
    return lambda i: search_batch(searcher, batches[i], MAX_STEPS, "cpu")


def _always(search: Search, source: list[int]) -> Callable[[int], object]:
    return lambda _: search(source)


def _each(search: Search, sources: Sequence[list[int]]) -> Callable[[int], object]:
    return lambda i: search(sources[i])


def _measured(
    subjects: dict[str, Callable[[int], object]], *, items: int, rounds: int, turn: int
) -> dict[str, Seconds]:
    for subject in subjects.values():
        for call in range(WARM_UP_CALLS):
            subject(call % items)
    return take_turns(subjects, items=items, rounds=rounds, turn=turn)


def _rows(
    measure: str,
    threads: int,
    searches: dict[str, Search],
    seconds: dict[str, Seconds],
    bandwidth: Bandwidth,
    size: float,
) -> list[SearchRow]:
    timings = {name: Timing.of(seconds[name]) for name in searches}
    floors = bandwidth.memory_floor_ms(size), bandwidth.cache_floor_ms(size)
    return [
        SearchRow(
            measure,
            threads,
            name,
            timing,
            timings[TUTORIAL].mean_ms / timing.mean_ms,
            *(timing.mean_ms / floor if threads == 1 else None for floor in floors),
        )
        for name, timing in timings.items()
    ]


def _batches(
    model: BenchModel, effort: Effort, threads: int, batch_size: int, one_at_a_time: float
) -> list[BatchRow]:
    """Enough whole batches for every prompt, the first ones again where the last is not full."""
    count = -(-len(model.sources) // batch_size)
    sources = list(islice(cycle(model.sources), count * batch_size))
    batches = [sources[i : i + batch_size] for i in range(0, len(sources), batch_size)]
    subjects = {name: _batched(searcher, batches) for name, searcher in _ours(model).items()}
    seconds = _measured(subjects, items=count, rounds=effort.prompt_rounds, turn=2)
    rates = {name: batch_size * 1e3 / Timing.of(seconds[name]).mean_ms for name in subjects}
    return [
        BatchRow(batch_size, threads, name, rate, rate / one_at_a_time)
        for name, rate in rates.items()
    ]
