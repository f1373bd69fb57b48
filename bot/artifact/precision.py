"""Which of a version's searchers is served, and in which numbers it computes.

``fp32``    ``searcher.pt`` in float32, the reference on every device
``half``    ``searcher.pt`` in float16, for CUDA
``int8``    ``searcher-int8.pt``, for CPUs
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from bot.artifact.manifest import INT8_SEARCHER_FILE, Manifest
from bot.artifact.options import check_precision
from bot.errors import SearcherError, UsageError


@contextmanager
def quantised_tensors() -> Iterator[None]:
    """In this context torch does not warn that a later version will drop quantised tensors.

    torch is pinned to a minor version that has them, so nobody could act on the warning.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"torch\.quantize_per_tensor, ", UserWarning)
        yield


def int8_works() -> bool:
    """Whether this CPU and this build of torch multiply int8 weights with 8-bit inputs exactly.

    On CPUs without VNNI a kernel may add pairs of products in 16 bits, which saturate, and some
    builds have no kernel at all. So a product of extreme values is compared with the right one.
    """
    rows, columns = torch.arange(33).unsqueeze(1), torch.arange(70).unsqueeze(0)
    # The first row has one sign throughout, the others change it every 1, 2, 3, ... columns.
    signs = (columns // rows.clamp(min=1)) % 2 * rows.clamp(max=1)  # (33, 70)
    weights = 127.0 - 255.0 * signs[:20]  # 127 and -128
    inputs = 127.0 - 255.0 * signs  # 255 and 0, less the zero point
    try:
        with quantised_tensors():
            packed = torch.ops.quantized.linear_prepack(
                torch.quantize_per_channel(
                    weights, torch.ones(20), torch.zeros(20, dtype=torch.long), 0, torch.qint8
                ),
                None,
            )
        multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        products = multiply(inputs, 1.0, 128, packed)  # (33, 20)
    except (RuntimeError, AttributeError):  # AttributeError: there is no such operator
        return False
    return torch.equal(products.double(), inputs.double() @ weights.double().T)


def resolve_precision(
    precision: str, device: str, manifest: Manifest, works: Callable[[], bool] = int8_works
) -> str:
    """The precision to serve in: ``auto`` becomes the fastest that the version has here.

    That is ``half`` on CUDA, and on a CPU ``int8`` if the version has it and the CPU can run it,
    else ``fp32``.

    :param precision: ``auto``, ``fp32``, ``int8`` or ``half``
    :param device: ``cpu`` or ``cuda``
    :param works: whether int8 works here; asked only if that matters
    :raises UsageError: if the precision is unknown, or cannot be had on this device or CPU
    :raises SearcherError: if the version has no searcher of that precision
    """
    check_precision(precision)
    has_int8 = INT8_SEARCHER_FILE in manifest.files
    if precision == "auto":
        if device == "cuda":
            return "half"
        return "int8" if has_int8 and works() else "fp32"
    if precision == "int8":
        if device == "cuda":
            raise UsageError("int8 is for the CPU; use half or fp32 on cuda, or the device cpu.")
        if not has_int8:
            raise SearcherError(
                f"{manifest.name}/{manifest.version} has no int8 variant; export its training run"
                " again without --no-int8, or use fp32."
            )
        if not works():
            raise UsageError(
                "int8 does not work with this CPU and this build of torch; use auto or fp32."
            )
    return precision
