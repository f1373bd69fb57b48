"""How well a model predicts held-out replies."""

import math
from dataclasses import dataclass

import torch

from bot.data.batches import in_order
from bot.data.dataset import EncodedPairs
from bot.model.seq2seq import Seq2Seq
from bot.training.loss import forced_losses


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
