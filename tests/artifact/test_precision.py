import os
import platform
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import INT8_SEARCHER_FILE, MANIFEST_FILE, SEARCHER_FILE, Manifest
from bot.artifact.precision import int8_works, quantised_tensors, resolve_precision
from bot.artifact.store import ModelStore
from bot.errors import DigestError, SearcherError, UsageError

ROOT = Path(__file__).parents[2]

needs_int8 = pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")

Publish = Callable[..., Path]


@pytest.fixture
def publish(
    store: ModelStore, files_with_int8: dict[str, bytes], fields: dict[str, Any]
) -> Publish:
    """Publishes a version of both searchers, less or other than some of its files."""

    def publish(without: str = "", **contents: bytes) -> Path:
        files = {k: v for k, v in files_with_int8.items() if k != without}
        replaced = {f"{name.replace('_', '-')}.pt": value for name, value in contents.items()}
        return store.publish("tiny", files | replaced, **fields)

    return publish


@pytest.mark.parametrize(
    ("device", "variant", "works", "expected"),
    [
        ("cpu", True, True, "int8"),
        ("cpu", True, False, "fp32"),
        ("cpu", False, True, "fp32"),
        ("cuda", True, True, "half"),
        ("cuda", False, False, "half"),
    ],
)
def test_auto_is_the_fastest_that_the_version_has_and_the_machine_can_run(
    publish: Publish, device: str, variant: bool, works: bool, expected: str
) -> None:
    manifest = Manifest.read(publish("" if variant else INT8_SEARCHER_FILE))
    assert resolve_precision("auto", device, manifest, lambda: works) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("precision", ["fp32", "half"])
def test_the_reference_and_half_precision_can_be_had_everywhere(
    publish: Publish, device: str, precision: str
) -> None:
    manifest = Manifest.read(publish(INT8_SEARCHER_FILE))
    assert resolve_precision(precision, device, manifest, lambda: False) == precision


def test_int8_that_cannot_be_had_is_an_error_that_says_what_can(publish: Publish) -> None:
    manifest = Manifest.read(publish())
    assert resolve_precision("int8", "cpu", manifest, lambda: True) == "int8"
    with pytest.raises(UsageError, match="int8 is for the CPU; use half or fp32 on cuda"):
        resolve_precision("int8", "cuda", manifest, lambda: True)
    with pytest.raises(UsageError, match=r"does not work with this CPU .*; use auto or fp32"):
        resolve_precision("int8", "cpu", manifest, lambda: False)
    without = Manifest.read(publish(INT8_SEARCHER_FILE))
    with pytest.raises(SearcherError, match="tiny/2 has no int8 variant; export its training run"):
        resolve_precision("int8", "cpu", without, lambda: True)


def test_an_unknown_precision_is_a_usage_error(publish: Publish) -> None:
    with pytest.raises(UsageError, match="'int4' is not a precision; use auto, fp32, int8 or half"):
        Artifact.load(publish(), precision="int4")


# What the environment may forbid: the kernels of this instruction set saturate at 16 bits.
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the kernels of AVX2 are meant")
def test_kernels_that_saturate_are_found_out() -> None:
    script = "from bot.artifact.precision import int8_works; print(int8_works())"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"FBGEMM_ENABLE_INSTRUCTIONS": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "False"


def test_a_build_without_the_operator_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(name for name in ("qnnpack", "onednn") if name in _engines())
    monkeypatch.setattr(torch.backends.quantized, "engine", other)
    assert not int8_works()


def _engines() -> list[str]:
    return torch.backends.quantized.supported_engines


def test_torchs_warning_about_quantised_tensors_and_no_other_is_silenced() -> None:
    torch.set_warn_always(True)  # else the first test to make one would be the only one warned
    try:
        with pytest.warns(UserWarning, match="quantized tensor creation"):
            torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)
        with quantised_tensors():
            torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)
            torch.quantize_per_channel(
                torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8
            )
            with pytest.raises(UserWarning, match="something else"):  # an error, as in all tests
                warnings.warn("something else", UserWarning, stacklevel=1)
    finally:
        torch.set_warn_always(False)


@needs_int8
def test_auto_loads_and_packs_int8_where_it_works(publish: Publish) -> None:
    artifact = Artifact.load(publish())
    assert artifact.precision == "int8"
    assert artifact.search([[5, 2]], 9) == [[]]


@needs_int8
def test_int8_keeps_the_types_of_its_buffers(publish: Publish) -> None:
    buffers = dict(Artifact.load(publish(), precision="int8")._searcher.named_buffers())
    assert buffers["weights"].dtype == torch.int8
    assert buffers["scales"].dtype == torch.float16


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("half", torch.float16)])
def test_the_other_precisions_are_the_same_weights(
    publish: Publish, half_rounded_searcher: nn.Module, precision: str, dtype: torch.dtype
) -> None:
    artifact = Artifact.load(publish(searcher_int8=b"is not looked into"), precision=precision)
    assert artifact.precision == precision
    weights = dict(artifact._searcher.named_parameters())
    assert {weight.dtype for weight in weights.values()} == {dtype}
    for name, weight in half_rounded_searcher.named_parameters():
        assert torch.equal(weights[name].float(), weight)
    (reply,) = artifact.search([[5, 6, 2]], 9)
    assert len(reply) > 1


def test_a_version_without_int8_is_served_in_fp32(publish: Publish) -> None:
    path = publish(INT8_SEARCHER_FILE)
    assert Artifact.load(path).precision == "fp32"
    with pytest.raises(SearcherError, match="no int8 variant"):
        Artifact.load(path, precision="int8")


@needs_int8
def test_the_bytes_and_weights_of_the_other_searcher_are_not_kept(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = 20_000_000
    path = publish(searcher=bytes(other))  # no TorchScript: deserialised, it would be an error
    genuine, memory = torch.jit.load, []

    def load(*args: Any, **kwargs: Any) -> Any:
        memory.append(tracemalloc.get_traced_memory())
        return genuine(*args, **kwargs)

    monkeypatch.setattr(torch.jit, "load", load)
    tracemalloc.start()
    try:
        artifact = Artifact.load(path, precision="int8")
    finally:
        tracemalloc.stop()
    assert artifact.search([[5, 2]], 9) == [[]]
    ((kept, peak),) = memory
    assert peak > other, "its digest is checked all the same"
    assert kept < other / 10


@pytest.mark.parametrize("precision", ["auto", "fp32", "half"])
@pytest.mark.parametrize("name", [SEARCHER_FILE, INT8_SEARCHER_FILE])
def test_a_flipped_bit_in_either_searcher_is_a_digest_error_before_anything_is_deserialised(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, precision: str, name: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("deserialised before the check")

    monkeypatch.setattr(torch.jit, "load", refuse)
    monkeypatch.setattr("bot.artifact.artifact.Tokenizer.from_json", refuse)
    path = publish()
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(DigestError) as caught:
        Artifact.load(path, precision=precision)
    assert str(path / name) in str(caught.value)


@needs_int8
def test_a_variant_that_cannot_be_packed_is_a_searcher_error_that_names_it(
    publish: Publish, files: dict[str, bytes]
) -> None:
    path = publish(searcher_int8=files[SEARCHER_FILE])
    with pytest.raises(SearcherError, match=r"searcher-int8\.pt: the searcher cannot be loaded"):
        Artifact.load(path)


def test_a_manifest_says_which_precisions_a_version_has(publish: Publish) -> None:
    assert Manifest.read(publish()).precisions == ("fp32", "half", "int8")
    path = publish(INT8_SEARCHER_FILE)
    assert Manifest.read(path).precisions == ("fp32", "half")
    assert INT8_SEARCHER_FILE not in (path / MANIFEST_FILE).read_text()
