"""What ``export`` and ``import-checkpoint`` have in common: the store, and what they say of it."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from command import bot
from tutorial_model import TutorialModel
from typer.testing import CliRunner

from bot.artifact.store import ModelStore
from bot.cli import app
from bot.cli.models import publication


def sentence(errors: bytes) -> str:
    """The one sentence of a failed command."""
    (line,) = errors.decode().splitlines()
    assert line.startswith("error: ")
    return line


def make_folder(path: Path) -> None:
    path.mkdir()


def make_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "No such file or directory"),
        (make_folder, "not a regular file"),
        (make_device, "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (make_binary, "not UTF-8 text"),
    ],
)
def test_a_card_that_is_no_text_file_is_refused_before_the_run_is_read(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    card = tmp_path / "card.md"
    make(card)
    result = bot("export", tmp_path / "no-run", "--name=mine", f"--card={card}")
    assert result.returncode == 2
    assert f"{card} cannot be read ({problem}); give a Markdown file" in sentence(result.stderr)


@pytest.mark.parametrize("command", ["export", "import-checkpoint"])
def test_a_store_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, command: str
) -> None:
    for store, problem in (("/etc/passwd", "is not a folder"), ("/proc/a", "cannot be written")):
        result = bot(command, tmp_path / "nothing", "--name=mine", f"--store={store}")
        assert result.returncode == 1
        assert f"{store} {problem}" in sentence(result.stderr)
        assert b"nothing" not in result.stderr


def test_a_later_version_is_served_only_after_the_command_that_is_printed(tmp_path: Path) -> None:
    checkpoint, store = TutorialModel("dot", 4, 1, 1).save(tmp_path / "a.tar"), tmp_path / "a store"
    arguments = ["import-checkpoint", str(checkpoint), "--name=mine", f"--store={store}"]
    told = []
    for options in ([], [], ["--activate"]):
        result = CliRunner().invoke(app, [*arguments, "--no-int8", *options])
        assert result.exit_code == 0, result.output
        told.append(result.output.splitlines()[-2:])
    quoted = shlex.quote(str(store))
    with_store = f"the next start of the bot with MODEL_STORE={quoted} serves"
    assert told[0] == [
        f"Published {store}/mine/1; {with_store} it.",
        f"Talk to it with: MODEL_STORE={quoted} python -m bot chat --model mine/1",
    ]
    activate = f"python -m bot models activate mine/2 --store {quoted}"
    assert told[1] == [
        f"Published {store}/mine/2; {with_store} mine/1 as before."
        f" To serve the new one: {activate}",
        f"Talk to it with: MODEL_STORE={quoted} python -m bot chat --model mine/2",
    ]
    assert told[2][0] == f"Published {store}/mine/3; {with_store} it."
    assert CliRunner().invoke(app, shlex.split(activate)[3:]).exit_code == 0
    assert ModelStore(store).active() == "mine/2"


@pytest.mark.parametrize(
    ("model", "served"),
    [("animals", "serves it."), ("owls/7", "serves no model, because MODEL is owls/7.")],
)
def test_what_MODEL_names_is_said_to_be_served(  # noqa: N802
    animal_store: Path, monkeypatch: pytest.MonkeyPatch, model: str, served: str
) -> None:
    monkeypatch.setenv("MODEL", model)
    monkeypatch.setenv("MODEL_STORE", str(animal_store))
    told = publication(animal_store / "animals" / "1", None)
    assert told.splitlines()[0].endswith(f"; the next start of the bot {served}")


def test_a_model_that_reads_more_turns_than_can_be_published_is_not_trained() -> None:
    result = CliRunner().invoke(app, ["train", "--max-source-turns=1001"])
    assert result.exit_code == 2
    assert "less than or equal to 1000" in result.output
