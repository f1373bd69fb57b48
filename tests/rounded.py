"""A simple int8 variant, for tests of all that is around the real one."""

import copy

import torch
from torch import Tensor

from bot.model.search import GreedySearcher


class RoundedSearcher(GreedySearcher):
    """Weights of a few bits in float32, which find something only after ``pack``."""

    def __init__(self, searcher: GreedySearcher, levels: int) -> None:
        model = copy.deepcopy(searcher.model)
        for weight in model.parameters():
            if weight.dim() == 2:
                scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) / levels
                weight.data = (weight / scale).round() * scale
        super().__init__(model, searcher.pad_id, searcher.bos_id, searcher.eos_id)
        self.register_buffer("bias", model.output.bias.clone())
        model.output.bias.data.fill_(torch.nan)

    def pack(self) -> None:
        self.model.output.bias.copy_(self.bias)


def rounded(
    searcher: GreedySearcher,
    source_ids: Tensor,
    source_lengths: Tensor,
    target_ids: Tensor,
    *,
    precise: bool,
) -> RoundedSearcher:
    """Eight bits, as ``bot.publishing.quantisation.quantise`` would have it."""
    return RoundedSearcher(searcher, levels=127)


def damaged(
    searcher: GreedySearcher,
    source_ids: Tensor,
    source_lengths: Tensor,
    target_ids: Tensor,
    *,
    precise: bool,
) -> RoundedSearcher:
    """Hardly anything is left of the weights."""
    return RoundedSearcher(searcher, levels=1)
