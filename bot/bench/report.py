"""A benchmark as tables for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.bench.benchmark import Benchmark, Machine, ModelBench, Target
from bot.bench.floor import LARGE_BYTES
from bot.bench.load import Load
from bot.bench.searches import Searches


def render(benchmark: Benchmark) -> RenderableType:
    """Everything, at most 100 columns wide."""
    parts: list[RenderableType] = [Text(machine_line(benchmark.machine))]
    for model in benchmark.models:
        parts += ["", *_model(model)]
    return Group(*parts)


def machine_line(machine: Machine) -> str:
    """The machine that was measured, in a line."""
    gpu = f", {machine.gpu}" if machine.gpu else ""
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.capability}{gpu}, {machine.system},"
        f" torch {machine.torch_version}"
    )


def _model(model: ModelBench) -> Iterator[RenderableType]:
    sizes = model.sizes
    yield Text(
        f"{model.model}: hidden {sizes['hidden_size']}, embedding {sizes['embedding_size']},"
        f" {sizes['encoder_layers']}+{sizes['decoder_layers']} layers, {sizes['attention']}"
        f" attention, vocabulary {sizes['vocabulary_size']:,}",
        style="bold",
    )
    yield from (Text(note) for note in model.searches.notes)
    yield from _searches(model.searches)
    yield from _load(model.load)
    if model.gpu is not None:
        yield Text(
            f"\non the GPU: {model.gpu.ours:,.0f} replies a second, the tutorial's"
            f" {model.gpu.tutorial:,.0f}: {model.gpu.times_tutorial:.1f} times"
        )
    yield _targets(model.targets)


def _searches(searches: Searches) -> Iterator[RenderableType]:
    bandwidth = searches.bandwidth
    steps = searches.int8_mean_steps
    int8 = "" if steps is None else f" ({steps:.1f} in int8)"
    yield Text(
        f"\n10 steps: a prompt of {searches.source_tokens} tokens, every searcher writes 10;"
        f" real prompts: {searches.mean_steps:.1f} steps on average{int8}, the tutorial's 10. Ten"
        f" steps read {searches.streamed_mb:.1f} MB of int8 weights. A matrix-vector product reads"
        f" {bandwidth.memory:.1f} GB/s from memory (over {LARGE_BYTES / 2**20:.0f} MiB) in one"
        f" thread, so that the memory floor is {searches.memory_floor_ms:.2f} ms; all weights,"
        f" {searches.weights_mb:.1f} MB, may fit a cache, from which it reads"
        f" {bandwidth.cache:.1f} GB/s: a floor of {searches.cache_floor_ms:.2f} ms (reading alone:"
        f" {bandwidth.read:.1f} GB/s)."
    )
    table = Table("batch 1", "threads", "searcher", box=None, title_justify="left")
    for heading in ("median ms", "p95", "mean", "x tutorial", "x memory", "x cache"):
        table.add_column(heading, justify="right")
    last = None
    for row in searches.rows:
        key = (row.measure, str(row.threads))
        table.add_row(
            *(key if key != last else ("", "")),
            row.searcher,
            f"{row.timing.median_ms:.2f}",
            f"{row.timing.p95_ms:.2f}",
            f"{row.timing.mean_ms:.2f}",
            f"{row.times_tutorial:.2f}",
            *(
                "" if times is None else f"{times:.2f}"
                for times in (row.times_memory_floor, row.times_cache_floor)
            ),
        )
        last = key
    yield table
    yield ""
    table = Table("batch of", "threads", "searcher", box=None)
    for heading in ("replies/s", "x tutorial, one at a time"):
        table.add_column(heading, justify="right")
    for batch in searches.batches:
        table.add_row(
            str(batch.batch_size),
            str(batch.threads),
            batch.searcher,
            f"{batch.replies_per_second:,.0f}",
            f"{batch.times_tutorial:.1f}",
        )
    yield table


def _load(load: Load) -> Iterator[RenderableType]:
    yield Text(
        f"\nengine, {load.precision}: workers: {load.workers}, threads each:"
        f" {load.threads_per_worker}, queue: {load.queue_limit}, batch: {load.max_batch_size} at"
        f" most.\nOne request at a time: {load.single.median_ms:.2f} ms, p95"
        f" {load.single.p95_ms:.2f} ms."
    )
    table = Table(box=None)
    headings = ("messages/s", "sent", "answered", "busy", "expired", "answered/s")
    for heading in (*headings, "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for row in load.rows:
        latencies = (row.p50_ms, row.p95_ms, row.p99_ms)
        table.add_row(
            f"{row.rate:g}",
            *(str(count) for count in (row.sent, row.answered, row.busy, row.expired)),
            f"{row.throughput:.1f}",
            *("-" if value is None else f"{value:.1f}" for value in latencies),
        )
    yield table


def _targets(targets: list[Target]) -> RenderableType:
    table = Table("target", box=None)
    for heading in ("", "measured", ""):
        table.add_column(heading, justify="right")
    verdicts = {True: "met", False: "not met", None: "not measured"}
    for target in targets:
        table.add_row(
            target.measure,
            f"{'>=' if target.at_least else '<='} {target.limit:g}",
            "" if target.measured is None else f"{target.measured:.2f}",
            verdicts[target.met],
        )
    return Group("", table)
