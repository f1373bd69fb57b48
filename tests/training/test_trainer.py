"""Training, stopping and resuming."""

import json
from pathlib import Path

import pytest
import torch
from small_runs import small_run, trainer_of

from bot.errors import CheckpointError
from bot.training import checkpoint
from bot.training.evaluation import held_out_loss
from bot.training.run import RunConfig
from bot.training.trainer import TrainingConfig


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


def test_evaluations_are_logged(trained_run: Path) -> None:
    lines = (trained_run / checkpoint.LOG_FILE).read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [50, 100, 150, 200]
    perplexities = [json.loads(line)["valid_perplexity"] for line in lines]
    assert perplexities[-1] < perplexities[0]


def test_a_run_folder_is_not_overwritten(trained_run: Path, corpus: Path) -> None:
    with pytest.raises(CheckpointError, match="--resume"):
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
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_atomically({"step": 2}, path)
    assert checkpoint.load(path) == {"step": 1}


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainingConfig(steps=100, warmup_steps=10, decay_share=0.5, learning_rate=1.0)
    rates = [config.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)
