"""Batches of similar length, in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from bot.data.dataset import EncodedPairs
from bot.text.tokenizer import PAD_ID

# Batches are cut from sorted pools of this many: long enough to leave hardly any padding, short
# enough that an epoch is not a walk from short to long.
BATCHES_PER_POOL = 64


class Batch(NamedTuple):
    """Padded pairs.

    ``source_ids`` int64 (B, S); ``source_lengths`` int64 (B,); ``previous_ids`` int64 (B, T),
    from ``BOS``; ``next_ids`` int64 (B, T), to ``EOS``, padded with ``PAD``.
    """

    source_ids: Tensor
    source_lengths: Tensor
    previous_ids: Tensor
    next_ids: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


def collate(pairs: EncodedPairs, indices: Sequence[int]) -> Batch:
    """Pad the pairs of those indices to a batch."""
    sources = [pairs.source(i).long() for i in indices]
    targets = pad_sequence(
        [pairs.target(i).long() for i in indices], batch_first=True, padding_value=PAD_ID
    )
    return Batch(
        pad_sequence(sources, batch_first=True, padding_value=PAD_ID),
        torch.tensor([source.numel() for source in sources]),
        targets[:, :-1],
        targets[:, 1:],
    )


def epoch_order(pairs: EncodedPairs, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of each batch of an epoch; each pair occurs once."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    shuffled = torch.randperm(len(pairs), generator=generator)
    target_lengths = pairs.target_starts.diff()
    source_lengths = pairs.source_starts.diff()
    batches: list[list[int]] = []
    for pool in shuffled.split(batch_size * BATCHES_PER_POOL):
        # Targets cost most (the output layer); sources break ties.
        by_length = (target_lengths[pool] * 1000 + source_lengths[pool]).argsort(stable=True)
        pool_batches = pool[by_length].split(batch_size)
        order = torch.randperm(len(pool_batches), generator=generator)
        batches.extend(pool_batches[i].tolist() for i in order.tolist())
    return batches


def in_order(pairs: EncodedPairs, batch_size: int) -> Iterator[Batch]:
    """Every pair once, shortest targets first, for evaluation."""
    by_length = pairs.target_starts.diff().argsort(stable=True)
    for indices in by_length.split(batch_size):
        yield collate(pairs, indices.tolist())
