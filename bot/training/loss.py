"""What training minimises: the cross-entropy of the targets' tokens, padding left out."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bot.data.batches import Batch
from bot.model.seq2seq import Seq2Seq
from bot.text.tokenizer import PAD_ID

Reduction = Literal["tokens", "steps"]


def forced_losses(model: Seq2Seq, batch: Batch) -> Tensor:
    """Cross-entropy of each real token under teacher forcing, in nats, (tokens,), row by row.

    The decoder does not feed its attentional vector back, so that the whole target goes through
    it in one call. Only real tokens reach the output layer, which costs more than all the rest.
    """
    vectors = model(batch.source_ids, batch.source_lengths, batch.previous_ids)  # (B, T, E)
    real = batch.next_ids != PAD_ID  # (B, T)
    return functional.cross_entropy(
        model.logits(vectors[real]), batch.next_ids[real], reduction="none"
    )


def free_running_losses(model: Seq2Seq, batch: Batch) -> Tensor:
    """The same where the decoder is fed its own most probable tokens, step by step.

    The loss is still that of the gold tokens, and no gradient flows through the choice of a token
    (PyTorch chatbot tutorial, "Single training iteration").
    """
    memory, keys, mask, state = model.encode(batch.source_ids, batch.source_lengths)
    token = batch.previous_ids[:, :1]  # (B, 1), BOS
    steps: list[Tensor] = []
    for gold in batch.next_ids.unbind(dim=1):
        vector, state, _weights = model.decode(token, state, memory, keys, mask)
        logits = model.logits(vector.squeeze(1))  # (B, V)
        steps.append(functional.cross_entropy(logits, gold, ignore_index=PAD_ID, reduction="none"))
        token = logits.detach().argmax(dim=1, keepdim=True)
    return torch.stack(steps, dim=1)[batch.next_ids != PAD_ID]


def step_weights(target_lengths: Tensor, reduction: str) -> Tensor:
    """What a token's cross-entropy counts in a batch's loss, by its decode step.

    ``tokens`` makes the loss the mean over the batch's tokens. ``steps`` makes it the tutorial's:
    at each step the mean over the rows that have not ended, and the sum of these means over the
    steps, about as many times larger as a reply has tokens.

    :param target_lengths: int64, (B,), of each row of the whole batch, ``EOS`` included
    :param reduction: ``tokens`` or ``steps``
    :return: float32, (T,)
    """
    if reduction not in get_args(Reduction):
        raise ValueError(f"loss {reduction!r} is none of {', '.join(get_args(Reduction))}")
    steps = torch.arange(int(target_lengths.max()))
    rows = (target_lengths.unsqueeze(1) > steps).sum(dim=0)  # (T,)
    if reduction == "tokens":
        rows = rows.sum().expand(len(steps))
    return rows.float().reciprocal()


class TrainingLoss(nn.Module):
    """The loss as a module, so that ``DistributedDataParallel`` can wrap all that has gradients."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, weights: Tensor, *, forced: bool) -> tuple[Tensor, Tensor]:
        """Weigh the cross-entropies of a batch.

        :param weights: float, (T,) or longer, from ``step_weights``
        :param forced: whether the decoder is fed gold tokens, else its own
        :return: the loss, and the unweighted sum in nats, both scalars
        """
        losses = (forced_losses if forced else free_running_losses)(self.model, batch)
        real = batch.next_ids != PAD_ID
        token_weights = weights[: real.size(1)].expand(real.size())[real]
        return (losses * token_weights).sum(), losses.detach().sum()
