"""Stores that cannot be read or written, or whose files are none."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, UNPRIVILEGED

from bot.artifact.durable_files import write_durably
from bot.artifact.manifest import MANIFEST_FILE, SEARCHER_FILE, TOKENIZER_FILE
from bot.artifact.pointer import ACTIVE_FILE
from bot.artifact.store import ModelStore
from bot.errors import ArtifactError, ManifestError

SMALL_FILES = {SEARCHER_FILE: b"searcher", TOKENIZER_FILE: b"tokenizer"}
IMPORTS = """
import sys
from pathlib import Path
from bot.artifact.store import ModelStore
from bot.errors import ArtifactError
store = ModelStore(Path(sys.argv[1]))
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="privileges are given up by prctl")


def run(script: str, root: Path) -> str:
    """What a script prints for which permissions hold."""
    command = (*UNPRIVILEGED, sys.executable, "-c", f"{IMPORTS}{script}", str(root))
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def publish(store: ModelStore, fields: dict[str, Any]) -> Callable[..., Path]:
    return lambda name="tiny", **more: store.publish(name, SMALL_FILES, **fields, **more)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@linux_only
@pytest.mark.parametrize("closed", ["tiny/1/manifest.json", "tiny/1", "tiny"])
def test_what_may_not_be_read_is_listed_with_its_problem_among_the_rest(
    store: ModelStore, publish: Callable[..., Path], closed: str
) -> None:
    publish()
    publish("other")
    path = store.root / closed
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        listed = run("for e in store.versions(): print(e.spec, e.problem)", store.root)
    finally:
        path.chmod(stat.S_IMODE(mode))
    sound, broken = listed.splitlines()
    assert sound == "other/1 None"
    spec = "tiny/?" if closed == "tiny" else "tiny/1"
    assert broken.startswith(f"{spec} {store.root / 'tiny'}")
    assert "cannot be read (Permission denied)" in broken


@linux_only
@pytest.mark.parametrize("closed", [".", "tiny", ".lock"])
def test_a_store_that_may_not_be_written_is_known_before_the_work(
    store: ModelStore, publish: Callable[..., Path], closed: str
) -> None:
    publish()
    before = contents(store.root)
    path = store.root / closed
    mode = path.stat().st_mode
    path.chmod(0o555)
    script = """
try:
    store.check_writable("tiny")
except ArtifactError as error:
    print(error)
"""
    try:
        refused = run(script, store.root)
    finally:
        path.chmod(stat.S_IMODE(mode))
    assert refused.startswith(f"The model store {store.root} cannot be written (Permission denied:")
    assert len(refused.splitlines()) == 1
    assert contents(store.root) == before


def test_asking_whether_a_store_can_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    ModelStore(tmp_path / "a" / "b").check_writable("tiny")
    assert list(tmp_path.iterdir()) == []


def make_folder(path: Path) -> None:
    path.mkdir()


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, make_folder, make_device])
@pytest.mark.parametrize("name", [ACTIVE_FILE, f"tiny/1/{MANIFEST_FILE}"])
def test_a_pipe_a_folder_or_a_device_in_a_files_place_is_not_waited_for(
    store: ModelStore, publish: Callable[..., Path], make: Callable[[Path], None], name: str
) -> None:
    publish()
    (store.root / name).unlink()
    make(store.root / name)
    with pytest.raises(ManifestError, match=rf"{name} .*\(not a regular file\)"):
        store.verify() if name == ACTIVE_FILE else store.verify("tiny/1")
    assert [entry.spec for entry in store.versions()] == ["tiny/1"]


@pytest.mark.parametrize("make", [os.mkfifo, make_folder])
def test_a_lock_that_is_no_file_is_not_waited_for(
    store: ModelStore, publish: Callable[..., Path], make: Callable[[Path], None]
) -> None:
    store.root.mkdir()
    make(store.root / ".lock")
    for use in (publish, lambda: store.check_writable("tiny")):
        with pytest.raises(ArtifactError, match="cannot be written"):
            use()


# A full disk


def test_a_version_for_which_there_is_no_room_leaves_the_store_as_it_was(
    store: ModelStore, publish: Callable[..., Path], fields: dict[str, Any]
) -> None:
    publish()
    before = contents(store.root)
    told = run(
        f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.publish("tiny", {{"tokenizer.json": b"", "searcher.pt": bytes(1_000_000)}}, **{fields!r})
except ArtifactError as error:
    print(error)
""",
        store.root,
    )
    assert "cannot be written (File too large: " in told
    assert "searcher.pt) and is as it was; free space" in told
    assert contents(store.root) == before
    assert {path.name for path in store.root.iterdir()} == {".lock", ACTIVE_FILE, "tiny"}


def test_a_disk_that_is_full_at_the_pointer_publishes_nothing_and_says_how_to_go_on(
    store: ModelStore, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    before = contents(store.root)

    def full_at_the_pointer(path: Path, content: bytes) -> None:
        if path.name == f".{ACTIVE_FILE}":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_durably(path, content)

    monkeypatch.setattr("bot.artifact.pointer.write_durably", full_at_the_pointer)
    with pytest.raises(ArtifactError) as caught:
        publish(activate=True)
    assert str(caught.value) == (
        f"The model store {store.root} cannot be written (No space left on device:"
        f" {store.root / '.active.json'}) and is as it was; free space, grant access or use another"
        " --store, then run the command again."
    )
    assert contents(store.root) == before
    assert not list(store.root.glob(".publishing-*"))
    monkeypatch.undo()
    assert publish(activate=True).name == "2"


def test_a_first_version_that_finds_the_disk_full_leaves_no_folder_of_its_model(
    store: ModelStore, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ArtifactError, match="No space left"):
        publish(activate=True)
    assert [path.name for path in store.root.iterdir()] == [".lock"]


def test_a_pointer_that_cannot_be_replaced_is_told_with_the_command_that_replaces_it(
    store: ModelStore, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()

    def fail(draft: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(draft))

    monkeypatch.setattr("bot.artifact.store.put_in_force", fail)
    with pytest.raises(
        ArtifactError, match=r"2 is published, .*run `.*models activate tiny/2 --store .*`"
    ):
        publish(activate=True)
    monkeypatch.undo()
    assert store.active() == "tiny/1"
    assert store.activate("tiny/2") == "tiny/2"
