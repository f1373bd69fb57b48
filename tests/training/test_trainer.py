"""Training, stopping and resuming."""

import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_runs import small_run, trainer_of

from bot.errors import CheckpointError, DivergenceError, UsageError
from bot.publishing.export import TrainedRun
from bot.training import checkpoint
from bot.training.held_out import held_out_loss
from bot.training.progress import Progress
from bot.training.run import RunConfig, read_splits
from bot.training.trainer import Trainer
from bot.training.training_config import TrainingConfig


def test_a_run_learns_what_the_corpus_says(trained_run: Path) -> None:
    trainer = trainer_of(trained_run)
    trainer.resume()
    assert held_out_loss(trainer.model, trainer.splits["test"]).perplexity < 1.5


def test_a_stopped_and_resumed_run_ends_like_an_uninterrupted_one(
    corpus: Path, tmp_path: Path
) -> None:
    small_run(tmp_path / "whole", corpus, steps=60)
    small_run(tmp_path / "parts", corpus, steps=60)
    whole = trainer_of(tmp_path / "whole")
    whole.train(lambda progress: None, lambda: False)

    first = trainer_of(tmp_path / "parts")
    assert not first.train(lambda progress: None, lambda: first.step == 37)
    torch.manual_seed(99)  # another process has another random state
    second = trainer_of(tmp_path / "parts")
    second.resume()
    assert second.step == 37
    assert second.train(lambda progress: None, lambda: False)

    for name, expected in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], expected), name


def changed(run: Path, **changes: Any) -> Trainer:
    """A trainer for a prepared run, with other settings."""
    config = RunConfig.read(run)
    replace(config, training=replace(config.training, **changes)).write(run)
    return trainer_of(run)


def test_training_that_stops_gaining_ends_early_and_keeps_the_best_weights(
    corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=1000)
    # So high a rate that the loss soon rises.
    trainer = changed(run, patience=2, evaluate_every=4, learning_rate=0.3, warmup_steps=0)
    assert trainer.train(lambda progress: None, lambda: False)
    losses = [
        json.loads(line)["valid_nats_per_token"]
        for line in (run / checkpoint.LOG_FILE).read_text().splitlines()
    ]
    assert trainer.step < 1000
    assert (
        trainer.early_stopping.best_step == 4 * (losses.index(min(losses)) + 1) == trainer.step - 8
    )
    exported = TrainedRun.read(run).searcher.model
    assert held_out_loss(exported, trainer.splits["valid"]).nats_per_token == pytest.approx(
        min(losses), rel=1e-3
    )
    resumed = trainer_of(run)
    resumed.resume()
    assert resumed.early_stopping.is_due
    assert resumed.early_stopping.best_step == trainer.early_stopping.best_step


def test_a_run_that_is_fine_tuned_passes_on_its_best_weights(
    trained_run: Path, corpus: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(trained_run, base)
    state = checkpoint.load(base / checkpoint.CHECKPOINT_FILE)
    best = {name: weight + 1 for name, weight in state["model"].items()}
    state["best"]["model"] = best
    checkpoint.save_atomically(state, base / checkpoint.CHECKPOINT_FILE)
    small_run(tmp_path / "run", corpus, steps=1, base=str(base))
    tuned = trainer_of(tmp_path / "run")
    tuned.resume()
    assert torch.equal(tuned.model.output.weight, best["output.weight"])


def test_training_that_diverges_is_an_error_and_keeps_the_last_checkpoint(
    corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=60)
    sane = trainer_of(run)
    sane.train(lambda progress: None, lambda: sane.step == 3)
    before = (run / checkpoint.CHECKPOINT_FILE).read_bytes()
    trainer = changed(run, learning_rate=1e30, warmup_steps=0, clip=1e30)
    trainer.resume()
    with pytest.raises(
        DivergenceError, match=r"^The loss .* lower --learning-rate.*checkpoint\.pt is kept"
    ):
        trainer.train(lambda progress: None, lambda: False)
    assert (run / checkpoint.CHECKPOINT_FILE).read_bytes() == before


def test_a_last_step_that_diverges_is_neither_saved_nor_logged(
    corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=1)
    trainer = changed(run, learning_rate=1e30, warmup_steps=0, clip=1e30)
    with pytest.raises(DivergenceError, match="held-out loss"):
        trainer.train(lambda progress: None, lambda: False)
    assert not (run / checkpoint.CHECKPOINT_FILE).exists()
    assert not (run / checkpoint.LOG_FILE).exists()


def test_weights_that_are_not_finite_are_not_saved(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=1)
    trainer = trainer_of(run)
    with torch.no_grad():
        trainer.model.embedding.weight[7, 0] = torch.nan
    with pytest.raises(DivergenceError, match="weight"):
        trainer.save()
    assert not (run / checkpoint.CHECKPOINT_FILE).exists()


def test_own_tokens_are_fed_in_as_many_batches_as_were_asked_for() -> None:
    forced = [TrainingConfig(teacher_forcing=0.3).forces_at(step) for step in range(2000)]
    assert 0.27 < sum(forced) / 2000 < 0.33
    assert all(TrainingConfig().forces_at(step) for step in range(100))
    assert not any(TrainingConfig(teacher_forcing=0.0).forces_at(step) for step in range(100))


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher_forcing": 0.5},
        {"loss": "steps", "decoder_learning_ratio": 5.0, "clip": 50.0, "learning_rate": 1e-3},
        {"precision": "bf16"},
        {"precision": "fp16"},
    ],
    ids=str,
)
def test_the_other_ways_to_train_learn_and_resume_too(
    corpus: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    small_run(tmp_path / "whole", corpus, steps=40)
    small_run(tmp_path / "parts", corpus, steps=40)
    whole = changed(tmp_path / "whole", **changes)
    before = held_out_loss(whole.model, whole.splits["valid"]).nats_per_token
    whole.train(lambda progress: None, lambda: False)
    assert held_out_loss(whole.model, whole.splits["valid"]).nats_per_token < before - 1
    first = changed(tmp_path / "parts", **changes)
    first.train(lambda progress: None, lambda: first.step == 17)
    second = trainer_of(tmp_path / "parts")
    second.resume()
    second.train(lambda progress: None, lambda: False)
    for name, expected in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], expected), name


def test_settings_of_the_first_version_are_read() -> None:
    assert TrainingConfig.read({"steps": 5, "bf16": True}).precision == "bf16"
    assert TrainingConfig.read({"steps": 5, "bf16": False}) == TrainingConfig(steps=5)


def test_a_checkpoint_of_the_first_version_is_resumed(corpus: Path, tmp_path: Path) -> None:
    small_run(tmp_path / "run", corpus, steps=20)
    trainer_of(tmp_path / "run").train(lambda progress: None, lambda: False)
    path = tmp_path / "run" / checkpoint.CHECKPOINT_FILE
    state = checkpoint.load(path)
    for name in ("scaler", "best", "evaluations_since_best"):
        del state[name]
    checkpoint.save_atomically({**state, "random": state["random"][0].clone()}, path)
    trainer = trainer_of(tmp_path / "run")
    trainer.resume()
    assert trainer.step == 20
    assert TrainedRun.read(tmp_path / "run").steps == 20


def test_what_was_logged_after_the_checkpoint_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / checkpoint.LOG_FILE
    checkpoint.append_log(path, {"step": 10})
    checkpoint.append_log(path, {"step": 20})
    with path.open("a") as log:
        log.write('[1]\n{"minutes": 1}\n{"step": "x"}\n')  # no lines of ours
        log.write('{"step": 3')  # the power failed here
    checkpoint.cut_log(path, 10)
    assert path.read_text() == '{"step": 10}\n'


def test_evaluations_are_logged(trained_run: Path) -> None:
    lines = (trained_run / checkpoint.LOG_FILE).read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [50, 100, 150, 200]
    perplexities = [json.loads(line)["valid_perplexity"] for line in lines]
    assert perplexities[-1] < perplexities[0]


def test_a_run_folder_is_not_overwritten(trained_run: Path, corpus: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        small_run(trained_run, corpus, steps=1)


def test_resuming_before_the_first_checkpoint_starts_at_the_beginning(
    corpus: Path, tmp_path: Path
) -> None:
    small_run(tmp_path / "run", corpus, steps=1)
    trainer = trainer_of(tmp_path / "run")
    trainer.resume()
    assert trainer.step == 0


def test_a_fine_tuned_run_starts_where_its_base_ended(
    trained_run: Path, corpus: Path, tmp_path: Path
) -> None:
    base = trainer_of(trained_run)
    base.resume()
    small_run(tmp_path / "run", corpus, steps=1, base=str(trained_run))
    tuned = trainer_of(tmp_path / "run")
    tuned.resume()
    assert tuned.step == 0
    assert torch.equal(tuned.model.embedding.weight, base.model.embedding.weight)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_is_an_error(corpus: Path, tmp_path: Path, content: bytes) -> None:
    small_run(tmp_path / "run", corpus, steps=1)
    (tmp_path / "run" / checkpoint.CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        trainer_of(tmp_path / "run").resume()


@pytest.mark.parametrize("state", [{"train": 1}, {}, {"train": {"sources": 1}}], ids=str)
def test_damaged_data_is_an_error(tmp_path: Path, state: dict[str, Any]) -> None:
    checkpoint.save_atomically(state, tmp_path / checkpoint.DATA_FILE)
    with pytest.raises(CheckpointError, match=r"data\.pt"):
        read_splits(tmp_path)


@pytest.mark.parametrize("damage", [{"best": 5}, {"random": 5}, {"model": 5}], ids=str)
def test_a_checkpoint_with_a_damaged_field_is_an_error(
    trained_run: Path, tmp_path: Path, damage: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    path = run / checkpoint.CHECKPOINT_FILE
    checkpoint.save_atomically(checkpoint.load(path) | damage, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        trainer_of(run).resume()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        TrainedRun.read(run)


def test_a_checkpoint_cannot_execute_code(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'executed')!r}, 'w')",)

    torch.save({"model": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_of_another_shape_is_an_error(
    trained_run: Path, corpus: Path, tmp_path: Path
) -> None:
    small_run(tmp_path / "run", corpus, steps=1)
    trainer = trainer_of(tmp_path / "run")
    checkpoint.save_atomically({"model": {}}, tmp_path / "run" / checkpoint.CHECKPOINT_FILE)
    with pytest.raises(CheckpointError, match="another shape"):
        trainer.resume()


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="folder of a training run"):
        RunConfig.read(tmp_path)


def test_a_write_that_is_cut_short_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save_atomically({"step": 1}, path)

    def cut_short(state: object, file: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(UsageError, match="Input/output error"):
        checkpoint.save_atomically({"step": 2}, path)
    assert checkpoint.load(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def a_second_a_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The trainer's clock is read once when it starts, and then once a step."""
    clock = count()
    monkeypatch.setattr(
        "bot.training.trainer.time", SimpleNamespace(monotonic=lambda: float(next(clock)))
    )
    return


@pytest.mark.usefixtures("a_second_a_step")
def test_minutes_are_a_budget_that_outlives_a_stop(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=1)
    first = changed(run, steps=None, minutes=0.5, evaluate_every=None)
    seen: list[Progress] = []
    assert not first.train(seen.append, lambda: first.step == 12)
    assert (seen[-1].seconds, seen[-1].share) == (12, pytest.approx(0.4))
    assert seen[-1].seconds_left == pytest.approx(18)
    second = trainer_of(run)
    second.resume()
    assert second.train(seen.append, lambda: False)
    assert [progress.step for progress in seen] == list(range(1, 31))
    assert seen[17].seconds_left == pytest.approx(12), "also after a resume"
    assert seen[-1].share == 1
    log = [json.loads(line) for line in (run / checkpoint.LOG_FILE).read_text().splitlines()]
    assert len(log) == 20
    assert log[-1]["step"] == 30
    again = trainer_of(run)
    again.resume()
    assert again.finished


def test_a_run_is_measured_twenty_times(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small_run(run, corpus, steps=1)
    trainer = changed(run, steps=60, evaluate_every=None)
    measured = []
    trainer.train(lambda progress: None, lambda: False, measured.append)
    log = [json.loads(line) for line in (run / checkpoint.LOG_FILE).read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(3, 61, 3))
    assert [line["valid_nats_per_token"] for line in log] == [
        loss.nats_per_token for loss in measured
    ]
