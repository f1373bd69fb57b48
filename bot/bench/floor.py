"""The memory floor: how long a search's weights take to come through the memory bus."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from bot.artifact.precision import int8_works, quantised_tensors
from bot.bench.timing import Seconds
from bot.model.seq2seq import ModelConfig

LARGE_BYTES = 256 * 2**20  # far larger than a last-level cache
COLUMNS = 512  # of the matrices that bandwidth is measured with: about a hidden size
MATRIX_VECTOR, MATRIX_VECTOR_INT8 = "matrix-vector float32", "matrix-vector int8"
READ, LARGE = "read", ", large buffer"


def streamed_bytes(config: ModelConfig, source_length: int, steps: int) -> int:
    """What a search at batch 1 has to read, with weights of one byte each.

    The encoder's weights for its inputs and the attention's keys are read once a source, because
    all source tokens can be multiplied at once; its weights for the state once a source token. The
    decoder's weights are read once a step. Both layers 0 read a row of a table instead of weights
    for their inputs: the product of the embeddings and those weights does not depend on the source,
    so no search has to compute it. Those rows, biases and activations are left out; all of them are
    less than a hundredth.

    :param source_length: in tokens, S
    :param steps: tokens written, ``EOS`` included
    """
    return (
        _once_a_source(config)
        + source_length * _once_a_source_token(config)
        + steps * _once_a_step(config)
    )


def weight_bytes(config: ModelConfig) -> int:
    """The size of all weights that ``streamed_bytes`` counts."""
    return streamed_bytes(config, 1, 1)


def _once_a_source(config: ModelConfig) -> int:
    H = config.hidden_size  # noqa: N806 (as in bot.model)
    inputs = (config.encoder_layers - 1) * 2 * (3 * H * 2 * H)
    keys = 0 if config.attention == "dot" else H * H
    return inputs + keys


def _once_a_source_token(config: ModelConfig) -> int:
    return config.encoder_layers * 2 * 3 * config.hidden_size**2


def _once_a_step(config: ModelConfig) -> int:
    H, E = config.hidden_size, config.embedding_size  # noqa: N806 (as in bot.model)
    states = config.decoder_layers * 3 * H * H
    inputs = (config.decoder_layers - 1) * 3 * H * H
    query = H * H + H if config.attention == "concat" else 0
    return states + inputs + query + 2 * H * E + E * config.vocabulary_size


@dataclass(frozen=True)
class Bandwidth:
    """How fast weights are read, in GB/s, from medians.

    By matrix-vector products, in float32 or int8, whichever is the faster.

    :param memory: over ``LARGE_BYTES``, which no cache holds
    :param cache: over as much as the int8 weights, which a large cache holds
    :param read: a sum over as much as the int8 weights: what is left when nothing is multiplied
    """

    memory: float
    cache: float
    read: float

    def memory_floor_ms(self, size: float) -> float:
        """How long reading so many bytes from memory takes at least."""
        return size / self.memory / 1e6

    def cache_floor_ms(self, size: float) -> float:
        """The same where a cache holds all weights."""
        return size / self.cache / 1e6


class BandwidthProbe:
    """Matrix-vector products that are measured beside searches.

    :param size: of the int8 weights, in bytes
    :param large: of a buffer that no cache holds
    """

    def __init__(self, size: int, large: int) -> None:
        self._bytes: dict[str, int] = {}
        works = int8_works()
        self.subjects: dict[str, Callable[[int], object]] = {}
        for suffix, wanted in (("", size), (LARGE, large)):
            matrix = torch.ones(max(1, wanted // (4 * COLUMNS)), COLUMNS)
            self.subjects[MATRIX_VECTOR + suffix] = _float_product(matrix)
            self._bytes[MATRIX_VECTOR + suffix] = matrix.numel() * 4
            if not suffix:
                self.subjects[READ] = _read(matrix)
                self._bytes[READ] = matrix.numel() * 4
            if works:
                rows = max(1, wanted // COLUMNS)
                self.subjects[MATRIX_VECTOR_INT8 + suffix] = _int8_product(rows)
                self._bytes[MATRIX_VECTOR_INT8 + suffix] = rows * COLUMNS

    def bandwidth(self, seconds: dict[str, Seconds]) -> Bandwidth:
        """From the measurements of all subjects."""
        rates = {
            name: size / float(torch.tensor(seconds[name]).median()) / 1e9
            for name, size in self._bytes.items()
        }
        read = rates.pop(READ)
        return Bandwidth(
            memory=max(rate for name, rate in rates.items() if name.endswith(LARGE)),
            cache=max(rate for name, rate in rates.items() if not name.endswith(LARGE)),
            read=read,
        )


def _float_product(matrix: torch.Tensor) -> Callable[[int], object]:
    vector = torch.ones(matrix.size(1))
    return lambda _: matrix.mv(vector)


def _read(matrix: torch.Tensor) -> Callable[[int], object]:
    return lambda _: matrix.sum()


def _int8_product(rows: int) -> Callable[[int], object]:
    """The kernel that int8 is served with."""
    scales, zero_points = torch.ones(rows).double(), torch.zeros(rows, dtype=torch.long)
    with quantised_tensors():
        weight = torch._make_per_channel_quantized_tensor(
            torch.ones(rows, COLUMNS, dtype=torch.int8), scales, zero_points, 0
        )
        packed = torch.ops.quantized.linear_prepack(weight, None)
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    vector = torch.ones(1, COLUMNS)
    return lambda _: multiply(vector, 1.0, 128, packed)
