"""What is wrong with a checkpoint is said in one sentence."""

import contextlib
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tutorial_model import TutorialModel, save_voc

from bot.errors import CheckpointError
from bot.publishing.tutorial_checkpoint import TutorialCheckpoint

Damage = Callable[[dict[str, Any]], object]


@pytest.fixture
def values() -> dict[str, Any]:
    return TutorialModel("concat", 4, 2, 2).checkpoint()


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize(("encoder_layers", "decoder_layers"), [(1, 1), (1, 2), (3, 2)])
def test_sizes_layers_and_attention_are_read_off_the_tensors(
    tmp_path: Path, score: str, encoder_layers: int, decoder_layers: int
) -> None:
    path = TutorialModel(score, 6, encoder_layers, decoder_layers).save(tmp_path / "a.tar")
    checkpoint = TutorialCheckpoint.read(path)
    assert checkpoint.attention == score
    assert checkpoint.hidden_size == 6
    assert (checkpoint.encoder_layers, checkpoint.decoder_layers) == (
        encoder_layers,
        decoder_layers,
    )


def test_progress_may_be_missing_or_a_tensor(values: dict[str, Any], tmp_path: Path) -> None:
    del values["iteration"]
    values["loss"] = torch.tensor(2.5)
    torch.save(values, tmp_path / "a.tar")
    checkpoint = TutorialCheckpoint.read(tmp_path / "a.tar")
    assert (checkpoint.iteration, checkpoint.loss) == (None, 2.5)


def wide_embedding(values: dict[str, Any]) -> None:
    rows = values["en"]["embedding.weight"].size(0)
    for part in ("en", "de"):
        values[part]["embedding.weight"] = torch.zeros(rows, 5)


def shared_nan(values: dict[str, Any]) -> None:
    values["de"]["out.bias"][3] = float("nan")


def untied(values: dict[str, Any]) -> None:
    values["en"]["embedding.weight"] = values["en"]["embedding.weight"] + 1


def repeated(values: dict[str, Any]) -> None:
    values["de"]["out.bias"] = torch.zeros(1).expand(10**15)


def fewer_words(values: dict[str, Any]) -> None:
    voc = values["voc_dict"]
    voc["num_words"] -= 1
    word = voc["index2word"].pop(voc["num_words"])
    del voc["word2index"][word]


DAMAGES: list[tuple[str, Damage, str]] = [
    ("no decoder", lambda v: v.pop("de"), "entries en and de"),
    ("no state dict", lambda v: v.update(en=[1, 2]), "no state dict"),
    ("no vocabulary", lambda v: v.pop("voc_dict"), "--vocabulary"),
    ("vocabulary of nothing", lambda v: v.update(voc_dict={}), "index2word"),
    ("vocabulary is a list", lambda v: v.update(voc_dict=[]), "index2word"),
    ("word is a number", lambda v: v["voc_dict"]["index2word"].update({5: 5}), "does not number"),
    ("gap", lambda v: v["voc_dict"]["index2word"].pop(7), "does not number"),
    ("no EOS", lambda v: v["voc_dict"]["index2word"].update({2: "END"}), "PAD, SOS and EOS"),
    (
        "no word",
        lambda v: v["voc_dict"].update(index2word=dict(enumerate(("PAD", "SOS", "EOS")))),
        "holds no word",
    ),
    ("two orders", lambda v: v["voc_dict"]["word2index"].clear(), "in word2index"),
    ("miscounted", lambda v: v["voc_dict"].update(num_words=12), "says it has 12"),
    ("fewer words", fewer_words, "embeddings of 210 words and its vocabulary has 209"),
    (
        "embedding size",
        wide_embedding,
        r"\(12, 4\) where the tutorial's model would have \(15, 5\)",
    ),
    ("no decoder layer", lambda v: v["de"].pop("gru.weight_hh_l0"), "decoder layers of GRU"),
    ("layer is cut", lambda v: v["en"].pop("gru.bias_hh_l1"), "no gru.bias_hh_l1"),
    ("one direction", lambda v: v["en"].pop("gru.weight_ih_l0_reverse"), "l0_reverse"),
    ("no output", lambda v: v["de"].pop("out.weight"), "no out.weight"),
    ("NaN", shared_nan, "NaN or infinite weights in out.bias"),
    ("no weights", lambda v: v["de"].update({"out.bias": "x"}), "no tensor of weights"),
    ("integers", lambda v: v["de"].update({"out.bias": torch.arange(210)}), "torch.int64, which"),
    ("a number as a tensor", repeated, "no tensor of weights"),
    ("unshared embeddings", untied, "other embeddings"),
    ("more than known", lambda v: v["en"].update({"norm.weight": torch.ones(4)}), "norm.weight"),
]


@pytest.mark.parametrize(
    ("damage", "message"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES]
)
def test_a_checkpoint_whose_parts_do_not_fit_is_an_error(
    values: dict[str, Any], tmp_path: Path, damage: Damage, message: str
) -> None:
    damage(values)
    path = tmp_path / "a.tar"
    torch.save(values, path)
    with pytest.raises(CheckpointError, match=message) as error:
        TutorialCheckpoint.read(path)
    assert str(path) in str(error.value)
    assert str(error.value).count(".\n") == 0


@pytest.mark.parametrize("wrapped", ["module.{}", "_orig_mod.{}", "_orig_mod.module.{}", "gru."])
def test_a_checkpoint_of_a_wrapped_model_is_read_as_that_of_the_model(
    tmp_path: Path, wrapped: str
) -> None:
    plain = TutorialModel("general", 4, 2, 1).checkpoint()
    torch.save(plain, tmp_path / "plain.tar")
    values = dict(plain)
    for part in ("en", "de"):
        values[part] = {
            name.replace("gru.", "gru._orig_mod.") if wrapped == "gru." else wrapped.format(name): t
            for name, t in plain[part].items()
        }
    torch.save(values, tmp_path / "a.tar")
    expected = TutorialCheckpoint.read(tmp_path / "plain.tar")
    found = TutorialCheckpoint.read(tmp_path / "a.tar")
    assert (found.encoder_layers, found.decoder_layers, found.attention) == (2, 1, "general")
    for theirs, ours in ((expected.encoder, found.encoder), (expected.decoder, found.decoder)):
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_a_name_that_is_there_with_and_without_its_wrapper_is_refused(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["en"]["module.gru.bias_ih_l0"] = values["en"]["gru.bias_ih_l0"]
    torch.save(values, tmp_path / "a.tar")
    with pytest.raises(CheckpointError, match=r"gru\.bias_ih_l0 twice, as module\.gru"):
        TutorialCheckpoint.read(tmp_path / "a.tar")


@pytest.mark.parametrize("which", ["checkpoint", "vocabulary"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, which: str) -> None:
    pipe = tmp_path / "pipe.tar"
    os.mkfifo(pipe)
    model = TutorialModel("dot", 4, 1, 1, ancestor=True).save(tmp_path / "a.tar")
    files = (pipe, None) if which == "checkpoint" else (model, pipe)
    with pytest.raises(CheckpointError, match=r"pipe\.tar cannot be read \(not a regular file\)"):
        TutorialCheckpoint.read(*files)


def foreign(kind: str) -> bytes:
    """A file that is no checkpoint."""
    content = io.BytesIO()
    match kind:
        case "empty":
            pass
        case "text":
            content.write(b"hello\nhow are you?\n" * 50)
        case "zip":
            with zipfile.ZipFile(content, "w") as archive:
                archive.writestr("a/data.txt", "hello")
        case "tar":
            with tarfile.open(fileobj=content, mode="w") as archive:
                archive.addfile(tarfile.TarInfo("a"))
        case "HDF5":
            content.write(b"\x89HDF\r\n\x1a\n" + bytes(200))
        case "pickle":
            content.write(pickle.dumps({"en": {}, "de": {}}))
        case "TorchScript":
            torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), content)
        case "a module":
            torch.save(torch.nn.Linear(1, 1), content)
        case "a state dict":
            torch.save(torch.nn.Linear(1, 1).state_dict(), content)
        case "a tensor":
            torch.save(torch.ones(2), content)
    return content.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        *("empty", "text", "zip", "tar", "HDF5", "pickle", "TorchScript", "a module"),
        *("a state dict", "a tensor"),
    ],
)
def test_a_foreign_file_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(foreign(kind))
    with pytest.raises(CheckpointError, match=r"a\.tar.*4000_checkpoint\.tar"):
        TutorialCheckpoint.read(path)


def test_a_folder_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.tar"):
        with pytest.raises(CheckpointError, match="4000_checkpoint"):
            TutorialCheckpoint.read(path)


@pytest.fixture(scope="module", params=["zip", "legacy"])
def content(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "a.tar"
    return TutorialModel("dot", 4, 1, 1).save(path, legacy=request.param == "legacy").read_bytes()


@given(data=st.data())
def test_a_file_that_is_cut_short_is_an_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.tar"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(CheckpointError):
        TutorialCheckpoint.read(path)


@given(data=st.data())
def test_a_file_with_wrong_bytes_is_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(content)
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        damaged[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.tar"
    path.write_bytes(damaged)
    with contextlib.suppress(CheckpointError):
        TutorialCheckpoint.read(path)


def test_the_ancestors_vocabulary_is_missed_by_name(tmp_path: Path) -> None:
    path = TutorialModel("dot", 4, 1, 1, ancestor=True).save(tmp_path / "a.tar")
    (tmp_path / "voc.tar").unlink()
    with pytest.raises(CheckpointError, match=r"no voc\.tar beside it; .* --vocabulary"):
        TutorialCheckpoint.read(path)
    with pytest.raises(CheckpointError, match=r"other\.tar does not exist"):
        TutorialCheckpoint.read(path, tmp_path / "other.tar")


def test_a_vocabulary_of_another_checkpoint_is_an_error(tmp_path: Path) -> None:
    model = TutorialModel("dot", 4, 1, 1, ancestor=True)
    path = model.save(tmp_path / "a.tar")
    model.voc.index2word[len(model.voc.index2word)] = "more"
    model.voc.word2index["more"] = len(model.voc.index2word) - 1
    model.voc.n_words += 1
    save_voc(model.voc, tmp_path / "voc.tar", legacy=True)
    with pytest.raises(CheckpointError, match="210 words and its vocabulary has 211"):
        TutorialCheckpoint.read(path)
    (tmp_path / "voc.tar").write_bytes(foreign("a tensor"))
    with pytest.raises(CheckpointError, match=r"voc\.tar has no index2word"):
        TutorialCheckpoint.read(path)
