"""Ten minutes of messages, in a second."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, clean_environment, empty_folder

SCRIPT = ROOT / "benchmarks" / "lost_messages.py"


def test_every_message_is_accounted_for(animal_store: Path) -> None:
    sizes = ("--minutes=0.02", "--rate=100", "--messages=20", "--cancel=0.1")
    result = subprocess.run(
        [sys.executable, SCRIPT, *sizes],
        cwd=empty_folder(),
        env=clean_environment(MODEL_STORE=str(animal_store)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "lost 0, duplicated 0, wrong 0; memory after" in result.stdout, result.stderr
    assert result.stderr == ""


@pytest.mark.parametrize("option", ["--minutes=nan", "--rate=0", "--messages=1", "--cancel=x"])
def test_a_number_that_makes_no_sense_is_refused(option: str) -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, option],
        cwd=empty_folder(),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "is no number from" in result.stderr.splitlines()[-1]


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=empty_folder(),
        env=clean_environment(MODEL_STORE=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
