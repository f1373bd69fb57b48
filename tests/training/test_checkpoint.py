"""What is kept of a run, whatever happens to its disk and its files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from full_disk import room_for
from small_runs import small_run, trainer_of

from bot.errors import CheckpointError, DiskFullError, UsageError
from bot.training import checkpoint
from bot.training.run import RunConfig, held_run, prepare
from bot.training.trainer import Trainer


@pytest.fixture
def trainer(corpus: Path, tmp_path: Path) -> Trainer:
    """A run of no steps, its first checkpoint written."""
    run = tmp_path / "run"
    small_run(run, corpus, steps=5)
    trainer = trainer_of(run)
    trainer.save()
    return trainer


# Where the archive begins, in a tensor, and at its end: torch says something else each time.
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9999])
def test_a_full_disk_keeps_the_last_checkpoint_and_says_how_to_go_on(
    trainer: Trainer, share: float
) -> None:
    path = trainer.run / "checkpoint.pt"
    before = path.read_bytes()
    trainer.step = 7
    with (
        room_for(int(share * len(before))),
        pytest.raises(
            DiskFullError,
            match=r"checkpoint\.pt cannot be written \(File too large\); the checkpoint of step 0"
            r" is kept, so free space and go on with: python -m bot train --run .*run --resume$",
        ),
    ):
        trainer.save()
    assert path.read_bytes() == before
    assert not list(trainer.run.glob("*.new")) + list(trainer.run.glob(".*.new"))


def test_a_full_disk_before_the_first_checkpoint_says_so(trainer: Trainer) -> None:
    (trainer.run / "checkpoint.pt").unlink()
    with room_for(100), pytest.raises(DiskFullError, match=r"no checkpoint was written .*--resume"):
        trainer.save()


def test_a_log_that_finds_no_room_ends_the_training_with_a_sentence(trainer: Trainer) -> None:
    path = trainer.run / "log.jsonl"
    with room_for(10), pytest.raises(DiskFullError, match=r"log\.jsonl .*step 0 is kept"):
        checkpoint.append_log(path, {"step": 1, "valid_nats_per_token": 1.0})
    trainer.step = 1
    checkpoint.cut_log(path, 1)
    assert path.read_bytes() == b"", "the half of a line is no line"


def test_a_run_that_finds_no_room_leaves_nothing(
    corpus: Path, tmp_path: Path, trainer: Trainer
) -> None:
    config = RunConfig.read(trainer.run)
    with room_for(20_000), pytest.raises(DiskFullError, match=r"data\.pt.*free space and try"):
        prepare(tmp_path / "other", config)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\x00{\n", b"\x80", b"[" * 100_000, b"{}\n[]\n1\n"])
def test_broken_bytes_in_a_log_are_no_lines_of_it(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + rubbish + b'\n{"step": 2}\n{"step": 3}\n')
    checkpoint.cut_log(path, 2)
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("training", "steps"), "many", "steps is 'many'"),
        (("training", "steps"), 1.5, "steps is 1.5"),
        (("training", "seed"), 10**30, "seed is 1000"),
        (("training", "learning_rate"), float("nan"), "learning_rate is nan"),
        (("training", "loss"), "none", "loss is 'none'"),
        (("training", "more"), 1, "more"),
        (("model", "hidden_size"), "64", "'str'"),
        (("model", "hidden_size"), 10**30, "hidden_size is 1000"),
        (("model", "hidden_size"), 10**8, "GB of memory"),
        (("model", "encoder_layers"), 10**30, "encoder_layers is 1000"),
        (("model", "dropout"), float("nan"), "dropout is nan"),
        (("model", "attention"), "none", "none"),
        (("mix", "max_source_turns"), None, "max_source_turns is None"),
        (("corpora",), [3], "not int"),
        (("max_source_tokens",), -1, "max_source_tokens is -1"),
        (("training",), None, "training"),
    ],
)
def test_a_run_whose_settings_were_edited_is_one_sentence(
    trainer: Trainer, keys: tuple[str, ...], value: object, message: str
) -> None:
    path = trainer.run / "run.json"
    values = json.loads(path.read_text())
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(values))
    with pytest.raises((CheckpointError, UsageError), match=message) as raised:
        trainer_of(trainer.run)
    assert "\n" not in str(raised.value)


def test_a_model_that_no_memory_holds_is_refused_before_a_corpus_is_read(
    trainer: Trainer, tmp_path: Path
) -> None:
    config = RunConfig.read(trainer.run)
    config = replace(config, corpora=(replace(config.corpora[0], source="missing.tsv"),))
    for large in ({"hidden_size": 10**8}, {"embedding_size": 10**8}):
        model = replace(config.model, **large)
        with pytest.raises(UsageError, match=r"needs at least [\d,]+ GB of memory, and this"):
            prepare(tmp_path / "large", replace(config, model=model))
    assert not (tmp_path / "large").exists()


def test_a_vocabulary_may_be_smaller_than_its_limit(trainer: Trainer, tmp_path: Path) -> None:
    config = RunConfig.read(trainer.run)
    prepare(tmp_path / "run 2", replace(config, model=replace(config.model, vocabulary_size=10**8)))
    assert RunConfig.read(tmp_path / "run 2").model == config.model


def test_reading_a_run_needs_no_hold_and_writing_to_it_does(trainer: Trainer) -> None:
    with held_run(trainer.run):
        RunConfig.read(trainer.run)
        with pytest.raises(UsageError, match=r"Another process.*--run"), held_run(trainer.run):
            pytest.fail("two write to it")
