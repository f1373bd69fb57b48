"""How well a model predicts held-out replies."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bot.model.seq2seq import Seq2Seq
from bot.text.tokenizer import PAD_ID
from bot.training.batches import Batch, in_order
from bot.training.dataset import EncodedPairs


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
        """exp of the mean cross-entropy per token."""
        return math.exp(self.nats_per_token)


def batch_loss(model: Seq2Seq, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy of a batch under teacher forcing, in nats, and its count of tokens.

    Only real tokens reach the output layer, which costs more than all the rest.
    """
    vectors = model(batch.source_ids, batch.source_lengths, batch.previous_ids)  # (B, T, E)
    real = batch.next_ids != PAD_ID  # (B, T)
    targets = batch.next_ids[real]  # (tokens,)
    # In chunks of tokens: the logits, (tokens, V), never exist as a whole.
    loss = functional.linear_cross_entropy(
        model.dropout(vectors[real]),
        model.output.weight,
        targets,
        linear_bias=model.output.bias,
        reduction="sum",
    )
    return loss, targets.numel()


def held_out_loss(model: Seq2Seq, pairs: EncodedPairs, batch_size: int = 128) -> HeldOutLoss:
    """Measure a model on held-out pairs, in evaluation mode; the mode is restored."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    nats, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in in_order(pairs, batch_size):
            loss, count = batch_loss(model, batch.to(device))
            nats += loss.item()
            tokens += count
    model.train(training)
    characters = int(pairs.characters.sum())
    return HeldOutLoss(nats / tokens, nats / math.log(2) / characters)
