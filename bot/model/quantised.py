"""The model with 8-bit weights, for search on a CPU: what int8 is served with.

A matrix product there takes as long as its weights take to come from memory, so a quarter of the
bytes is a quarter of the time. Sums of integers are exact: a row's results are the same bits in
every batch. What is left in floating point is element by element, or reduces each row by itself.

Each class does what its sibling in float32 does, with this algebra (``assemble`` in
``bot/publishing/quantisation.py`` folds the factors into the weights, ``bot/model/int8.py``
multiplies):

1. A weight is ``scales[n] * values[n]`` in row n: int8 from -127 to 127, zero point 0. An input x
   is rounded to ``q = round(127 x) + 128``: scale 1 / 127, zero point 128, the same for every
   input, so that no row depends on its batch. Hence ``y[n] = scales[n] / 127 * sum of values[n] *
   (q - 128) + b[n]``, and every input must lie between -1 and 1.
2. GRU states, their weighted means and attentional vectors do. Embeddings do not: each row of an
   encoder layer's input is divided by its largest number, its product is multiplied by it, and
   the bias is added afterwards.
3. The memory is the mean of the encoder's two directions, not their sum, which reaches 2. Whatever
   reads it makes up for that with a factor of 2: the keys of ``dot`` are twice the memory; for
   ``general`` and ``concat`` the memory's projection has doubled weights; so has the context's
   half of ``W [query; context] + b``, which is ``(W_q query + b) + (2 W_c) mean``.
4. A GRU's reset gate has its weights negated and its candidate has them doubled, see ``gates``.
5. The decoder's lowest layer has no product with its input: ``W e + b`` of every embedding e is in
   a table, float16, which ``pack`` computes.
6. ``precise``: every input has 15 bits, in two bytes, and so have the weights of the decoder's top
   layer and of the attentional vector. The likeliest tokens' logits are computed again, from
   weights in float16.
"""

from typing import cast

import torch
from torch import Tensor, nn

from bot.model.int8 import Int8Linear, gates
from bot.model.search import GreedySearcher
from bot.model.seq2seq import Seq2Seq

SOFTMAX_LANES = 16  # float32 numbers in the widest vector registers


class BothDirections(nn.Module):
    """The steps of a layer's two directions, which are taken together.

    :param forwards, backwards: (3 H, H), of the state
    """

    def __init__(self, forwards: Int8Linear, backwards: Int8Linear, hidden_size: int) -> None:
        super().__init__()
        self.forwards = forwards
        self.backwards = backwards
        self.hidden_size = hidden_size

    def forward(self, forward_input: Tensor, backward_input: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, (B, S, H) each, from input products, (B, S, 3 H) each.

        :param backward_input: of the source whose tokens are reversed; so is its output
        """
        B = forward_input.size(0)
        state = torch.zeros((2 * B, self.hidden_size))
        outputs: list[Tensor] = []
        for step_input in torch.cat((forward_input, backward_input)).unbind(1):  # (2 B, 3 H)
            rows = self.forwards.widen(state)
            half = rows.size(0) // 2
            products = self.forwards.product(rows[:half]), self.backwards.product(rows[half:])
            state = gates(step_input, self.forwards.narrow(torch.cat(products)), state)
            outputs.append(state)
        output = torch.stack(outputs, dim=1)
        return output[:B], output[B:]


class EncoderLayer(nn.Module):
    """A layer of the encoder.

    :param inputs: (6 H, K), of the forward direction and then of the backward one
    :param bias: (6 H,)
    """

    bias: Tensor

    def __init__(self, inputs: Int8Linear, bias: Tensor, steps: BothDirections) -> None:
        super().__init__()
        self.inputs = inputs
        self.register_buffer("bias", bias)
        self.steps = steps

    def forward(self, x: Tensor, reversal: Tensor) -> tuple[Tensor, Tensor]:
        """As ``BothDirections``, from what the layer reads, (B, S, K).

        :param reversal: int64, (B S,), see ``QuantisedEncoder``
        """
        B, S, K = x.size()
        # Embeddings have no bounds, so each row is brought to between -1 and 1.
        largest = x.abs().amax(dim=2, keepdim=True).clamp_(min=1e-9)
        products = self.inputs((x / largest).view(B * S, K))  # of all tokens at once
        products = torch.addcmul(self.bias, products, largest.view(B * S, 1))
        forwards, backwards = products.chunk(2, dim=1)
        backwards = backwards.index_select(0, reversal)
        outputs: tuple[Tensor, Tensor] = self.steps(
            forwards.view(B, S, -1), backwards.view(B, S, -1)
        )
        return outputs


class QuantisedEncoder(nn.Module):
    """``Encoder`` with 8-bit weights."""

    def __init__(self, layers: list[EncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Encoder``, but the two directions' outputs side by side, (B, S, 2 H)."""
        B, S, _ = embedded.size()
        positions = torch.arange(S).unsqueeze(0)
        firsts = torch.arange(B).unsqueeze(1) * S  # of rows that follow one another
        last = (lengths - 1).unsqueeze(1)
        # Where each token of the reversed source comes from, as in ``Encoder``.
        reversal = torch.where(positions <= last, last - positions, positions)
        reversal = (firsts + reversal).view(B * S)
        ends = (firsts + last).view(B)
        states: list[Tensor] = []
        outputs = embedded
        for layer in self.layers:
            forwards, backwards = layer(outputs, reversal)
            H = forwards.size(2)
            backwards = backwards.reshape(B * S, H)
            states.append(forwards.reshape(B * S, H).index_select(0, ends))
            states.append(backwards.index_select(0, ends))
            backwards = backwards.index_select(0, reversal).view(B, S, H)
            outputs = torch.cat((forwards, backwards), dim=2)
        return outputs, torch.stack(states)


class QuantisedAttention(nn.Module):
    """``LuongAttention`` for one query a row, whose results do not depend on the padding.

    :param memory_projection: for ``general`` and ``concat``
    :param query_projection: for ``concat``
    :param energy: (H,), for ``concat``
    """

    energy: Tensor

    def __init__(
        self,
        score: str,
        memory_projection: nn.Module,
        query_projection: nn.Module,
        energy: Tensor,
    ) -> None:
        super().__init__()
        self.score = score
        self.memory_projection = memory_projection
        self.query_projection = query_projection
        self.register_buffer("energy", energy)

    def keys(self, memory: Tensor) -> Tensor:
        """(B, S, H), from the mean of the encoder's directions, (B, S, H)."""
        B, S, H = memory.size()
        if self.score == "dot":
            return memory * 2.0
        keys: Tensor = self.memory_projection(memory.reshape(B * S, H))
        return keys.view(B, S, H)

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Attention weights, (B, S).

        Products and sums take each row by itself, unlike a matrix product.

        :param query: (B, H)
        :param keys: (B, S, H)
        :param mask: float32, (B, S), 0 where to attend and minus infinity elsewhere
        """
        if self.score == "concat":
            both = self.query_projection(query).unsqueeze(1) + keys
            energies: Tensor = (both.tanh_() * self.energy).sum(dim=2)
        else:
            energies = (keys * query.unsqueeze(1)).sum(dim=2)
        return energies.add_(mask).softmax(dim=1)


class QuantisedLayer(nn.Module):
    """A layer of the decoder.

    :param from_input: (3 H, H); in the lowest layer an ``InputTable``, which takes token ids
    :param from_state: (3 H, H)
    """

    def __init__(self, from_input: nn.Module, from_state: Int8Linear) -> None:
        super().__init__()
        self.from_input = from_input
        self.from_state = from_state

    def forward(self, below: Tensor, state: Tensor) -> Tensor:
        """The new state, (B, H), from that of the layer below, (B, H), or ids, (B,)."""
        return gates(self.from_input(below), self.from_state(state), state)


class QuantisedDecoder(nn.Module):
    """``Decoder`` with 8-bit weights, from token ids.

    :param layers: the lowest one with an ``InputTable``
    :param from_query, from_context: (E, H), of the attentional vector
    """

    def __init__(
        self,
        layers: list[QuantisedLayer],
        attention: QuantisedAttention,
        from_query: Int8Linear,
        from_context: Int8Linear,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.attention = attention
        self.from_query = from_query
        self.from_context = from_context

    def fill_table(self, embedding: Tensor) -> None:
        """Compute what is not in the file: once, before anything else."""
        self.layers[0].from_input.fill(embedding)

    def forward(
        self, previous_ids: Tensor, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Decoder``, from ids, (B, T), and what ``QuantisedSeq2Seq.encode`` returns."""
        states = list(state.unbind(0))
        attentionals: list[Tensor] = []
        weights: list[Tensor] = []
        for ids in previous_ids.unbind(1):
            query = ids
            for i, layer in enumerate(self.layers):
                query = layer(query, states[i])
                states[i] = query
            attention = self.attention(query, keys, mask)
            context = (attention.unsqueeze(2) * memory).sum(dim=1)
            combined = self.from_query(query).add_(self.from_context(context))
            attentionals.append(combined.tanh_())
            weights.append(attention)
        return torch.stack(attentionals, 1), torch.stack(states), torch.stack(weights, 1)


class QuantisedOutput(nn.Module):
    """The output layer.

    :param products: (V, E)
    :param weight: float16, (V, E), for the likeliest tokens' logits, which are computed again
    :param bias: float32, (V,)
    :param rescored: how many tokens those are; 0 none
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, products: Int8Linear, weight: Tensor, bias: Tensor, rescored: int) -> None:
        super().__init__()
        self.products = products
        self.rescored = rescored
        self.register_buffer("weight", weight if rescored else torch.empty(0))
        self.register_buffer("bias", bias)

    def forward(self, attentional: Tensor) -> Tensor:
        """Logits, (N, V), from (N, E)."""
        logits: Tensor = self.products(attentional)
        if self.rescored > 0:
            ids = logits.topk(self.rescored, dim=1).indices
            weight = nn.functional.embedding(ids, self.weight).float()  # (N, rescored, E)
            exact = (weight * attentional.unsqueeze(1)).sum(dim=2).add_(self.bias[ids])
            logits = logits.scatter_(1, ids, exact)
        return logits


class QuantisedSeq2Seq(nn.Module):
    """What ``Seq2Seq`` does in search, with 8-bit weights.

    :param embedding: float16, (V, E)
    """

    embedding: Tensor

    def __init__(
        self,
        embedding: Tensor,
        encoder: QuantisedEncoder,
        decoder: QuantisedDecoder,
        output: QuantisedOutput,
    ) -> None:
        super().__init__()
        self.lanes = SOFTMAX_LANES
        self.decoder_layers = len(decoder.layers)
        self.register_buffer("embedding", embedding)
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    def pack(self) -> None:
        """Compute what is not in the file: once, before anything else."""
        self.decoder.fill_table(self.embedding)

    def encode(
        self, source_ids: Tensor, source_lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As ``Seq2Seq.encode``, but the memory is the mean of the encoder's directions, not
        their sum, and the mask what ``QuantisedAttention`` takes; both are padded.
        """
        embedded = nn.functional.embedding(source_ids, self.embedding).float()
        both, states = self.encoder(embedded, source_lengths)
        S, H = both.size(1), both.size(2) // 2
        memory = (both[:, :, :H] + both[:, :, H:]) * 0.5  # from -1 to 1
        # A softmax over whole registers adds in the same order, however long the others are.
        padding = -S % self.lanes
        keys = nn.functional.pad(self.decoder.attention.keys(memory), (0, 0, 0, padding))
        memory = nn.functional.pad(memory, (0, 0, 0, padding))
        outside = torch.arange(S + padding).unsqueeze(0) >= source_lengths.unsqueeze(1)
        mask = torch.zeros(outside.size()).masked_fill(outside, float("-inf"))
        return memory, keys, mask, states[: self.decoder_layers].contiguous()

    def decode(
        self, previous_ids: Tensor, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Seq2Seq.decode``, with what ``encode`` returns."""
        attentional, state, weights = self.decoder(previous_ids, state, memory, keys, mask)
        return attentional, state, weights

    def logits(self, attentional: Tensor) -> Tensor:
        """As ``Seq2Seq.logits``, (..., V), from (..., E)."""
        B, T, E = attentional.size()
        logits: Tensor = self.output(attentional.view(B * T, E))
        return logits.view(B, T, -1)


class QuantisedSearcher(GreedySearcher):
    """``GreedySearcher`` of a quantised model; ``pack`` once before the first search."""

    def __init__(self, model: QuantisedSeq2Seq, pad_id: int, bos_id: int, eos_id: int) -> None:
        super().__init__(cast("Seq2Seq", model), pad_id, bos_id, eos_id)  # it searches as one

    def pack(self) -> None:
        """See ``QuantisedSeq2Seq.pack``."""
        self.model.pack()
