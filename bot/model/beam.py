"""What a beam search keeps from one step to the next. Free functions, compiled with the searcher
that calls them.

K is the beam size. M is how many replies a row has at the moment: K, 2 K where each of the K has
been continued, or K + K where two lots are put together.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Replies(NamedTuple):
    """M replies, or beginnings of replies, for each row of the batch.

    :param token_ids: int64, (B, M, T), ``PAD`` after the last token
    :param scores: float32, (B, M, T), the tokens' log-probabilities, 0 for that ``PAD``
    :param ratings: float32, (B, M), what they are compared by, minus infinity where there is none:
        the log-probability of a beginning, its length-normalised one of a finished reply
    """

    token_ids: Tensor
    scores: Tensor
    ratings: Tensor


def length_normaliser(length: int, length_penalty: float) -> float:
    """What a reply's log-probability is divided by: ((5 + length) / 6) ^ length_penalty.

    Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 7, equation 14.

    :param length: tokens, ``EOS`` included
    """
    return math.pow((5.0 + length) / 6.0, length_penalty)


def take(replies: Replies, numbers: Tensor) -> Replies:
    """Of each row's M replies those with these numbers, int64, (B, N), in this order."""
    B, N = numbers.size()
    histories = numbers.unsqueeze(2).expand(B, N, replies.token_ids.size(2))  # (B, N, T)
    return Replies(
        replies.token_ids.gather(1, histories),
        replies.scores.gather(1, histories),
        replies.ratings.gather(1, numbers),
    )


def best(replies: Replies, number: int) -> tuple[Replies, Tensor]:
    """The best N replies of each row, the best first, and which they are, int64, (B, N)."""
    ratings, numbers = replies.ratings.topk(number, dim=1)
    found = take(replies, numbers)
    return Replies(found.token_ids, found.scores, ratings), numbers


def together(some: Replies, others: Replies) -> Replies:
    """Both rows by row, (B, M + M', ...)."""
    return Replies(
        torch.cat((some.token_ids, others.token_ids), dim=1),
        torch.cat((some.scores, others.scores), dim=1),
        torch.cat((some.ratings, others.ratings), dim=1),
    )


def continuations(
    live: Replies, log_probabilities: Tensor, allowed: Tensor, step: int
) -> tuple[Replies, Tensor, Tensor]:
    """The 2 K most probable beginnings that are one token longer, the most probable first.

    :param live: the K beginnings, (B, K, ...), of ``step`` tokens
    :param log_probabilities: of the next token, (B K, V)
    :param allowed: the same, minus infinity where the constraints forbid a token
    :return: these, (B, 2 K, ...); which beginning each continues, int64, (B, 2 K); with which
        token, int64, (B, 2 K)
    """
    B, K = live.ratings.size()
    V = allowed.size(1)
    totals = (live.ratings.unsqueeze(2) + allowed.view(B, K, V)).view(B, K * V)
    best_totals, choices = totals.topk(2 * K, dim=1)  # (B, 2 K)
    parents, tokens = choices // V, choices % V
    longer = take(live, parents)
    longer.token_ids[:, :, step] = tokens
    longer.scores[:, :, step] = log_probabilities.view(B, K * V).gather(1, choices)
    return Replies(longer.token_ids, longer.scores, best_totals), parents, tokens


def finished_first(finished: Replies, cut: Replies) -> Replies:
    """K replies a row: the finished ones, then as many of the cut ones as there is room for.

    :param finished, cut: (B, K, ...), each the best first
    """
    B, K = finished.ratings.size()
    places = torch.arange(K, device=finished.ratings.device).unsqueeze(0).expand(B, K)
    count = (finished.ratings > float("-inf")).sum(dim=1, keepdim=True)  # (B, 1)
    numbers = torch.where(places < count, places, K + places - count)  # of finished and cut ones
    return take(together(finished, cut), numbers)
