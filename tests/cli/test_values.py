"""Every option of every command, with values that nobody meant."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from bot.cli import app, main

NUMBERS = ("-1", str(10**30), "nan", "inf", "")
PATHS = ("folder", "missing/parent/x", "file/inside", "/dev/null", "pipe", "bytes", "a" * 300)
# How each command is called. Those that are not to do their work have no model to do it with.
CALLS = {
    "train": "--run=run --corpus=corpus.tsv --steps=1 --hidden=8 --embedding=8"
    " --decoder-layers=1 --vocabulary=300",
    "corpus prepare": "corpus.tsv --out=out",
    "corpus show": "corpus.tsv",
    "chat": "--model=none --temperature=1",
    "run": "--model=none --temperature=1",
    "export": "run --name=none",
    "evaluate": "none --corpus=corpus.tsv",
    "compare": "none none --prompts=prompts.txt",
    "judge": "sheet.tsv --key=key.json",
    "attention": "hello --out=picture.svg",
    "import-checkpoint": "checkpoint.tar --name=none",
    "bench": "--model=none",
}


def options_of(kinds: tuple[type, ...]) -> Iterator[Any]:
    """Each option that takes such a value, and the command that has it."""

    def walk(group: Any, path: tuple[str, ...]) -> Iterator[Any]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*path, name))
                continue
            for parameter in command.params:
                annotation = parameter.type_descriptor.annotation
                if {annotation, *get_args(annotation)} & {*kinds}:
                    option = max(parameter.opts, key=len)
                    called = " ".join((*path, name))
                    yield pytest.param(called, option, id=f"{called} {option}")

    return walk(typer.main.get_command(app), ())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with what may be named; what waits for ever fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_STORE", "folder")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("bytes").write_bytes(bytes(range(256)))
    for name in ("file", "prompts.txt"):
        Path(name).write_text("Hello.")
    Path("corpus.tsv").write_text("".join(f"Is {n} odd?\tI think so.\n" for n in range(30)))

    waited = []

    def too_long(*_arguments: object) -> None:
        waited.append(True)
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert not waited


def refused(
    command: str,
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Call a command, and see that it does its work or ends with one sentence."""
    given = [
        word
        for word in CALLS.get(command, "").split()
        if not word.startswith(f"{option}=") and not (word.startswith("--temp") and "-k" in option)
    ]
    if option.startswith("--"):
        given.append(f"{option}={value}")
    else:
        given = [value, *(word for word in given if word.startswith("--"))]
    monkeypatch.setattr(sys, "argv", ["bot", *command.split(), *given])
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr().err
    assert code in (0, 1, 2), told
    assert "unforeseen" not in told
    if code:
        assert len(re.findall("^(?:error|Error|Usage):? .", told, re.MULTILINE)) in (1, 2), told


@pytest.mark.parametrize(("command", "option"), [*options_of((int, float))])
def test_a_number_that_cannot_be_used_is_one_sentence(
    command: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in NUMBERS:
        if (option, value) != ("--steps", str(10**30)):  # which can be used, and never ends
            refused(command, option, value, monkeypatch, capsys)


@pytest.mark.parametrize(("command", "option"), [*options_of((Path,))])
def test_a_path_that_cannot_be_used_is_one_sentence(
    command: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in PATHS:
        refused(command, option, value, monkeypatch, capsys)
