"""Global attention of Luong et al., 2015, "Effective Approaches to Attention-based Neural Machine
Translation", https://arxiv.org/abs/1508.04025, section 3.1."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Score = Literal["dot", "general", "concat"]


class LuongAttention(nn.Module):
    """Weights over the memory for each query.

    What depends on the memory alone, ``keys``, is computed once a source and not once a step.

    :param score: ``dot`` (query · memory), ``general`` (query · W memory) or ``concat``
        (v · tanh(W [query; memory])), as the paper's equation 8 names them
    :param hidden_size: H, of queries and memory alike
    """

    def __init__(self, score: str, hidden_size: int) -> None:
        super().__init__()
        if score not in get_args(Score):
            raise ValueError(f"attention score {score!r} is none of {', '.join(get_args(Score))}")
        self.score = score
        self.memory_projection: nn.Module = nn.Identity()
        self.query_projection: nn.Module = nn.Identity()
        self.energy: nn.Module = nn.Identity()
        if score != "dot":
            self.memory_projection = nn.Linear(hidden_size, hidden_size)
        if score == "concat":
            self.query_projection = nn.Linear(hidden_size, hidden_size, bias=False)
            self.energy = nn.Linear(hidden_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are compared with, (B, S, H), from the memory, (B, S, H)."""
        keys: Tensor = self.memory_projection(memory)
        return keys

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Attention weights, (B, T, S): each row sums to 1, and is 0 where the mask is ``False``.

        :param query: decoder states, (B, T, H)
        :param keys: from ``keys``, (B, S, H)
        :param mask: bool, (B, S); at least one ``True`` a row
        """
        if self.score == "concat":
            both = self.query_projection(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, H)
            energies: Tensor = self.energy(torch.tanh(both)).squeeze(3)  # (B, T, S)
        else:
            energies = query @ keys.transpose(1, 2)  # (B, T, S)
        return energies.masked_fill(~mask.unsqueeze(1), float("-inf")).softmax(dim=2)
