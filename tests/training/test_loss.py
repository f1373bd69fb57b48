"""The training loss, in float64, against loops that are written step by step."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bot.data.batches import Batch, collate
from bot.data.dataset import encode_examples
from bot.data.selection import Example
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import BOS_ID, PAD_ID, train_bpe
from bot.training.loss import TrainingLoss, step_weights

EXAMPLES = [
    Example(("Hello.",), "Hi!"),
    Example(("How are you?",), "I'm fine, thanks."),
    Example(("Why?",), "Hm."),
]


def model_and_batch(attention: str) -> tuple[Seq2Seq, Batch]:
    torch.manual_seed(0)
    texts = [text for example in EXAMPLES for text in (*example.turns, example.reply)]
    tokenizer = train_bpe(texts, 300, 20)
    config = ModelConfig(tokenizer.vocabulary_size, 8, 8, 1, 2, attention, 0.0, True)
    return Seq2Seq(config).double(), collate(encode_examples(EXAMPLES, tokenizer, 30), [0, 1, 2])


def weights_of(batch: Batch, reduction: str) -> Tensor:
    return step_weights((batch.next_ids != PAD_ID).sum(dim=1), reduction).double()


def one_call(
    model: Seq2Seq, batch: Batch, reduction: str, *, forced: bool = True
) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    loss, _nats = TrainingLoss(model)(batch, weights_of(batch, reduction), forced=forced)
    loss.backward()
    return loss, gradients_of(model)


def gradients_of(model: Seq2Seq) -> dict[str, Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def tutorial_loop(model: Seq2Seq, batch: Batch, reduction: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss in as many steps as the longest target has tokens."""
    model.zero_grad()
    memory, keys, mask, state = model.encode(batch.source_ids, batch.source_lengths)
    total = torch.zeros((), dtype=torch.float64)
    tokens = 0
    for t in range(batch.next_ids.size(1)):
        vector, state, _ = model.decode(batch.previous_ids[:, t : t + 1], state, memory, keys, mask)
        probabilities = model.logits(vector.squeeze(1)).softmax(1)
        going = batch.next_ids[:, t] != PAD_ID
        nats = -probabilities.gather(1, batch.next_ids[:, t : t + 1]).squeeze(1)[going].log()
        total = total + (nats.mean() if reduction == "steps" else nats.sum())
        tokens += int(going.sum())
    loss = total if reduction == "steps" else total / tokens
    loss.backward()
    return loss, gradients_of(model)


@pytest.mark.parametrize("reduction", ["tokens", "steps"])
@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
def test_loss_and_gradients_of_one_call_equal_the_step_loops(
    attention: str, reduction: str
) -> None:
    model, batch = model_and_batch(attention)
    torch.testing.assert_close(
        one_call(model, batch, reduction), tutorial_loop(model, batch, reduction)
    )


@pytest.mark.parametrize("reduction", ["tokens", "steps"])
def test_the_free_running_loop_equals_one_call_that_is_fed_the_models_own_tokens(
    reduction: str,
) -> None:
    model, batch = model_and_batch("general")
    own = torch.full_like(batch.previous_ids, BOS_ID)
    for t in range(1, own.size(1)):
        vectors = model(batch.source_ids, batch.source_lengths, own)
        own[:, t] = model.logits(vectors[:, t - 1]).argmax(dim=1)
    assert not torch.equal(own, batch.previous_ids)
    torch.testing.assert_close(
        one_call(model, batch, reduction, forced=False),
        one_call(model, batch._replace(previous_ids=own), reduction),
    )


def test_the_reported_nats_are_the_sum_over_real_tokens() -> None:
    model, batch = model_and_batch("dot")
    weights = weights_of(batch, "steps")
    _loss, nats = TrainingLoss(model)(batch, weights, forced=True)
    logits = model.logits(model(batch.source_ids, batch.source_lengths, batch.previous_ids))
    expected = functional.cross_entropy(
        logits.flatten(0, 1), batch.next_ids.flatten(), ignore_index=PAD_ID, reduction="sum"
    )
    torch.testing.assert_close(nats, expected.detach())


def test_the_weights_of_a_batch_are_one_in_all_or_one_a_step() -> None:
    lengths = torch.tensor([1, 3, 2])
    assert step_weights(lengths, "tokens").tolist() == pytest.approx([1 / 6] * 3)
    assert step_weights(lengths, "steps").tolist() == pytest.approx([1 / 3, 1 / 2, 1.0])
    with pytest.raises(ValueError, match="none of tokens, steps"):
        step_weights(lengths, "mean")
