"""``bench``, as small as it can be."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from command import bot

from bot.bench import searches
from bot.cli import main


@pytest.fixture
def tiny_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = partial(
        searches.Effort,
        rounds=1,
        calls=1,
        prompt_rounds=1,
        load_s=0.1,
        rates=(50, 100),
        large_bytes=10**6,
    )
    monkeypatch.setattr(searches, "Effort", tiny)


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bot", "bench", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0


@pytest.mark.usefixtures("tiny_effort")
def test_bench_measures_a_model_of_the_store_and_prints_json_and_nothing_else(
    animal_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(monkeypatch, "--model", "animals", "--store", str(animal_store), "--json")
    captured = capsys.readouterr()
    (model,) = json.loads(captured.out)["models"]
    assert model["model"] == "animals/1"
    assert model["sizes"]["hidden_size"] == 64
    assert "real prompts, threads: 2" in captured.err


@pytest.mark.usefixtures("tiny_effort")
def test_bench_prints_tables_for_people(
    animal_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(monkeypatch, "--model", "animals", "--store", str(animal_store), "--precision", "fp32")
    out = capsys.readouterr().out
    assert "animals/1: hidden 64" in out
    assert "engine, fp32" in out
    assert "met" in out


def test_bench_shows_what_the_steps_spend_their_time_on(
    animal_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--profile", "--precision", "fp32")
    bench(monkeypatch, "--model", "animals", "--store", str(animal_store), *options)
    out = capsys.readouterr().out
    assert out.startswith("animals/1, fp32")
    assert out.count("aten::") > 5


def test_a_profile_is_not_printed_as_json() -> None:
    result = bot("bench", "--profile", "--json")
    assert result.returncode == 2
    assert result.stderr == b"error: A profile is a table: leave --json or --profile out.\n"
