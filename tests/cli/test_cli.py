"""What all commands share: help, and being interrupted."""

import re
from pathlib import Path

import pytest
import typer
from command import bot
from typer.testing import CliRunner

from bot.cli import app


@pytest.mark.parametrize("path", ["train", "chat", "corpus prepare"])
def test_every_option_stands_whole_in_a_narrow_help(path: str) -> None:
    command = typer.main.get_command(app)
    for name in path.split():
        command = command.commands[name]  # type: ignore[attr-defined] # a group has them
    options = [
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    ]
    assert len(options) > 5
    text = bot(*path.split(), "--help", COLUMNS="80").stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    entries = re.findall(r"^  (-.*)", text, re.MULTILINE)
    assert {*options} <= {word.rstrip(",") for entry in entries for word in entry.split()}


@pytest.mark.parametrize("command", ["train --run=run", "corpus prepare smalltalk --out=folder"])
def test_ctrl_c_while_corpora_are_read_is_a_sentence(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.data.mixing.open_corpus", interrupted)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 130
    assert result.stderr.endswith("Stopped; nothing unfinished was written.\n")
    assert list(tmp_path.iterdir()) == []
