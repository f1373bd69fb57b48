"""Folders of results."""

from pathlib import Path

import pytest

from bot.data.folders import make_folder, remove_empty
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
    with pytest.raises(UsageError, match="cannot be written to"):
        make_folder(Path("/proc"), "--out")
