"""From search options to a call of the searcher, and from its tensors to hypotheses."""

import hashlib
import secrets
from typing import Any

import torch
from torch import Tensor

from bot.artifact.options import Hypothesis, SearchOptions
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, SEP_ID, UNK_ID

# A reader would not see these. Only ``beam`` and ``sample`` take bans: ``forward`` may write them.
NEVER_WRITTEN = (PAD_ID, BOS_ID, UNK_ID, SEP_ID)


def find_hypotheses(
    searcher: Any,
    source_ids: Tensor,
    source_lengths: Tensor,
    max_length: int,
    options: SearchOptions,
) -> list[list[Hypothesis]]:
    """Search for replies to each row.

    :param searcher: compiled or eager, on the device of the ids
    :param source_ids: int64, (B, S), padded after each row's length
    :param source_lengths: int64, (B,), each from 1 to S
    :return: for each row at least one reply and at most ``beam_size``, the best first
    """
    if options.is_greedy:
        tokens, scores, _ = searcher(source_ids, source_lengths, max_length)
        return _hypotheses(tokens.unsqueeze(1), scores.unsqueeze(1), options.length_penalty)
    constraints = (
        options.min_length,
        options.no_repeat_ngram,
        torch.tensor((*NEVER_WRITTEN, *options.banned_ids), device=source_ids.device),
    )
    if options.beam_size > 1:
        tokens, scores, _, ratings = searcher.beam(
            source_ids,
            source_lengths,
            max_length,
            options.beam_size,
            options.length_penalty,
            *constraints,
        )
        # Constraints may leave fewer replies than the beam is wide.
        kept = (ratings > float("-inf")).sum(dim=1).tolist()
        found = _hypotheses(tokens, scores, options.length_penalty)
        return [row[:count] for row, count in zip(found, kept, strict=True)]
    uniforms = torch.stack(
        [
            _uniforms(ids[:length], max_length, options.seed)
            for ids, length in zip(source_ids.tolist(), source_lengths.tolist(), strict=True)
        ]
    )
    tokens, scores, _ = searcher.sample(
        source_ids,
        source_lengths,
        max_length,
        *constraints,
        options.temperature,
        options.top_k,
        uniforms.to(source_ids.device),
    )
    return _hypotheses(tokens.unsqueeze(1), scores.unsqueeze(1), options.length_penalty)


def _hypotheses(tokens: Tensor, scores: Tensor, length_penalty: float) -> list[list[Hypothesis]]:
    """Those of token ids and their log-probabilities, both (B, k, T)."""
    totals = scores.double().sum(dim=2).tolist()
    return [
        [_hypothesis(ids, total, length_penalty) for ids, total in zip(*row, strict=True)]
        for row in zip(tokens.tolist(), totals, strict=True)
    ]


def _hypothesis(ids: list[int], log_probability: float, length_penalty: float) -> Hypothesis:
    ended = EOS_ID in ids
    reply = ids[: ids.index(EOS_ID)] if ended else ids
    # As bot/model/search.py normalises, which serving does not import.
    score = log_probability / ((5 + len(reply) + ended) / 6) ** length_penalty
    return Hypothesis(reply, log_probability, score, ended)


def _uniforms(source_ids: list[int], max_length: int, seed: int | None) -> Tensor:
    """Numbers from 0 to below 1, float32, (max_length,), that depend on seed and source alone."""
    if seed is None:
        seed = secrets.randbits(64)
    digest = hashlib.blake2b(repr((seed, source_ids)).encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest) >> 1)
    return torch.rand(max_length, generator=generator)
