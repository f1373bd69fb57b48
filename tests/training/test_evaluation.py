"""Loss on held-out replies."""

import math

import pytest
import torch
from torch.nn import functional

from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import PAD_ID, train_bpe
from bot.training.batches import collate
from bot.training.dataset import Example, encode_examples
from bot.training.evaluation import batch_loss, held_out_loss

EXAMPLES = [
    Example(("Hello.",), "Hi!"),
    Example(("How are you?",), "I'm fine, thanks."),
    Example(("Why?",), "Hm."),
]
TEXTS = [text for example in EXAMPLES for text in (*example.turns, example.reply)]


@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
def test_loss_and_gradients_equal_the_step_by_step_loop(attention: str) -> None:
    torch.manual_seed(0)
    tokenizer = train_bpe(TEXTS, 300, 20)
    pairs = encode_examples(EXAMPLES, tokenizer, 30)
    config = ModelConfig(tokenizer.vocabulary_size, 8, 8, 1, 2, attention, 0.0, True)
    model = Seq2Seq(config).double()
    batch = collate(pairs, [0, 1, 2])

    loss, tokens = batch_loss(model, batch)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}

    model.zero_grad()
    memory, keys, mask, state = model.encode(batch.source_ids, batch.source_lengths)
    expected = torch.zeros((), dtype=torch.float64)
    for t in range(batch.next_ids.size(1)):
        step, state, _ = model.decode(batch.previous_ids[:, t : t + 1], state, memory, keys, mask)
        expected = expected + functional.cross_entropy(
            model.logits(step.squeeze(1)),
            batch.next_ids[:, t],
            ignore_index=PAD_ID,
            reduction="sum",
        )
    expected.backward()

    torch.testing.assert_close(loss, expected)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad)
    assert tokens == int((batch.next_ids != PAD_ID).sum())


def test_a_model_that_knows_nothing_has_the_perplexity_of_the_vocabulary() -> None:
    tokenizer = train_bpe(TEXTS, 300, 20)
    pairs = encode_examples(EXAMPLES, tokenizer, 30)
    model = Seq2Seq(ModelConfig(tokenizer.vocabulary_size, 8, 8, 1, 1))
    for parameter in model.output.parameters():
        parameter.data.zero_()
    loss = held_out_loss(model, pairs)
    assert loss.perplexity == pytest.approx(tokenizer.vocabulary_size, rel=1e-5)
    tokens = int((pairs.target_starts.diff() - 1).sum())
    characters = sum(len(example.reply) for example in EXAMPLES)
    assert loss.bits_per_character == pytest.approx(
        tokens * math.log2(tokenizer.vocabulary_size) / characters
    )
