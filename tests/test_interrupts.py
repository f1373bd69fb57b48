"""Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import clean_environment

from bot.interrupts import insistent_interrupts


def test_an_interrupt_that_is_dropped_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    dropped = []

    @insistent_interrupts()
    def drop() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            dropped.append(error)
        while True:
            time.sleep(60)

    with pytest.raises(SystemExit) as ended:
        drop()
    assert dropped
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Stopped; nothing unfinished was written.\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_tidies_up_after_an_interrupt_is_not_interrupted() -> None:
    alarms = []

    def wait_for_alarms() -> None:
        handler = signal.getsignal(signal.SIGALRM)
        assert callable(handler)

        def counting(number: int, frame: object) -> None:
            alarms.append(number)
            handler(number, frame)  # type: ignore[arg-type] # what the signal module gives

        signal.signal(signal.SIGALRM, counting)
        while len(alarms) < 3:
            signal.pause()

    @insistent_interrupts()
    def tidy_up() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            wait_for_alarms()

    with pytest.raises(SystemExit):
        tidy_up()
    assert len(alarms) == 3


def test_ctrl_c_that_a_shell_had_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with insistent_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


# The command, interrupted while torch, in C++, imports numpy.
INTERRUPTED = """
import runpy, signal, sys


class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "numpy.linalg":
            sys.meta_path.remove(self)  # once: Python tries again
            signal.raise_signal(signal.SIGINT)


sys.meta_path.insert(0, Interrupting())
runpy.run_module("bot", run_name="__main__")
"""


def test_an_export_that_is_interrupted_while_torch_is_imported_publishes_nothing(
    trained_run: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    process = subprocess.run(
        [
            *(sys.executable, "-c", INTERRUPTED),
            *("export", trained_run, "--name=mine", "--no-int8", f"--store={store}"),
        ],
        stderr=subprocess.PIPE,
        env=clean_environment(),
        check=False,
    )
    # Python may die of the signal instead, which a shell reports as 130 too.
    assert process.returncode in (130, -signal.SIGINT)
    assert process.stderr == b"Stopped; nothing unfinished was written.\n"
    assert not store.exists()
