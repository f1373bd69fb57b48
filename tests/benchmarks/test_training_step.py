"""The benchmark of the training step, as small as it can be."""

import subprocess
import sys

from command import ROOT, clean_environment, empty_folder

SCRIPT = ROOT / "benchmarks" / "training_step.py"


def test_the_step_loop_of_the_tutorial_and_our_one_call_have_the_same_loss() -> None:
    sizes = ("--hidden=16", "--vocabulary=60", "--batch-size=8", "--rounds=1", "--steps=1")
    result = subprocess.run(
        [sys.executable, SCRIPT, "--threads=1", *sizes],
        cwd=empty_folder(),
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "tutorial's step loop" in result.stdout
