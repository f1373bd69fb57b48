"""GRU decoder with Luong attention."""

import torch
from torch import Tensor, nn

from bot.model.attention import LuongAttention


class Decoder(nn.Module):
    """Turns target embeddings into attentional vectors, from which the next token is predicted.

    The attentional vector is not fed back (no input feeding), as in the PyTorch chatbot tutorial:
    with gold tokens at hand a whole target is one GRU call, and T is 1 in search.

    :param embedding_size: E, also the size of the attentional vector
    :param hidden_size: H
    :param layers: L
    :param score: the attention score
    :param dropout: between layers
    """

    def __init__(
        self, embedding_size: int, hidden_size: int, layers: int, score: str, dropout: float
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(
            embedding_size,
            hidden_size,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.attention = LuongAttention(score, hidden_size)
        self.combine = nn.Linear(2 * hidden_size, embedding_size)

    def forward(
        self, embedded: Tensor, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance by T tokens.

        :param embedded: embeddings of the previous tokens, (B, T, E)
        :param state: (L, B, H)
        :param memory: from the encoder, (B, S, H)
        :param keys: the attention's keys for that memory, (B, S, H)
        :param mask: bool, (B, S)
        :return: attentional vectors, (B, T, E); the new state, (L, B, H); attention weights,
            (B, T, S). Luong et al., equation 5: ``tanh(W [context; query])``
        """
        query, state = self.gru(embedded, state)  # (B, T, H), (L, B, H)
        weights = self.attention(query, keys, mask)
        context = weights @ memory  # (B, T, H)
        attentional = torch.tanh(self.combine(torch.cat((query, context), dim=2)))
        return attentional, state, weights
