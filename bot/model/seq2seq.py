"""The whole model: source ids and previous target ids in, logits out."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bot.model.decoder import Decoder
from bot.model.encoder import Encoder

# What memory allows is less; these can still be multiplied with each other.
MAX_SIZE = 100_000_000
MAX_LAYERS = 64


@dataclass(frozen=True)
class ModelConfig:
    """The sizes that make a model; the defaults are those of the PyTorch chatbot tutorial.

    :param vocabulary_size: V
    :param embedding_size: E, of the embeddings and of the attentional vector
    :param hidden_size: H
    :param encoder_layers: each of two directions
    :param decoder_layers: at most twice ``encoder_layers``, whose last states start the decoder
    :param attention: ``dot``, ``general`` or ``concat``
    :param dropout: on target embeddings and between layers, in training
    :param tie_embeddings: whether the output layer's weights are the embeddings (Press and Wolf,
        2017, https://arxiv.org/abs/1608.05859)
    :param dropout_everywhere: whether source embeddings and the output layer's input have dropout
        too, which the tutorial's have not
    """

    vocabulary_size: int
    embedding_size: int = 500
    hidden_size: int = 500
    encoder_layers: int = 2
    decoder_layers: int = 2
    attention: str = "dot"
    dropout: float = 0.1
    tie_embeddings: bool = False
    dropout_everywhere: bool = True

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "embedding_size", "hidden_size", "encoder_layers"):
            most = MAX_LAYERS if name == "encoder_layers" else MAX_SIZE
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 1 to {most:,}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be from 0 to below 1")
        if not 1 <= self.decoder_layers <= 2 * self.encoder_layers:
            raise ValueError(
                f"decoder_layers is {self.decoder_layers}; the encoder's last states can start"
                f" 1 to {2 * self.encoder_layers} layers"
            )


class Seq2Seq(nn.Module):
    """GRU encoder, Luong attention, GRU decoder; one embedding for source and target."""

    def __init__(self, config: ModelConfig, pad_id: int = 0) -> None:
        super().__init__()
        self.decoder_layers = config.decoder_layers
        self.embedding = nn.Embedding(
            config.vocabulary_size, config.embedding_size, padding_idx=pad_id
        )
        self.encoder = Encoder(
            config.embedding_size, config.hidden_size, config.encoder_layers, config.dropout
        )
        self.decoder = Decoder(
            config.embedding_size,
            config.hidden_size,
            config.decoder_layers,
            config.attention,
            config.dropout,
        )
        self.output = nn.Linear(config.embedding_size, config.vocabulary_size)
        self.dropout = nn.Dropout(config.dropout)
        self.outer_dropout = nn.Dropout(config.dropout if config.dropout_everywhere else 0.0)
        if config.tie_embeddings:
            # An output layer wants weights of this scale; the default N(0, 1) starts it at a loss
            # of hundreds of nats.
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
            self.output.weight = self.embedding.weight
            nn.init.zeros_(self.output.bias)

    def encode(
        self, source_ids: Tensor, source_lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read the source.

        :param source_ids: int64, (B, S)
        :param source_lengths: int64, (B,), each from 1 to S
        :return: memory, (B, S, H); attention keys, (B, S, H); mask, bool, (B, S); the decoder's
            first state, (decoder layers, B, H)
        """
        embedded = self.outer_dropout(self.embedding(source_ids))
        memory, states = self.encoder(embedded, source_lengths)
        positions = torch.arange(source_ids.size(1), device=source_ids.device)
        mask = positions.unsqueeze(0) < source_lengths.unsqueeze(1)
        keys = self.decoder.attention.keys(memory)
        return memory, keys, mask, states[: self.decoder_layers].contiguous()

    def decode(
        self, previous_ids: Tensor, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance the decoder by T tokens.

        :param previous_ids: int64, (B, T)
        :return: attentional vectors, (B, T, E); state, (decoder layers, B, H); attention weights,
            (B, T, S)
        """
        embedded = self.dropout(self.embedding(previous_ids))
        attentional, state, weights = self.decoder(embedded, state, memory, keys, mask)
        return attentional, state, weights

    def logits(self, attentional: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the next token, (..., V), from vectors (..., E)."""
        logits: Tensor = self.output(self.outer_dropout(attentional))
        return logits

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        """Attentional vectors under teacher forcing, (B, T, E); ``logits`` makes them predictions.

        They are returned before the output layer because most of its work on padding can then be
        left out.
        """
        memory, keys, mask, state = self.encode(source_ids, source_lengths)
        return self.decode(previous_ids, state, memory, keys, mask)[0]
