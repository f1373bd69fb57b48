"""Folders of results."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import clean_environment

from bot.data.folders import filled_folder, make_folder, remove_empty
from bot.errors import UsageError


def test_what_was_made_is_removed_again_and_nothing_else(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()
    remove_empty(made)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "a").mkdir()
    made = make_folder(tmp_path / "a" / "b" / "c", "--out")
    (tmp_path / "a" / "b" / "mine").touch()
    remove_empty(made)
    assert list((tmp_path / "a").rglob("*")) == [
        tmp_path / "a" / "b",
        tmp_path / "a" / "b" / "mine",
    ]
    assert make_folder(tmp_path / "a", "--out") == []


def test_a_folder_inside_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="choose another --out"):
        make_folder(tmp_path / "file" / "a" / "b", "--out")


def test_a_folder_that_cannot_be_written_to_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        make_folder(Path("/proc"), "--out")


# Holds a folder until it is killed, a draft under way.
HOLDER = """
import sys, time
from pathlib import Path

from bot.data.folders import draft_of, filled_folder

folder = Path(sys.argv[1])
with filled_folder(folder, "--out", ["result"]):
    draft_of(folder / "result").write_text("half of it")
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_fills_a_folder_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        (folder / "mine").touch()
        for _ in range(2):  # who is refused takes nothing away
            with (
                pytest.raises(UsageError, match=r"Another process is writing to .*another --out"),
                filled_folder(folder, "--out", ["result"]),
            ):
                pytest.fail("two hold it")
        assert len(list(folder.glob(".result*"))) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    with filled_folder(folder, "--out", ["result"]):
        assert not list(folder.glob(".result*"))
    assert list(folder.iterdir()) == [folder / "mine"]


def test_a_held_folder_is_made_and_an_empty_one_is_removed_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with filled_folder(folder, "--out", []):
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
    with filled_folder(folder, "--out", []):
        (folder / "result").touch()
    assert list(folder.iterdir()) == [folder / "result"]
