"""What the commands print holds nothing that a terminal would obey, wherever it is from."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from bot.cli import app, main
from bot.cli.terminal import PrintableConsole

EVIL = "\x1b[2J\x9b2J\u202e"
SPELT_OUT = r"\x1b[2J\x9b2J\u202e"


def test_a_console_prints_its_own_colours_and_none_that_a_text_holds() -> None:
    stream = io.StringIO()
    console = PrintableConsole(file=stream, force_terminal=True, color_system="standard", width=80)
    table = Table("title \u202e")
    table.add_row("evil \x1b[2J word", style="red")
    console.print(table, "\x9b2J")
    written = stream.getvalue()
    assert "\x1b[31m" in written
    assert r"evil \x1b[2J" in written
    for obeyed in ("\x1b[2J", "\u202e", "\x9b"):
        assert obeyed not in written


def test_corpus_show_spells_out_what_a_corpus_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"turns": [f"Hi {EVIL}", "caf\u00e9 \u4f60\u597d"]}), "utf-8")
    result = CliRunner().invoke(app, ["corpus", "show", str(path)])
    assert result.exit_code == 0, result.output
    assert f"Hi {SPELT_OUT}\n-> caf\u00e9 \u4f60\u597d\n" in result.output


def test_models_list_spells_out_what_a_manifest_holds(animal_store: Path, tmp_path: Path) -> None:
    shutil.copytree(animal_store, tmp_path / "store")
    manifest = tmp_path / "store" / "animals" / "1" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {EVIL: 1}))
    result = CliRunner().invoke(app, ["models", "list", f"--store={tmp_path / 'store'}"])
    assert f"malformed at {SPELT_OUT}" in result.output


def test_an_error_spells_out_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{EVIL}.tar"
    monkeypatch.setattr(sys, "argv", ["bot", "import-checkpoint", str(path), "--name=a"])
    with pytest.raises(SystemExit):
        main()
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / SPELT_OUT}.tar does not exist")
