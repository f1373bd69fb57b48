"""A person's own store before a shipped one, which is only read."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.artifact.manifest import SEARCHER_FILE, TOKENIZER_FILE
from bot.artifact.store import ModelStore
from bot.errors import ManifestError, ModelNotFoundError, UsageError

SMALL_FILES = {SEARCHER_FILE: b"searcher", TOKENIZER_FILE: b"tokenizer"}


@pytest.fixture
def shipped(tmp_path: Path, fields: dict[str, Any]) -> Path:
    """A store with the versions shipped/1 and shipped/2, of which 2 is active."""
    store = ModelStore(tmp_path / "shipped")
    store.publish("shipped", SMALL_FILES, **fields)
    store.publish("shipped", SMALL_FILES, **fields, activate=True)
    return store.root


@pytest.fixture
def store(tmp_path: Path, shipped: Path) -> ModelStore:
    return ModelStore(tmp_path / "own", shipped)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def specs(store: ModelStore) -> list[str]:
    return [entry.spec for entry in store.versions()]


def test_without_models_of_ones_own_the_shipped_ones_are_there_and_active(
    store: ModelStore, shipped: Path
) -> None:
    assert specs(store) == ["shipped/1", "shipped/2"]
    assert store.active() == "shipped/2"
    assert store.resolve() == store.resolve("shipped") == shipped / "shipped" / "2"
    assert store.resolve("shipped/1") == shipped / "shipped" / "1"
    assert not any(store.verify().values())
    assert not store.root.exists()


def test_a_model_of_ones_own_is_served_only_once_it_is_activated(
    store: ModelStore, shipped: Path, fields: dict[str, Any]
) -> None:
    before = contents(shipped)
    path = store.publish("mine", SMALL_FILES, **fields)
    assert path == store.root / "mine" / "1"
    assert store.active() == "shipped/2"
    assert store.resolve("mine") == path
    store.activate("mine")
    assert store.resolve() == path
    assert [entry.spec for entry in store.versions() if entry.active] == ["mine/1"]
    assert store.rollback() == "shipped/2"
    assert store.resolve() == shipped / "shipped" / "2"
    store.activate("shipped/1")
    assert store.resolve("shipped") == shipped / "shipped" / "1"
    assert contents(shipped) == before


def test_a_version_of_ones_own_never_has_the_name_of_a_shipped_one(
    store: ModelStore, fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="shipped/2 exists already"):
        store.publish("shipped", SMALL_FILES, **fields, version="2")
    path = store.publish("shipped", SMALL_FILES, **fields)
    assert path == store.root / "shipped" / "3"
    assert specs(store) == ["shipped/1", "shipped/2", "shipped/3"]


def test_a_shipped_version_cannot_be_sealed(store: ModelStore, shipped: Path) -> None:
    before = contents(shipped)
    with pytest.raises(UsageError, match="came with Causerie"):
        store.seal("shipped/1")
    assert contents(shipped) == before
    assert not store.root.exists()


def test_in_the_place_of_an_active_version_that_an_upgrade_removed_the_shipped_one_is_served(
    store: ModelStore, shipped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.activate("shipped/1")
    shutil.rmtree(shipped / "shipped" / "1")
    assert store.resolve() == shipped / "shipped" / "2"
    assert "shipped/1 is not there any more; shipped/2 is served" in caplog.text
    assert [entry.spec for entry in store.versions() if entry.active] == ["shipped/2"]


def test_where_nothing_active_is_left_the_error_names_the_rest(
    store: ModelStore, shipped: Path
) -> None:
    store.activate("shipped/1")
    shutil.rmtree(shipped / "shipped" / "1")
    (shipped / "active.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"no version shipped/1: .*own and .* shipped/2;"):
        store.resolve()


def test_a_damaged_pointer_of_ones_own_does_not_fall_back_silently(store: ModelStore) -> None:
    store.activate("shipped/1")
    (store.root / "active.json").write_text("{")
    with pytest.raises(ManifestError, match=r"own/active\.json"):
        store.resolve()
    assert specs(store) == ["shipped/1", "shipped/2"]
