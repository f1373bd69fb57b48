"""``models``: every subcommand against a store."""

import shutil
from pathlib import Path

import pytest
from command import bot

from bot.artifact.precision import int8_works

needs_int8 = pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")


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


def test_list_and_show_say_which_precisions_a_version_has(store: Path, int8_store: Path) -> None:
    for root, precisions in ((store, "fp32, half"), (int8_store, "fp32, half, int8")):
        _, listed, _ = models("list", store=root)
        assert f" {precisions} " in listed
        _, shown, _ = models("show", store=root)
        assert f"\nPrecisions: {precisions}\n" in shown


def test_verify_checks_the_int8_variant_too(int8_store: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(int8_store, root)
    code, output, _ = models("verify", store=root)
    assert code == 0
    assert "searcher-int8.pt: ok" in output
    (root / "animals" / "1" / "searcher-int8.pt").unlink()
    code, output, _ = models("verify", store=root)
    assert code == 1
    assert "searcher-int8.pt is listed in manifest.json and is not there" in output


@needs_int8
def test_graph_prints_that_of_the_precision(int8_store: Path) -> None:
    code, int8, _ = models("graph", "--precision=int8", store=int8_store)
    assert code == 0
    assert "\n# pack\n" in int8
    _, fp32, _ = models("graph", "--precision=fp32", store=int8_store)
    assert "graph(%self" in fp32
    assert "\n# pack\n" not in fp32
    code, _, errors = models("graph", "--precision=int4", store=int8_store)
    assert (code, len(errors.splitlines())) == (2, 1)


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
