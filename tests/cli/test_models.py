"""``models``: every subcommand against a store."""

import shutil
from pathlib import Path

import pytest
from command import bot

from bot.artifact.precision import int8_works
from bot.settings import SHIPPED_STORE, own_store

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
    code, output, _ = models("list", store=tmp_path)
    assert code == 0
    assert "python -m bot train" in output


def test_list_of_what_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    for store, problem in (
        (tmp_path / "none", "does not exist"),
        (Path("/etc/passwd"), "is not a folder"),
    ):
        code, output, errors = models("list", store=store)
        assert (code, output) == (1, "")
        assert (
            errors == f"error: The model store {store} {problem}; correct MODEL_STORE or --store.\n"
        )


def test_list_shows_the_sound_versions_beside_the_broken_ones_and_exits_with_1(store: Path) -> None:
    shutil.copytree(store / "animals" / "1", store / "animals" / "2")
    code, output, errors = models("list", store=store)
    assert code == 1
    _, first, second = output.splitlines()
    assert first.split()[:2] == ["*", "animals/1"]
    assert "models seal" not in first
    assert second.split()[:3] == ["animals/2", "?", "?"]
    assert "models seal animals/2" in second
    assert errors == ""


@pytest.mark.parametrize(
    ("pointer", "problem"),
    [("{", "does not say which model is active"), ('{"active": "a/1"}', "There is no version a/1")],
)
def test_list_shows_every_version_though_the_pointer_is_wrong(
    store: Path, pointer: str, problem: str
) -> None:
    (store / "active.json").write_text(pointer)
    code, output, errors = models("list", store=store)
    assert code == 1
    assert "animals/1" in output
    assert "*" not in output
    assert problem in errors
    assert len(errors.splitlines()) == 1


def test_list_says_where_ones_own_and_the_shipped_models_are() -> None:
    listed = bot("models", "list").stdout.decode()
    assert f"{own_store()}, those that came with Causerie in {SHIPPED_STORE}.\n" in listed
    assert "causerie-en/" in listed


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
    assert models("seal", "animals/2", store=store)[1].startswith("animals/2 is sealed")
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
