"""What a search may write next. Free functions, compiled with the searcher that calls them.

N is the number of replies that are being written: B, or B times the beam size.
"""

import torch
from torch import Tensor


def constrain(
    log_probabilities: Tensor,
    written: Tensor,
    eos_id: int,
    min_length: int,
    no_repeat_ngram: int,
    banned_ids: Tensor,
) -> Tensor:
    """The log-probabilities of the next token, minus infinity where it may not be written.

    What is left is not renormalised: a reply's score stays what the model says of it. Where
    nothing would be left, the reply ends.

    :param log_probabilities: (N, V)
    :param written: int64, (N, t), the tokens so far, without ``BOS``
    :param min_length: ``EOS`` is not written among the first so many tokens
    :param no_repeat_ngram: no n tokens in a row are written twice (Paulus et al., 2017,
        https://arxiv.org/abs/1705.04304, section 2.5, for n = 3); 0 allows everything
    :param banned_ids: int64, (number,), ids that are never written
    """
    allowed = log_probabilities.index_fill(1, banned_ids, float("-inf"))
    if no_repeat_ngram > 0:
        allowed = allowed.masked_fill(
            _repeating(written, no_repeat_ngram, allowed.size(1)), float("-inf")
        )
    if written.size(1) < min_length:
        allowed[:, eos_id] = float("-inf")
    nothing_left = (allowed == float("-inf")).all(dim=1)
    end = torch.where(nothing_left, log_probabilities[:, eos_id], allowed[:, eos_id])
    allowed[:, eos_id] = end
    return allowed


def _repeating(written: Tensor, n: int, vocabulary_size: int) -> Tensor:
    """Which tokens would repeat an n-gram, bool, (N, V)."""
    N, t = written.size()
    counts = torch.zeros((N, vocabulary_size), dtype=torch.long, device=written.device)
    if t >= n:
        ngrams = written.unfold(1, n, 1)  # (N, t - n + 1, n)
        prefix = written[:, t - n + 1 :].unsqueeze(1)  # what the next token would complete
        same_prefix = (ngrams[:, :, : n - 1] == prefix).all(dim=2)  # (N, t - n + 1)
        counts.scatter_add_(1, ngrams[:, :, n - 1], same_prefix.long())
    return counts > 0
