import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import MANIFEST_FILE, SEARCHER_FILE, TOKENIZER_FILE, Manifest
from bot.artifact.pointer import ACTIVE_FILE, HISTORY_LIMIT
from bot.artifact.store import ModelStore
from bot.errors import (
    ArtifactError,
    DigestError,
    FormatVersionError,
    ManifestError,
    MissingFileError,
    ModelNotFoundError,
    UsageError,
)

ROOT = Path(__file__).parents[2]

# The store looks at no content, so most tests publish these.
SMALL_FILES = {SEARCHER_FILE: b"searcher", TOKENIZER_FILE: b"tokenizer", "MODEL_CARD.md": b"card"}

Publish = Callable[..., Path]


@pytest.fixture
def publish(store: ModelStore, fields: dict[str, Any]) -> Publish:
    def publish(name: str = "tiny", **more: Any) -> Path:
        return store.publish(name, SMALL_FILES, **fields, **more)

    return publish


def specs(store: ModelStore) -> list[str]:
    return [entry.spec for entry in store.versions()]


def active(store: ModelStore) -> str | None:
    return next((entry.spec for entry in store.versions() if entry.active), None)


# Publishing


def test_a_published_version_is_whole_and_its_manifest_says_what_it_is(
    store: ModelStore, files: dict[str, bytes], fields: dict[str, Any]
) -> None:
    path = store.publish("tiny", files, **fields, version="2026-11-23.1")
    assert path == store.root / "tiny" / "2026-11-23.1"
    assert {file.name for file in path.iterdir()} == {*files, MANIFEST_FILE}
    assert all((path / name).read_bytes() == content for name, content in files.items())
    manifest = Artifact.load(path).manifest
    assert (manifest.name, manifest.version) == ("tiny", "2026-11-23.1")
    assert fields.items() <= dict(manifest).items()
    assert store.verify("tiny/2026-11-23.1") == dict.fromkeys([MANIFEST_FILE, *files])


def test_versions_are_numbered_from_one_by_default(publish: Publish) -> None:
    publish(version="9")
    publish(version="2026-11-23.1")
    assert [publish().name, publish("other").name, publish().name] == ["10", "1", "11"]


def test_publishing_activates_when_asked_and_else_only_the_first(
    store: ModelStore, publish: Publish
) -> None:
    publish(activate=False)
    assert active(store) is None
    publish()
    assert active(store) == "tiny/2"
    publish()
    assert active(store) == "tiny/2"
    publish(activate=True)
    assert active(store) == "tiny/4"


def test_a_version_is_never_overwritten(store: ModelStore, publish: Publish) -> None:
    path = publish(version="1")
    before = (path / MANIFEST_FILE).read_bytes()
    with pytest.raises(UsageError, match="tiny/1 exists already"):
        publish(version="1")
    assert (path / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../tiny", "a/b", "/tmp", "Tiny", "-tiny", ".tiny", "tiny\n", "tïny",
             "a\\b", "a\0", "a b", "a" * 65, ACTIVE_FILE],
)  # fmt: skip
def test_a_malformed_name_or_version_is_a_usage_error_everywhere(
    store: ModelStore, publish: Publish, name: str
) -> None:
    publish(activate=True)
    for use in (
        lambda: publish(name),
        lambda: publish(version=name),
        lambda: store.resolve(name + "/1"),
        lambda: store.activate(f"tiny/{name}"),
        lambda: store.verify(name + "/1"),
    ):
        with pytest.raises(UsageError, match="cannot name a model or a version"):
            use()
    assert specs(store) == ["tiny/1"]


def test_a_file_name_that_leaves_the_directory_publishes_nothing(
    store: ModelStore, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        store.publish("tiny", SMALL_FILES | {"../escaped": b""}, **fields)
    assert {path.name for path in store.root.iterdir()} == {".lock"}


def test_a_publish_that_fails_leaves_nothing_and_names_the_store(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(activate=True)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match=r"cannot be written .*No space left") as caught:
        publish(activate=True)
    assert str(store.root) in str(caught.value)
    assert {path.name for path in store.root.iterdir()} == {".lock", ACTIVE_FILE, "tiny"}
    assert specs(store) == ["tiny/1"]


def test_publishers_take_turns(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    rename = os.rename

    def slow_rename(source: Any, target: Any) -> None:
        at_work.append(len(list(store.root.glob(".publishing-*"))))
        time.sleep(0.01)
        rename(source, target)

    monkeypatch.setattr(os, "rename", slow_rename)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: publish(activate=True), range(8)))
    assert sorted(int(path.name) for path in paths) == list(range(1, 9))
    assert at_work == [1] * 8
    assert active(store) is not None


# Runs publish in a fork that is killed before, or after, its n-th step on the file system, for
# n = 1, 2, ... until one lives to the end; each works on a copy of the store.
KILLED_PUBLISHER = """
import io, itertools, os, shutil, signal, sys
from pathlib import Path
from bot.artifact.store import ModelStore

store, work, files, fields = Path(sys.argv[1]), Path(sys.argv[2]), *map(eval, sys.argv[3:])

def publish_and_die(root, deadly_step, before):
    steps = itertools.count(1)
    def deadly(step):
        def call(*args, **kwargs):
            doomed = next(steps) == deadly_step
            if doomed and before:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return step(*args, **kwargs)
            finally:
                if doomed:
                    os.kill(os.getpid(), signal.SIGKILL)
        return call
    for name in ("mkdir", "open", "fsync", "rename", "replace", "rmdir", "unlink"):
        setattr(os, name, deadly(getattr(os, name)))
    io.open = deadly(io.open)  # what Path.open calls; killed after it, the file is empty
    ModelStore(root).publish("tiny", files, **fields, activate=True)

for before in (True, False):
    for n in itertools.count(1):
        root = work / f"{'before' if before else 'after'}-{n:03}"
        shutil.copytree(store, root)
        child = os.fork()
        if child == 0:
            publish_and_die(root, n, before)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
"""


def test_a_publish_that_is_killed_at_any_step_leaves_the_store_as_before_or_with_all_of_it(
    store: ModelStore, publish: Publish, fields: dict[str, Any], tmp_path: Path
) -> None:
    publish(activate=True)
    (store.root / ".publishing-0").mkdir()  # an earlier victim's
    (store.root / ".publishing-0" / SEARCHER_FILE).write_bytes(b"sear")
    work = tmp_path / "killed"
    work.mkdir()
    subprocess.run(
        [sys.executable, "-c", KILLED_PUBLISHER, store.root, work, repr(SMALL_FILES), repr(fields)],
        cwd=ROOT,
        check=True,
    )
    outcomes = []
    for root in sorted(work.iterdir()):
        killed = ModelStore(root)
        outcomes.append((specs(killed), active(killed)))
        for spec in specs(killed):
            assert killed.verify(spec) == dict.fromkeys([MANIFEST_FILE, *SMALL_FILES])
        assert all(entry.problem is None for entry in killed.versions())
        assert killed.resolve().is_dir()
        # Whoever publishes next is not hindered and clears up.
        killed.publish("tiny", SMALL_FILES, **fields, activate=True)
        assert not list(root.glob(".publishing-*"))
        assert killed.rollback() == outcomes[-1][1]
    nothing = (["tiny/1"], "tiny/1")
    published = (["tiny/1", "tiny/2"], "tiny/1")
    activated = (["tiny/1", "tiny/2"], "tiny/2")
    assert len(outcomes) > 50
    assert set(map(repr, outcomes)) == set(map(repr, (nothing, published, activated)))


# Listing and resolving


def test_a_store_that_does_not_exist_or_is_no_folder_is_an_error_that_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("root:x:0:0")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in {
        "nowhere": "does not exist",
        "file": "is not a folder",
        "file/store": r"cannot be read \(Not a directory\)",
        "pipe": "is not a folder",
    }.items():
        store = ModelStore(tmp_path / name)
        for use in (store.versions, store.resolve, store.active, store.verify, store.rollback):
            with pytest.raises(ModelNotFoundError, match=f"{name} {problem}; correct MODEL_STORE"):
                use()
    assert not (tmp_path / "nowhere").exists()


def test_versions_are_listed_by_name_and_in_the_order_of_their_numbers(
    store: ModelStore, publish: Publish
) -> None:
    for version in ("10", "9", "2026-11-23.2", "2026-11-23.10", "2026-2-1", "1.10", "1.9"):
        publish(version=version)
    publish("another")
    assert specs(store) == [
        "another/1",
        *(f"tiny/{v}" for v in ("1.9", "1.10", "9", "10")),
        *(f"tiny/{v}" for v in ("2026-2-1", "2026-11-23.2", "2026-11-23.10")),
    ]


def test_a_listing_tells_size_date_and_which_is_active(store: ModelStore, publish: Publish) -> None:
    path = publish(activate=True)
    publish()
    first, second = store.versions()
    assert (first.spec, first.path, first.active, first.problem) == ("tiny/1", path, True, None)
    assert first.size_bytes == sum(file.stat().st_size for file in path.iterdir())
    assert first.created_at == Manifest.read(path).created_at
    assert not second.active


def break_by_deletion(path: Path) -> None:
    (path / SEARCHER_FILE).unlink()


def break_by_truncation(path: Path) -> None:
    (path / SEARCHER_FILE).write_bytes(b"s")


def break_by_manifest(path: Path) -> None:
    (path / MANIFEST_FILE).write_text("{")


def break_by_format(path: Path) -> None:
    (path / MANIFEST_FILE).write_text('{"format_version": 4}')


def break_by_emptiness(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (break_by_deletion, MissingFileError),
        (break_by_truncation, DigestError),
        (break_by_manifest, ManifestError),
        (break_by_format, FormatVersionError),
        (break_by_emptiness, ManifestError),
    ],
)
def test_a_broken_version_is_listed_as_broken_and_cannot_be_activated(
    store: ModelStore,
    publish: Publish,
    break_it: Callable[[Path], None],
    error: type[ArtifactError],
) -> None:
    publish(activate=True)
    broken_path = publish()
    break_it(broken_path)
    sound, broken = store.versions()
    assert sound.problem is None
    assert type(broken.problem) is error
    assert str(broken_path) in str(broken.problem)
    with pytest.raises(error):
        store.activate("tiny/2")
    assert active(store) == "tiny/1"


def test_files_and_directories_that_are_no_versions_are_not_listed(
    store: ModelStore, publish: Publish
) -> None:
    publish()
    (store.root / "README.md").write_text("")
    (store.root / "tiny" / ".DS_Store").write_text("")
    (store.root / "tiny" / "notes").write_text("")
    (store.root / ".publishing-1" / "1").mkdir(parents=True)
    (store.root / "no-versions").mkdir()
    assert specs(store) == ["tiny/1"]
    with pytest.raises(ModelNotFoundError, match="There is no model no-versions"):
        store.resolve("no-versions")


def test_a_name_alone_means_its_active_version_or_else_its_newest(
    store: ModelStore, publish: Publish
) -> None:
    publish("other", activate=False)
    paths = [publish(activate=False) for _ in range(10)]
    assert store.resolve("tiny") == paths[9]
    store.activate("other")
    assert store.resolve("tiny") == paths[9]
    store.activate("tiny/3")
    assert store.resolve("tiny") == store.resolve() == paths[2]
    assert store.resolve("tiny/10") == paths[9]


@pytest.mark.parametrize("spec", [None, "other", "tiny/2", "other/1"])
def test_what_is_not_there_is_an_error_that_names_what_is_and_the_commands(
    store: ModelStore, publish: Publish, spec: str | None
) -> None:
    publish(activate=False)
    with pytest.raises(ModelNotFoundError) as caught:
        store.resolve(spec)
    for part in (spec or "No model is active", "tiny/1", str(store.root), "models list"):
        assert part in str(caught.value)


def test_an_active_version_that_was_removed_is_an_error_that_names_it(
    store: ModelStore, publish: Publish
) -> None:
    path = publish(activate=True)
    path.rename(path.with_name("2"))
    with pytest.raises(ModelNotFoundError, match=r"no version tiny/1.* holds tiny/2"):
        store.resolve()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"active": 1}', '{"active": "../../etc/1"}', '{"active": "tiny"}', '{"a": 1}'],
)
def test_a_damaged_pointer_is_an_error_that_says_how_to_mend_it(
    store: ModelStore, publish: Publish, content: str
) -> None:
    publish(activate=True)
    (store.root / ACTIVE_FILE).write_text(content)
    for use in (store.active, store.resolve, store.rollback, lambda: publish(activate=True)):
        with pytest.raises(ManifestError, match=r"active\.json .* delete it and run"):
            use()
    assert specs(store) == ["tiny/1"]  # so that one knows what to activate
    (store.root / ACTIVE_FILE).unlink()
    assert store.activate("tiny/1") == "tiny/1"
    assert specs(store) == ["tiny/1"]


# Verifying


def test_verify_reports_every_file_and_what_is_wrong_with_it(
    store: ModelStore, publish: Publish
) -> None:
    path = publish(activate=True)
    assert store.verify() == dict.fromkeys([MANIFEST_FILE, *SMALL_FILES])
    (path / SEARCHER_FILE).write_bytes(b"SEARCHER")
    (path / "MODEL_CARD.md").unlink()
    (path / "extra").mkdir()
    report = store.verify()
    assert {name: type(problem) for name, problem in report.items()} == {
        MANIFEST_FILE: type(None),
        SEARCHER_FILE: DigestError,
        TOKENIZER_FILE: type(None),
        "MODEL_CARD.md": MissingFileError,
        "extra": ArtifactError,
    }
    assert "extra is not listed" in str(report["extra"])


def test_an_unreadable_manifest_cannot_be_verified(store: ModelStore, publish: Publish) -> None:
    path = publish()
    break_by_manifest(path)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        store.verify("tiny")


# Activating and rolling back


def test_rollback_walks_back_over_what_was_active(store: ModelStore, publish: Publish) -> None:
    for _ in range(3):
        publish(activate=True)
    assert store.activate("tiny/3") == "tiny/3"  # again: nothing to come back to
    assert [store.rollback(), active(store)] == ["tiny/2"] * 2
    assert [store.rollback(), active(store)] == ["tiny/1"] * 2
    with pytest.raises(ModelNotFoundError, match="No version was active before"):
        store.rollback()
    assert active(store) == "tiny/1"


def test_rollback_passes_over_a_version_that_was_removed(
    store: ModelStore, publish: Publish
) -> None:
    paths = [publish(activate=True) for _ in range(3)]
    paths[1].rename(paths[1].with_name("elsewhere"))
    assert store.rollback() == "tiny/1"


def test_rollback_to_a_damaged_version_is_refused_and_changes_nothing(
    store: ModelStore, publish: Publish
) -> None:
    path = publish(activate=True)
    publish(activate=True)
    (path / SEARCHER_FILE).write_bytes(b"SEARCHER")
    with pytest.raises(DigestError):
        store.rollback()
    assert active(store) == "tiny/2"


def test_the_history_is_bounded(store: ModelStore, publish: Publish) -> None:
    for _ in range(2):
        publish(activate=False)
    for i in range(3 * HISTORY_LIMIT):
        store.activate(f"tiny/{1 + i % 2}")
    assert len(json.loads((store.root / ACTIVE_FILE).read_text())["history"]) == HISTORY_LIMIT


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of operations: the active version is the one a list of names would give."""

    @initialize()
    def make_store(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = ModelStore(Path(self.directory.name))
        self.published: list[str] = []
        self.activated: list[str] = []

    def activate_in_model(self, spec: str) -> None:
        if self.activated[-1:] != [spec]:
            self.activated = [*self.activated, spec][-HISTORY_LIMIT - 1 :]

    @rule(name=st.sampled_from(["a", "b"]), activate=st.booleans())
    def publish(self, name: str, activate: bool) -> None:
        path = self.store.publish(
            name,
            SMALL_FILES,
            torch_version="2",
            language="en",
            description="",
            model={},
            max_source_tokens=1,
            activate=activate,
        )
        spec = f"{name}/{path.name}"
        assert spec not in self.published
        self.published.append(spec)
        if activate:
            self.activate_in_model(spec)

    @precondition(lambda self: self.published)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        spec = data.draw(st.sampled_from(self.published))
        assert self.store.activate(spec) == spec
        self.activate_in_model(spec)

    @rule()
    def rollback(self) -> None:
        if len(self.activated) < 2:
            with pytest.raises(ModelNotFoundError):
                self.store.rollback()
        else:
            self.activated.pop()
            assert self.store.rollback() == self.activated[-1]

    @invariant()
    def the_active_version_is_there_and_the_right_one(self) -> None:
        assert sorted(specs(self.store)) == sorted(self.published)
        assert active(self.store) == (self.activated[-1] if self.activated else None)
        if self.activated:
            assert self.store.resolve() == self.store.root / self.activated[-1]
            assert not any(self.store.verify().values())

    def teardown(self) -> None:
        self.directory.cleanup()


class TestAnySequenceOfOperations(StoreMachine.TestCase):
    settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
