"""``python -m bot bench``: every measurement of a model, and what it should be."""

import asyncio
import copy
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import bot
from bot.bench import gpu
from bot.bench.load import Load, measure_engine
from bot.bench.models import MAX_STEPS, BenchModel
from bot.bench.searches import (
    INT8,
    ONNX,
    REAL_PROMPTS,
    TEN_STEPS,
    Effort,
    Searches,
    SearchRow,
    measure_searches,
)
from bot.errors import UsageError
from bot.settings import Settings, usable_cores

CPU_FILE = Path("/proc/cpuinfo")
FLIGHT = 32  # replies at once of the target for batches
TARGET_RATE = 50  # messages a second of the target for latency

TEN = "10 steps, times as fast as the tutorial's"
FLOOR = "10 steps, times the int8 memory floor"
REAL = "real prompts, times as fast as the tutorial's"
BATCHED = f"{FLIGHT} at once, times the tutorial's replies/s"
RIVAL = f"10 steps, times as fast as {ONNX}"
LATENCY = f"p95 at {TARGET_RATE} messages/s, times the latency of a single one"
GPU = f"GPU: {gpu.FLIGHT} at once, times the tutorial's replies/s there"
AT_LEAST, AT_MOST = True, False
# Ours in int8 on one thread, the engine, and ours in half precision on a GPU.
TARGETS = {
    TEN: (AT_LEAST, 4.0),
    FLOOR: (AT_MOST, 1.5),
    REAL: (AT_LEAST, 7.0),
    BATCHED: (AT_LEAST, 30.0),
    RIVAL: (AT_LEAST, 2.0),
    LATENCY: (AT_MOST, 5.0),
    GPU: (AT_LEAST, 20.0),
}

OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """The machine that was measured. Times of two machines cannot be compared, ratios hardly.

    :param cores: that this process may use
    :param capability: the vector instructions that torch uses
    """

    cpu: str
    cores: int
    capability: str
    system: str
    torch_version: str
    python_version: str
    gpu: str | None

    @classmethod
    def here(cls) -> "Machine":
        """The machine that this process runs on."""
        return cls(
            cpu=_cpu(),
            cores=usable_cores(),
            capability=torch.backends.cpu.get_cpu_capability(),
            system=f"{platform.system()} {platform.machine()}",
            torch_version=torch.__version__,
            python_version=platform.python_version(),
            gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        )


def _cpu() -> str:
    try:
        lines = CPU_FILE.read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


@dataclass(frozen=True)
class Target:
    """A ratio within one run, and what it should be.

    :param limit: at least this where ``at_least``, else at most
    :param measured: the ratio; ``None`` if one of its two sides was not measured
    """

    measure: str
    at_least: bool
    limit: float
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the ratio keeps the limit; ``None`` if it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class ModelBench:
    """All measurements of one model.

    :param sizes: of the model, as ``ModelConfig`` names them
    :param gpu: on a CUDA device, if there is one and it was asked for
    """

    model: str
    sizes: dict[str, Any]
    searches: Searches
    load: Load
    gpu: gpu.GpuSearches | None

    @property
    def targets(self) -> list[Target]:
        """What the int8 searcher and the engine should reach on two cores."""
        ten, real = self._row(TEN_STEPS, INT8), self._row(REAL_PROMPTS, INT8)
        batched = [
            row.times_tutorial
            for row in self.searches.batches
            if (row.batch_size, row.threads, row.searcher) == (FLIGHT, 1, INT8)
        ]
        latencies = [row.p95_ms for row in self.load.rows if row.rate == TARGET_RATE]
        measured: dict[str, float | None] = dict.fromkeys(TARGETS)
        if ten is not None:
            measured[TEN] = ten.times_tutorial
            measured[FLOOR] = ten.times_memory_floor
        if real is not None:
            measured[REAL] = real.times_tutorial
        if batched:
            measured[BATCHED] = batched[0]
        rival = self._row(TEN_STEPS, ONNX)
        if ten is not None and rival is not None:
            measured[RIVAL] = rival.timing.mean_ms / ten.timing.mean_ms
        if latencies and latencies[0] is not None:
            measured[LATENCY] = latencies[0] / self.load.single.median_ms
        if self.gpu is not None:
            measured[GPU] = self.gpu.times_tutorial
        return [Target(name, *limit, measured[name]) for name, limit in TARGETS.items()]

    def _row(self, measure: str, searcher: str) -> SearchRow | None:
        """That searcher's row on one thread, if there is one."""
        wanted = (measure, 1, searcher)
        rows = (r for r in self.searches.rows if (r.measure, r.threads, r.searcher) == wanted)
        return next(rows, None)


@dataclass(frozen=True)
class Benchmark:
    """A run of the command."""

    machine: Machine
    causerie_version: str
    models: list[ModelBench]

    def as_dict(self) -> dict[str, Any]:
        """Every number, as JSON has it."""
        values = asdict(self)
        for entry, model in zip(values["models"], self.models, strict=True):
            entry["targets"] = [{**asdict(target), "met": target.met} for target in model.targets]
        return values


def benchmark(
    models: list[BenchModel],
    settings: Settings,
    *,
    precision: str,
    device: str,
    effort: Effort,
    on_progress: OnProgress = lambda what: None,
) -> Benchmark:
    """Measure models one after the other.

    :param precision: of the searcher behind the engine: ``auto``, ``fp32``, ``int8`` or ``half``
    :param device: ``cpu``, or ``cuda`` to measure there too
    :raises UsageError: if a model cannot be had in that precision
    """
    for model in models:
        served(model, precision)  # refused before anything is measured
    return Benchmark(
        Machine.here(),
        bot.__version__,
        [
            measure_model(
                model,
                settings,
                precision=precision,
                device=device,
                effort=effort,
                on_progress=on_progress,
            )
            for model in models
        ],
    )


def measure_model(
    model: BenchModel,
    settings: Settings,
    *,
    precision: str,
    device: str,
    effort: Effort,
    on_progress: OnProgress = lambda what: None,
) -> ModelBench:
    """Measure one model; the parameters are those of ``benchmark``."""

    def progress(what: str) -> None:
        on_progress(f"{model.name}: {what}")

    threads = torch.get_num_threads()
    try:
        searches = measure_searches(model, effort, on_progress=progress)
    finally:
        torch.set_num_threads(threads)
    chosen, searcher = served(model, precision)
    load = asyncio.run(
        measure_engine(
            searcher,
            model.sources,
            settings.model_copy(update={"max_reply_tokens": MAX_STEPS}),
            precision=chosen,
            rates=effort.rates,
            seconds=effort.load_s,
            on_progress=progress,
        )
    )
    on_gpu = gpu.measure_gpu(model, effort.prompt_rounds) if device == "cuda" else None
    return ModelBench(model.name, asdict(model.config), searches, load, on_gpu)


def served(model: BenchModel, precision: str) -> tuple[str, Any]:
    """The searcher behind the engine on the CPU, and its precision; ``auto`` is int8, else fp32.

    :raises UsageError: if the model has no int8 searcher and that is asked for
    """
    if precision == "auto":
        precision = "fp32" if model.int8 is None else "int8"
    if precision == "half":
        return precision, copy.deepcopy(model.fp32).half()
    searcher = model.fp32 if precision == "fp32" else model.int8
    if searcher is None:
        raise UsageError(f"{model.name} has no searcher in int8; use --precision auto or fp32.")
    return precision, searcher
