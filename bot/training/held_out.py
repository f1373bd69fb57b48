"""How well a model predicts held-out replies, and what it would say instead."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from bot.artifact.artifact import search_batch
from bot.data.batches import in_order
from bot.data.dataset import EncodedPairs
from bot.model.search import GreedySearcher
from bot.model.seq2seq import Seq2Seq
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID
from bot.training.loss import forced_losses

SAMPLES = 3
SAMPLE_SEED = 0
MAX_SAMPLE_TOKENS = 40


@dataclass(frozen=True)
class HeldOutLoss:
    """Cross-entropy of held-out replies.

    :param nats_per_token: mean over tokens, ``EOS`` included
    :param bits_per_character: total over the replies' characters, comparable across vocabularies
    """

    nats_per_token: float
    bits_per_character: float

    @property
    def perplexity(self) -> float:
        """exp of the mean cross-entropy per token; infinite where that is no number."""
        try:
            return math.exp(self.nats_per_token)
        except OverflowError:
            return math.inf


def held_out_loss(model: Seq2Seq, pairs: EncodedPairs, batch_size: int = 128) -> HeldOutLoss:
    """Measure a model on held-out pairs, in evaluation mode; the mode is restored.

    Without pairs the loss is undefined, NaN.
    """
    if not len(pairs):
        return HeldOutLoss(math.nan, math.nan)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    nats, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in in_order(pairs, batch_size):
            losses = forced_losses(model, batch.to(device))
            nats += losses.sum().item()
            tokens += losses.numel()
    model.train(training)
    characters = int(pairs.characters.sum())
    return HeldOutLoss(nats / tokens, nats / math.log(2) / characters)


class SampleReply(NamedTuple):
    """Ids of a held-out source, of the reply it has, and of the reply that a model writes."""

    source: list[int]
    target: list[int]
    reply: list[int]


def sample_replies(model: Seq2Seq, pairs: EncodedPairs) -> list[SampleReply]:
    """Greedy replies to a few pairs, always the same ones; nothing random is touched.

    The model is put into evaluation mode; the mode is restored.
    """
    chosen = pairs.sample(SAMPLES, SAMPLE_SEED)
    sources = [chosen.source(index).tolist() for index in range(len(chosen))]
    training = model.training
    searcher = GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID).eval()
    device = str(next(model.parameters()).device)
    replies = search_batch(searcher, sources, MAX_SAMPLE_TOKENS, device)
    model.train(training)
    targets = [chosen.target(index).tolist() for index in range(len(chosen))]
    return [SampleReply(*ids) for ids in zip(sources, targets, replies, strict=True)]
