"""Odd values in a tutorial checkpoint: each is read, or refused in one sentence."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tutorial_model import TutorialModel

from bot.errors import CheckpointError
from bot.publishing.import_card import import_card
from bot.publishing.importing import ImportedModel
from bot.publishing.tutorial_checkpoint import TutorialCheckpoint

ODD: dict[str, Any] = {
    "a scalar": torch.tensor(1.0),
    "nothing": torch.empty(0),
    "no columns": torch.empty(210, 0),
    "an axis more": torch.ones(1, 210, 4),
    "integers": torch.ones(210, 4, dtype=torch.int64),
    "truths": torch.ones(210, 4, dtype=torch.bool),
    "float8": torch.ones(210, 4).to(torch.float8_e4m3fn),
    "float8 of scales": torch.ones(210, 4).to(torch.float8_e8m0fnu),
    "complex": torch.ones(210, 4, dtype=torch.complex64),
    "sparse": torch.eye(210, 4).to_sparse(),
    "meta": torch.empty(210, 4, device="meta"),
    "one number for all": torch.zeros(1, 1).expand(210, 4),
    "overlapping": torch.ones(213).as_strided((210, 4), (1, 1)),
    "too large for float32": torch.full((210, 4), 1e300, dtype=torch.float64),
    "infinite": torch.full((210, 4), float("inf")),
    "none": None,
    "a number": 1.0,
    "a huge number": 10**400,
    "no number": float("nan"),
    "a text": "\x1b[2J",
    "a list": [[1.0] * 4] * 210,
    "a mapping": {"weight": torch.ones(210, 4)},
}


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what is odd in torch, too, is about to change or to go
    ODD["sparse rows"] = torch.eye(210, 4).to_sparse_csr()
    ODD["quantised"] = torch.quantize_per_tensor(torch.ones(210, 4), 0.1, 0, torch.quint8)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_in_any_place_is_read_or_is_one_sentence(tmp_path: Path, odd: str) -> None:
    model = TutorialModel("concat", 4, 1, 1)
    places: list[tuple[str, ...]] = [(name,) for name in model.checkpoint()]
    places += [("en", name) for name in ("embedding.weight", "gru.weight_ih_l0_reverse")]
    places += [("de", name) for name in ("gru.weight_hh_l0", "gru.bias_hh_l0", "attn.v")]
    places += [("voc_dict", name) for name in vars(model.voc)]
    unread = ("en_opt", "de_opt", "embedding", "iteration", "loss")
    for place in places:
        values = parent = model.checkpoint()
        for name in place[:-1]:
            parent[name] = parent = dict(parent[name])
        parent[place[-1]] = ODD[odd]
        torch.save(values, tmp_path / "a.tar")
        found = imported_or_refused(tmp_path / "a.tar")
        if place[0] != "voc_dict":
            assert isinstance(found, ImportedModel) == (place[0] in unread), place


def imported_or_refused(path: Path) -> ImportedModel | str:
    """The model, of which a card can be written, or what is wrong with its file."""
    try:
        found = ImportedModel.read(path)
    except CheckpointError as error:
        return str(error)
    card = import_card("mine", found, "", [])
    assert "nan" not in card
    assert "\x1b" not in card
    return found


@pytest.mark.parametrize("odd", ["float8", "meta", "too large for float32", "sparse", "a scalar"])
def test_what_is_wrong_with_an_odd_tensor_is_said(tmp_path: Path, odd: str) -> None:
    values = TutorialModel("dot", 4, 1, 1).checkpoint()
    values["de"]["out.weight"] = ODD[odd]
    torch.save(values, tmp_path / "a.tar")
    message = {
        "float8": "numbers of torch.float8_e4m3fn",
        "too large for float32": "too large for single precision",
        "a scalar": r"out.weight in the shape \(\)",
    }.get(odd, "in out.weight no tensor of weights")
    with pytest.raises(CheckpointError, match=message):
        TutorialCheckpoint.read(tmp_path / "a.tar")


def test_weights_too_large_to_compute_with_are_refused(tmp_path: Path) -> None:
    values = TutorialModel("dot", 4, 1, 1).checkpoint()
    values["de"]["out.weight"] = torch.full((210, 4), 3e38)
    values["de"]["concat.bias"] = torch.full((4,), 1e3)
    torch.save(values, tmp_path / "a.tar")
    with pytest.raises(CheckpointError, match="its scores are infinite or no numbers"):
        ImportedModel.read(tmp_path / "a.tar")


@pytest.mark.parametrize(
    "loss",
    [10**400, float("nan"), "2.5", True, torch.empty(1, device="meta")],
    ids=["huge", "NaN", "text", "truth", "meta"],
)
def test_a_loss_that_is_no_number_is_unknown(tmp_path: Path, loss: object) -> None:
    values = TutorialModel("dot", 4, 1, 1).checkpoint()
    torch.save(values | {"loss": loss}, tmp_path / "a.tar")
    assert TutorialCheckpoint.read(tmp_path / "a.tar").loss is None
