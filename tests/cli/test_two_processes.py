"""Two commands that write to one folder."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.data.corpora.prepared import PreparedCorpus
from bot.errors import UsageError
from bot.training.run import held_run


@pytest.mark.parametrize("command", ["train --corpus=missing.tsv", "train --resume"])
def test_a_second_training_in_one_folder_ends_before_a_corpus_is_read(
    command: str, trained_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with held_run(run):
        result = CliRunner().invoke(app, [*command.split(), f"--run={run}"])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == (
        f"Another process is writing to {run}; wait until it has ended, or choose another --run."
    )
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_second_preparation_in_one_folder_ends_before_a_corpus_is_read(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with PreparedCorpus(out) as prepared:
        result = CliRunner().invoke(app, ["corpus", "prepare", str(corpus), f"--out={out}"])
        assert isinstance(result.exception, UsageError)
        assert "Another process" in str(result.exception)
        assert str(corpus) not in result.stderr
        prepared.write("train", ("Hi.",), "Hello!")
        prepared.finish({})
    assert len(list(out.iterdir())) == 4


def test_a_start_that_fails_leaves_no_folder(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for option in ("--seed=99999999999999999999", "--hidden=100000000", "--learning-rate=nan"):
        result = CliRunner().invoke(app, ["train", f"--run={run}", f"--corpus={corpus}", option])
        assert result.exit_code in (1, 2)
        assert not run.exists()
