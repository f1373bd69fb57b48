"""``train --base``: going on from a model that is there."""

from pathlib import Path

import pytest
from click.testing import Result
from tutorial_model import pairs, trained
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import UsageError
from bot.training.run import RunConfig


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_tutorial_checkpoint_is_fine_tuned_and_exported(tmp_path: Path) -> None:
    path = trained("dot", 24, 1, 1).save(tmp_path / "100_checkpoint.tar")
    corpus, run, store = tmp_path / "mine.tsv", tmp_path / "run", tmp_path / "store"
    unknown = (pairs()[0][0], f"xyzzy {pairs()[0][1]}")
    lines = [f"{prompt}\t{reply}\n" for prompt, reply in (*pairs(), unknown)]
    corpus.write_text("".join(lines))
    options = ("--recipe=tutorial", "--steps=2")
    tuned = command("train", f"--run={run}", f"--base={path}", f"--corpus={corpus}", *options)
    assert f"going on from {path}; its optimiser goes on, too\n" in tuned.output
    assert "left out 1 with a word outside the vocabulary\n" in tuned.output
    config = RunConfig.read(run)
    assert (config.model.hidden_size, config.model.dropout) == (24, 0.1)
    command("export", str(run), "--name=tuned", f"--store={store}", "--no-int8")
    card = (store / "tuned" / "1" / "MODEL_CARD.md").read_text("utf-8")
    assert "Fine-tuned from 100_checkpoint.tar." in card
    assert str(tmp_path) not in card


def test_a_model_of_the_store_is_fine_tuned_by_its_name(
    animal_store: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_STORE", str(animal_store))
    run = tmp_path / "run"
    options = ("--steps=1", f"--corpus={corpus}", "--max-reply-count=1000")
    tuned = command("train", f"--run={run}", "--base=animals", *options)
    assert "going on from animals/1; its optimiser begins anew\n" in tuned.output
    config = RunConfig.read(run)
    assert config.base == "animals/1"
    assert config.model.vocabulary_size == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--base=nothing",), "There is no run, checkpoint or published model nothing"),
        (("--base=animals", "--hidden=9"), "leave --hidden out"),
    ],
)
def test_a_base_that_cannot_be_had_is_a_usage_error(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        command("train", f"--run={tmp_path / 'run'}", *options)
    assert not (tmp_path / "run").exists()
