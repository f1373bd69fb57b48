"""The searcher of PyTorch's tutorial "Deploying a Seq2Seq Model with the Hybrid Frontend", written
again with the weights of a model of ours.

Its parts are as there: an encoder and a decoder that were traced with one sentence, and a scripted
loop around them. One source at a time, sequences time first, a packed bidirectional GRU, dropout
layers that do nothing, a softmax over the vocabulary before the maximum, and in each step one
concatenation of all tokens so far and one of all scores. The loop runs to its maximum length,
whatever it writes. Only for comparison: the service never loads this.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bot.model.attention import LuongAttention
from bot.model.search import GreedySearcher
from bot.model.seq2seq import Seq2Seq

TRACED_LENGTH = 10  # of the sentence that the tutorial traces with


class _Encoder(nn.Module):
    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.embedding = model.embedding
        self.hidden_size = model.encoder.hidden_size
        layers = len(model.encoder.forwards)
        self.gru = nn.GRU(
            model.embedding.embedding_dim, self.hidden_size, layers, bidirectional=True
        )
        directions = (("", model.encoder.forwards), ("_reverse", model.encoder.backwards))
        for suffix, grus in directions:
            for layer, ours in enumerate(grus):
                for name, weight in ours.named_parameters():
                    theirs = f"{name.removesuffix('_l0')}_l{layer}{suffix}"
                    getattr(self.gru, theirs).data.copy_(weight)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, (S, 1, H), and last states, (2 L, 1, H), of a source, (S, 1)."""
        packed = pack_padded_sequence(self.embedding(source), lengths)
        output, state = self.gru(packed)
        unpacked, _ = pad_packed_sequence(output)
        H = self.hidden_size  # noqa: N806 (as in bot.model)
        return unpacked[:, :, :H] + unpacked[:, :, H:], state


class _Attention(nn.Module):
    def __init__(self, ours: LuongAttention) -> None:
        super().__init__()
        self.score = ours.score
        if ours.score == "general":
            self.linear = ours.memory_projection
        elif ours.score == "concat":
            weights = ours.state_dict()
            names = "query_projection.weight", "memory_projection.weight"
            weight = torch.cat([weights[name] for name in names], dim=1)
            bias = weights["memory_projection.bias"]
            self.linear = nn.Linear(weight.size(1), weight.size(0))
            self.linear.load_state_dict({"weight": weight, "bias": bias})
            self.v = nn.Parameter(weights["energy.weight"][0])

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Weights, (1, 1, S), for a query, (1, 1, H), over the memory, (S, 1, H)."""
        if self.score == "concat":
            both = torch.cat((query.expand(memory.size(0), -1, -1), memory), dim=2)
            energies = (self.v * torch.tanh(self.linear(both))).sum(dim=2)
        elif self.score == "general":
            energies = (query * self.linear(memory)).sum(dim=2)
        else:
            energies = (query * memory).sum(dim=2)  # (S, 1)
        return energies.t().softmax(dim=1).unsqueeze(1)


class _Decoder(nn.Module):
    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.embedding = model.embedding
        self.dropout = nn.Dropout(0.1)
        self.gru = nn.GRU(
            model.embedding.embedding_dim, model.encoder.hidden_size, model.decoder_layers
        )
        self.gru.load_state_dict(model.decoder.gru.state_dict())
        self.attention = _Attention(model.decoder.attention)
        self.concat = model.decoder.combine
        self.out = model.output

    def forward(self, token: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities, (1, V), and the new state after a token, (1, 1)."""
        embedded = self.dropout(self.embedding(token))
        output, state = self.gru(embedded, state)
        weights = self.attention(output, memory)
        context = weights.bmm(memory.transpose(0, 1))
        both = torch.cat((output.squeeze(0), context.squeeze(1)), dim=1)
        return self.out(torch.tanh(self.concat(both))).softmax(dim=1), state


class _GreedySearchDecoder(nn.Module):
    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, layers: int, bos_id: int, device: str
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.layers = layers
        self.bos_id = bos_id
        self.device = device

    def forward(self, source: Tensor, length: Tensor, max_length: int) -> tuple[Tensor, Tensor]:
        """``max_length`` tokens and their probabilities, both (max_length,)."""
        memory, state = self.encoder(source, length)
        state = state[: self.layers]
        token = torch.ones(1, 1, device=self.device, dtype=torch.long) * self.bos_id
        all_tokens = torch.zeros([0], device=self.device, dtype=torch.long)
        all_scores = torch.zeros([0], device=self.device)
        for _ in range(max_length):
            probabilities, state = self.decoder(token, state, memory)
            scores, token = torch.max(probabilities, dim=1)
            all_tokens = torch.cat((all_tokens, token), dim=0)
            all_scores = torch.cat((all_scores, scores), dim=0)
            token = torch.unsqueeze(token, 0)
        return all_tokens, all_scores


class TutorialSearcher:
    """The tutorial's scripted searcher.

    :param searcher: eager, in float32 and evaluation mode; its weights are used, or copied
    """

    def __init__(self, searcher: GreedySearcher, device: str = "cpu") -> None:
        model = searcher.model
        self._device = device
        encoder = _Encoder(model).to(device).eval()
        decoder = _Decoder(model).to(device).eval()
        source = torch.full((TRACED_LENGTH, 1), searcher.eos_id, device=device)
        lengths = torch.tensor([TRACED_LENGTH])  # packing wants them on the CPU
        with torch.no_grad(), warnings.catch_warnings():
            # Of checks of sizes in torch's own layers, which any sentence passes.
            warnings.simplefilter(
                "ignore",
                torch.jit.TracerWarning,  # type: ignore[attr-defined] # public, but not in __all__
            )
            traced_encoder = torch.jit.trace(encoder, (source, lengths))
            memory, state = traced_encoder(source, lengths)
            token = torch.full((1, 1), searcher.bos_id, device=device)
            traced_decoder = torch.jit.trace(
                decoder, (token, state[: model.decoder_layers], memory)
            )
        self._scripted = torch.jit.script(
            _GreedySearchDecoder(
                traced_encoder, traced_decoder, model.decoder_layers, searcher.bos_id, device
            )
        )

    def search(self, source_ids: list[int], max_length: int) -> list[int]:
        """``max_length`` tokens, what follows the first ``EOS`` included."""
        source = torch.tensor([source_ids], device=self._device).transpose(0, 1)
        length = torch.tensor([len(source_ids)])
        with torch.no_grad():
            tokens, _scores = self._scripted(source, length, max_length)
        ids: list[int] = tokens.tolist()
        return ids
