"""Weights of 8 bits for a trained model, rounded so that their errors cancel out.

Each rounding error is made up for by the weights that are not rounded yet, as far as the inputs
that a layer really gets allow it: Frantar et al., 2022, "GPTQ", https://arxiv.org/abs/2210.17323.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from bot.model.int8 import LEVELS, InputTable, Int8Linear
from bot.model.quantised import (
    BothDirections,
    EncoderLayer,
    QuantisedAttention,
    QuantisedDecoder,
    QuantisedEncoder,
    QuantisedLayer,
    QuantisedOutput,
    QuantisedSearcher,
    QuantisedSeq2Seq,
)
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq

DAMPING = 0.001  # of the inputs' mean energy: keeps their covariance invertible
COLUMNS_AT_ONCE = 64
# Two of the widest vector registers have 32 float32 numbers, and up to four threads share a row.
LANES = 128
RESCORED = 8  # tokens a step

# From a product's name, weight (N, K) and bias (N,).
MakeLinear = Callable[[str, Tensor, Tensor], Int8Linear]


class Recorder(Int8Linear):
    """Stands for an ``Int8Linear``, computes in float32 and keeps its inputs."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        nn.Module.__init__(self)  # has nothing of what it stands for
        self.weight = weight
        self.bias = bias
        self.inputs: list[Tensor] = []

    def widen(self, x: Tensor) -> Tensor:
        """The inputs as they are."""
        return x

    def product(self, rows: Tensor) -> Tensor:
        """(rows, N), from (rows, K)."""
        self.inputs.append(rows)
        return nn.functional.linear(rows, self.weight, self.bias)

    def narrow(self, y: Tensor) -> Tensor:
        """The products as they are."""
        return y


def as_gates_want(parameter: Tensor) -> Tensor:
    """A GRU's weight or bias, (3 H, ...): reset gate, update gate, candidate; see ``gates``."""
    reset, update, candidate = parameter.chunk(3)
    return torch.cat((-reset, update, 2.0 * candidate))


def widened(model: Seq2Seq) -> Seq2Seq:
    """The same model with a hidden size that is a multiple of ``LANES``; what is new stays 0.

    ``sigmoid`` computes whole vector registers at once, and the numbers that are left over in
    another way. If rows did not fill their registers, which numbers are left over would depend on
    the batch and on how threads share it out.
    """
    hidden_size = -(-model.encoder.hidden_size // LANES) * LANES
    if hidden_size == model.encoder.hidden_size:
        return model
    config = ModelConfig(
        model.embedding.num_embeddings,
        model.embedding.embedding_dim,
        hidden_size,
        len(model.encoder.forwards),
        model.decoder_layers,
        model.decoder.attention.score,
        tie_embeddings=model.output.weight is model.embedding.weight,
    )
    wide = Seq2Seq(config).eval().requires_grad_(requires_grad=False)
    for name, parameter in wide.named_parameters():
        parameter.zero_()
        narrow = model.get_parameter(name)
        if narrow.size() == parameter.size():
            parameter.copy_(narrow)
            continue
        # Along each dimension a size is made of equal parts: gates, directions, query and context.
        parts = [
            wide_size // hidden_size if wide_size != narrow_size else 1
            for wide_size, narrow_size in zip(parameter.size(), narrow.size(), strict=True)
        ]
        shape = [x for n, size in zip(parts, parameter.size(), strict=True) for x in (n, size // n)]
        old = [x for n, size in zip(parts, narrow.size(), strict=True) for x in (n, size // n)]
        parameter.view(shape)[tuple(slice(size) for size in old)] = narrow.reshape(old)
    return wide


def assemble(model: Seq2Seq, make_linear: MakeLinear, rescored: int) -> QuantisedSeq2Seq:
    """The quantised model, whose products are what ``make_linear`` makes of their weights.

    :param rescored: see ``QuantisedOutput``
    """

    def parameters(gru: nn.GRU, kind: str, layer: int) -> tuple[Tensor, Tensor]:
        names = f"weight_{kind}_l{layer}", f"bias_{kind}_l{layer}"
        weight, bias = (as_gates_want(gru.get_parameter(name)) for name in names)
        return weight, bias

    def gru_product(name: str, gru: nn.GRU, kind: str, layer: int = 0) -> Int8Linear:
        return make_linear(f"{name} {kind}", *parameters(gru, kind, layer))

    def encoder_layer(layer: int, forwards: nn.GRU, backwards: nn.GRU) -> EncoderLayer:
        both = (parameters(gru, "ih", 0) for gru in (forwards, backwards))
        weight, bias = (torch.cat(parts) for parts in zip(*both, strict=True))
        steps = BothDirections(
            gru_product(f"forwards {layer}", forwards, "hh"),
            gru_product(f"backwards {layer}", backwards, "hh"),
            hidden_size,
        )
        inputs = make_linear(f"encoder {layer} ih", weight, torch.zeros_like(bias))
        return EncoderLayer(inputs, bias, steps)

    hidden_size = model.encoder.hidden_size
    directions = zip(model.encoder.forwards, model.encoder.backwards, strict=True)
    both_grus = cast("list[tuple[nn.GRU, nn.GRU]]", list(directions))
    encoder = QuantisedEncoder([encoder_layer(i, *grus) for i, grus in enumerate(both_grus)])

    attention = model.decoder.attention
    memory_projection: nn.Module = nn.Identity()
    query_projection: nn.Module = nn.Identity()
    energy = torch.empty(0)
    if isinstance(projection := attention.memory_projection, nn.Linear):
        memory_projection = make_linear("memory", 2.0 * projection.weight, projection.bias)
    if isinstance(projection := attention.query_projection, nn.Linear):
        query_projection = make_linear("query", projection.weight, torch.zeros(hidden_size))
    if isinstance(attention.energy, nn.Linear):
        energy = attention.energy.weight[0].clone()

    gru = model.decoder.gru

    def from_input(layer: int) -> nn.Module:
        if layer == 0:
            return InputTable(*parameters(gru, "ih", 0))
        return gru_product(f"decoder {layer}", gru, "ih", layer)

    layers = [
        QuantisedLayer(from_input(i), gru_product(f"decoder {i}", gru, "hh", i))
        for i in range(model.decoder_layers)
    ]
    of_query, of_context = model.decoder.combine.weight.chunk(2, dim=1)
    bias = model.decoder.combine.bias
    decoder = QuantisedDecoder(
        layers,
        QuantisedAttention(attention.score, memory_projection, query_projection, energy),
        make_linear("combine query", of_query, bias),
        make_linear("combine context", 2.0 * of_context, torch.zeros_like(bias)),
    )
    embedding = model.embedding.weight.half()
    tied = model.output.weight is model.embedding.weight
    output = QuantisedOutput(
        make_linear("output", model.output.weight, model.output.bias),
        embedding if tied else model.output.weight.half(),
        model.output.bias,
        rescored,
    )
    return QuantisedSeq2Seq(embedding, encoder, decoder, output)


class Rounded(NamedTuple):
    """Row n of a weight is ``scales[n] * values[n]``; values int8, (N, K); scales (N,)."""

    values: Tensor
    scales: Tensor


def row_scales(weight: Tensor) -> Tensor:
    """For each row of a weight, (N, K), what makes its largest entry 127, (N,)."""
    return weight.abs().amax(dim=1).clamp(min=1e-12) / LEVELS


def round_weight(weight: Tensor, inputs: Tensor) -> Rounded:
    """Round a weight to 8 bits (GPTQ's algorithm 1, the inputs of most energy first).

    :param weight: (N, K)
    :param inputs: (any number, K), what it is multiplied with
    """
    scales = row_scales(weight)
    weight = weight.double() / scales.double().unsqueeze(1)
    energy = inputs.t().mm(inputs).double()
    energy += torch.eye(energy.size(0)) * (energy.diagonal().mean() * DAMPING + 1e-9)
    order = energy.diagonal().argsort(descending=True)
    weight, energy = weight[:, order], energy[order][:, order]
    inverse = torch.linalg.cholesky(torch.linalg.inv(energy), upper=True)
    values = torch.zeros_like(weight)
    for start in range(0, weight.size(1), COLUMNS_AT_ONCE):
        end = min(start + COLUMNS_AT_ONCE, weight.size(1))
        errors = torch.zeros_like(weight[:, start:end])
        for column in range(start, end):
            value = weight[:, column].round().clamp(-LEVELS, LEVELS)
            error = (weight[:, column] - value) / inverse[column, column]
            weight[:, column:end] -= error.outer(inverse[column, column:end])
            values[:, column], errors[:, column - start] = value, error
        weight[:, end:] -= errors.mm(inverse[start:end, end:])
    return Rounded(values[:, order.argsort()].to(torch.int8), scales)


def split_weight(weight: Tensor) -> tuple[Rounded, Tensor]:
    """A weight, (N, K), in 15 bits: rounded to 8, and the ``residual`` of ``Int8Linear``."""
    scales = row_scales(weight)
    levels = weight / scales.unsqueeze(1)
    values = levels.round()
    residual = ((levels - values) * LEVELS).round()
    return Rounded(values.to(torch.int8), scales), residual.to(torch.int8)


def quantise(
    searcher: GreedySearcher,
    source_ids: Tensor,
    source_lengths: Tensor,
    target_ids: Tensor,
    *,
    precise: bool,
) -> QuantisedSearcher:
    """The searcher with 8-bit weights, in evaluation mode, to be scripted and then packed.

    :param searcher: in evaluation mode, in float32, on the CPU
    :param source_ids, source_lengths, target_ids: calibration data, pairs that the model was
        trained on, as ``GreedySearcher.target_scores`` takes them
    :param precise: for models whose likeliest tokens are often a hair apart. Inputs have 15 bits
        instead of 8, and so have the weights that replies depend on most (the decoder's top layer
        and the attentional vector); the likeliest tokens' logits are computed again in float32. A
        reply takes about half as long again
    """
    recorders: dict[str, Recorder] = {}
    top = searcher.model.decoder_layers - 1
    fine = {f"decoder {top} ih", f"decoder {top} hh", "combine query", "combine context"}

    def record(name: str, weight: Tensor, bias: Tensor) -> Int8Linear:
        recorders[name] = Recorder(weight, bias)
        return recorders[name]

    def make(name: str, weight: Tensor, bias: Tensor) -> Int8Linear:
        if precise and name in fine:
            rounded, residual = split_weight(weight)
            return Int8Linear(*rounded, bias, precise=precise, residual=residual)
        rounded = round_weight(weight, torch.cat(recorders[name].inputs))
        return Int8Linear(*rounded, bias, precise=precise)

    ids = searcher.pad_id, searcher.bos_id, searcher.eos_id
    with torch.no_grad():
        model = widened(searcher.model)
        recording = QuantisedSearcher(assemble(model, record, rescored=0), *ids)
        recording.pack()
        # Pairs of the same lengths together: inputs that come from padding would mislead.
        sizes = torch.stack((source_lengths, (target_ids != searcher.pad_id).sum(dim=1)), dim=1)
        for size in sizes.unique(dim=0):
            rows = (sizes == size).all(dim=1)
            recording.target_scores(
                source_ids[rows, : size[0]], source_lengths[rows], target_ids[rows, : size[1]]
            )
        rescored = min(RESCORED, searcher.model.output.out_features) if precise else 0
        return QuantisedSearcher(assemble(model, make, rescored), *ids).eval()
