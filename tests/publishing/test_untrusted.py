"""Files that strangers made: nothing that they hold is run."""

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tutorial_model import TutorialModel, save_voc

from bot.errors import CheckpointError
from bot.publishing.untrusted import Attributes, load_untrusted


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, function: Any, *arguments: str) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture(params=["os.system", "exec", "getattr"])
def payload(request: pytest.FixtureRequest, marker: Path) -> Payload:
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    if request.param == "os.system":
        return Payload(os.system, f"touch {marker}")
    if request.param == "exec":
        return Payload(builtins.exec, code)
    return Payload(getattr, Payload(builtins.eval, code), "__doc__")


def refused(path: Path, marker: Path, **options: str) -> str:
    with pytest.raises(CheckpointError, match="nothing in it was run") as error:
        load_untrusted(path, "a checkpoint", **options)
    assert not marker.exists()
    assert str(path) in str(error.value)
    return str(error.value)


def test_the_payload_would_run_elsewhere(payload: Payload, marker: Path) -> None:
    pickle.loads(pickle.dumps(payload, 2))
    assert marker.exists()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("where", ["alone", "as a value", "beside good weights"])
def test_a_malicious_checkpoint_runs_nothing(
    payload: Payload, marker: Path, tmp_path: Path, where: str, *, legacy: bool
) -> None:
    good = TutorialModel("dot", 4, 1, 1).checkpoint()
    content: Any = {"alone": payload, "as a value": {"en": payload}}.get(where)
    content = content or good | {"loss": payload}
    path = tmp_path / "evil.tar"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    refused(path, marker)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_vocabulary_runs_nothing(
    payload: Payload, marker: Path, tmp_path: Path, *, legacy: bool
) -> None:
    voc = TutorialModel("dot", 4, 1, 1, ancestor=True).voc
    voc.word2index["hello"] = payload  # type: ignore[assignment] # the wrong type is the point
    path = tmp_path / "voc.tar"
    save_voc(voc, path, legacy=legacy)
    refused(path, marker, allowed_class="Voc")


def test_a_function_that_calls_itself_by_the_allowed_name_is_not_called(
    marker: Path, tmp_path: Path
) -> None:
    # What pickle writes for the call of a function, renamed: os.Voc("touch ...").
    path = tmp_path / "voc.tar"
    torch.save(Payload(os.system, f"touch {marker}"), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"cposix\nsystem\n", b"cload\nVoc\n"))
    with pytest.raises(CheckpointError):
        load_untrusted(path, "a vocabulary", allowed_class="Voc")
    assert not marker.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_an_allowed_class_is_read_as_attributes(tmp_path: Path, *, legacy: bool) -> None:
    voc = TutorialModel("dot", 4, 1, 1, ancestor=True).voc
    path = tmp_path / "voc.tar"
    save_voc(voc, path, legacy=legacy)
    loaded = load_untrusted(path, "a vocabulary", allowed_class="Voc")
    assert isinstance(loaded, Attributes)
    assert vars(loaded) == vars(voc)
    with pytest.raises(CheckpointError, match=r"load\.Voc"):
        load_untrusted(path, "a checkpoint")


def test_no_class_stays_allowed(tmp_path: Path) -> None:
    before = torch.serialization.get_safe_globals()
    save_voc(TutorialModel("dot", 4, 1, 1, ancestor=True).voc, tmp_path / "voc", legacy=True)
    load_untrusted(tmp_path / "voc", "a vocabulary", allowed_class="Voc")
    assert torch.serialization.get_safe_globals() == before
