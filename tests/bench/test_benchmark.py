import io
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from bot.bench import benchmark as module
from bot.bench import onnx
from bot.bench.benchmark import Benchmark, Target, benchmark
from bot.bench.models import BenchModel
from bot.bench.report import render
from bot.bench.searches import (
    EAGER,
    FP32,
    INT8,
    ONNX,
    ONNX_BY_HAND,
    REAL_PROMPTS,
    TEN_STEPS,
    TUTORIAL,
    Effort,
)
from bot.errors import UsageError
from bot.settings import Settings

TINY = Effort(rounds=1, calls=1, prompt_rounds=1, load_s=0.1, rates=(50, 100), large_bytes=10**6)
SETTINGS = Settings(workers=1, _env_file=None)


def measured(model: BenchModel, precision: str = "auto") -> Benchmark:
    return benchmark([model], SETTINGS, precision=precision, device="cpu", effort=TINY)


@pytest.fixture(scope="module")
def small_benchmark(small_model: BenchModel) -> Benchmark:
    return measured(small_model)


def test_every_searcher_is_measured_in_every_way_and_the_engine_at_every_rate(
    small_benchmark: Benchmark,
) -> None:
    values = json.loads(json.dumps(small_benchmark.as_dict(), allow_nan=False))
    (model,) = values["models"]
    rows = {
        (row["measure"], row["threads"], row["searcher"]): row for row in model["searches"]["rows"]
    }
    searchers = (TUTORIAL, EAGER, ONNX, ONNX_BY_HAND, FP32, INT8)
    assert set(rows) == {
        (measure, threads, searcher)
        for measure in (TEN_STEPS, REAL_PROMPTS)
        for threads in (1, 2)
        for searcher in searchers
    }
    assert all(row["timing"]["median_ms"] > 0 for row in rows.values())
    for floor in ("times_memory_floor", "times_cache_floor"):
        assert all((row[floor] is None) == (row["threads"] == 2) for row in rows.values())
    assert rows[TEN_STEPS, 1, TUTORIAL]["times_tutorial"] == 1.0
    batches = {(b["batch_size"], b["threads"], b["searcher"]) for b in model["searches"]["batches"]}
    assert batches == {(s, t, n) for s in (8, 32, 64) for t in (1, 2) for n in (FP32, INT8)}
    assert [row["rate"] for row in model["load"]["rows"]] == [50, 100]
    assert model["load"]["precision"] == "int8"
    assert values["machine"]["torch_version"] == torch.__version__
    assert model["searches"]["notes"] == []


def test_each_target_is_judged_or_said_not_to_have_been_measured(
    small_benchmark: Benchmark,
) -> None:
    targets = small_benchmark.models[0].targets
    assert len(targets) == 7
    assert [target.measured is None for target in targets] == [False] * 6 + [True]
    assert Target("fast", True, 4.0, 4.0).met
    assert not Target("fast", True, 4.0, 3.9).met
    assert Target("low", False, 1.5, 1.5).met
    assert not Target("low", False, 1.5, 1.6).met
    assert Target("unknown", True, 1.0, None).met is None


def test_the_ratios_are_those_of_the_rows(small_benchmark: Benchmark) -> None:
    (model,) = small_benchmark.models
    rows = {(row.measure, row.threads, row.searcher): row for row in model.searches.rows}
    ours, rival = rows[TEN_STEPS, 1, INT8], rows[TEN_STEPS, 1, ONNX]
    tutorial = rows[TEN_STEPS, 1, TUTORIAL]
    targets = {target.measure: target.measured for target in model.targets}
    assert targets[module.TEN] == tutorial.timing.mean_ms / ours.timing.mean_ms
    assert targets[module.FLOOR] == ours.timing.mean_ms / model.searches.memory_floor_ms
    assert targets[module.RIVAL] == rival.timing.mean_ms / ours.timing.mean_ms
    p95 = model.load.rows[0].p95_ms
    assert p95 is not None
    assert targets[module.LATENCY] == p95 / model.load.single.median_ms


def test_the_tables_fit_a_hundred_columns(small_benchmark: Benchmark) -> None:
    console = Console(file=io.StringIO(), width=100, markup=False)
    console.print(render(small_benchmark))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    for name in (TUTORIAL, EAGER, ONNX, ONNX_BY_HAND, FP32, INT8, *module.TARGETS):
        assert name in text


def test_without_onnx_runtime_its_rows_are_missing_and_a_line_says_how_to_install_it(
    small_model: BenchModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "PACKAGES", ("onnx", "no_onnxruntime_here"))
    (model,) = measured(small_model).models
    (note,) = model.searches.notes
    assert note.startswith(f"{ONNX} is skipped: no_onnxruntime_here is not installed;")
    assert "pip install" in note
    assert not {ONNX, ONNX_BY_HAND} & {row.searcher for row in model.searches.rows}
    rival = next(target for target in model.targets if target.measure == module.RIVAL)
    assert rival.met is None


def test_a_model_without_int8_is_measured_all_the_same(small_model: BenchModel) -> None:
    (model,) = measured(replace(small_model, int8=None)).models
    assert model.load.precision == "fp32"
    assert INT8 not in {row.searcher for row in model.searches.rows}
    assert "int8" in model.searches.notes[0]


def test_a_precision_that_there_is_not_is_refused_before_anything_is_measured(
    small_model: BenchModel,
) -> None:
    with pytest.raises(UsageError, match="int8"):
        measured(replace(small_model, int8=None), "int8")


def test_the_engine_is_measured_in_the_precision_that_is_asked_for(
    small_model: BenchModel,
) -> None:
    precision, searcher = module.served(small_model, "half")
    assert precision == "half"
    assert {weight.dtype for weight in searcher.parameters()} == {torch.float16}
    assert {weight.dtype for weight in small_model.fp32.parameters()} == {torch.float32}
    assert measured(small_model, "half").models[0].load.precision == "half"


def test_measuring_leaves_the_number_of_threads_as_it_was(small_benchmark: Benchmark) -> None:
    assert torch.get_num_threads() == 1
