"""Files of results."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import DiskFullError, UsageError
from bot.training.files import check_outputs, write_atomically


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.json"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    write_atomically(path, b"old")

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(DiskFullError, match=r"No space left.*; free space and try again"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [".", "..", "/", "/dev/null/out.json"])
def test_what_cannot_be_a_file_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError):
        write_atomically(Path(name), b"content")


@pytest.mark.parametrize("refuse", [check_outputs, lambda path: write_atomically(path, b"new")])
def test_what_is_no_regular_file_is_left_as_it_is(
    refuse: Callable[[Path], None], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("pipe", "to-pipe", "circle"):
        with pytest.raises(UsageError, match=f"{name} is not a regular file"):
            refuse(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "to-pipe").is_symlink()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("content", [b"old", None])
def test_a_symbolic_link_stays_and_the_file_it_leads_to_is_written(
    content: bytes | None, tmp_path: Path
) -> None:
    file, link = tmp_path / "folder" / "out.json", tmp_path / "link.json"
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    link.symlink_to("folder/out.json")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_a_check_of_outputs_leaves_nothing_behind(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_bytes(b"old")
    check_outputs(old, tmp_path / "new" / "folder" / "out.json")
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("name", [".", "/dev/null", "/dev/null/out.json", "/proc/out.json"])
def test_a_check_of_outputs_finds_what_cannot_be_written(name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(name)):
        check_outputs(Path(name))


@pytest.mark.parametrize("other", ["out.json", "new/../out.json", "link.json"])
def test_two_outputs_in_one_file_are_a_usage_error(other: str, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("out.json")
    with pytest.raises(UsageError, match="two files"):
        check_outputs(tmp_path / "out.json", tmp_path / other)
