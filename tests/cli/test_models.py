"""``models``: every subcommand against a store."""

import shutil
from pathlib import Path

import pytest
from command import bot


@pytest.fixture
def store(animal_store: Path, tmp_path: Path) -> Path:
    """A copy to change, with two versions; the first is active."""
    root = tmp_path / "store"
    shutil.copytree(animal_store, root)
    return root


def models(*arguments: str, store: Path) -> tuple[int, str, str]:
    result = bot("models", *arguments, MODEL_STORE=str(store))
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def test_list_marks_the_active_version(store: Path) -> None:
    code, output, _ = models("list", store=store)
    assert code == 0
    assert any(line.split()[:2] == ["*", "animals/1"] for line in output.splitlines())


def test_list_of_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    code, output, _ = models("list", store=tmp_path / "none")
    assert code == 0
    assert "python -m bot train" in output


def test_show_prints_the_manifest_and_the_card(store: Path) -> None:
    code, output, _ = models("show", store=store)
    assert code == 0
    assert '"sha256"' in output
    assert "# Animals" in output


def test_graph_prints_torchscript(store: Path) -> None:
    code, output, _ = models("graph", "animals", store=store)
    assert code == 0
    assert "graph(%self" in output
    assert "prim::Loop" in output


def test_verify_finds_a_flipped_byte(store: Path) -> None:
    assert models("verify", store=store)[0] == 0
    searcher = store / "animals" / "1" / "searcher.pt"
    content = bytearray(searcher.read_bytes())
    content[len(content) // 2] ^= 1
    searcher.write_bytes(content)
    code, output, _ = models("verify", "animals/1", store=store)
    assert code == 1
    assert "searcher.pt" in output
    assert "SHA-256" in output


def test_activate_and_rollback_change_the_active_version(store: Path) -> None:
    shutil.copytree(store / "animals" / "1", store / "animals" / "2")
    manifest = store / "animals" / "2" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    assert models("activate", "animals/2", store=store)[1].startswith("animals/2 is active")
    assert models("rollback", store=store)[1].startswith("animals/1 is active again")
    code, _, errors = models("rollback", store=store)
    assert code == 1
    assert errors.startswith("error: ")
    assert len(errors.splitlines()) == 1


def test_an_unknown_model_is_one_sentence(store: Path) -> None:
    code, output, errors = models("show", "plants", store=store)
    assert code == 1
    assert output == ""
    assert errors.startswith("error: There is no model plants")
