"""Loss on held-out replies."""

import math
from pathlib import Path

import pytest
import torch
from small_runs import trainer_of

from bot.data.dataset import encode_examples
from bot.data.selection import Example
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import train_bpe
from bot.training.held_out import HeldOutLoss, held_out_loss, sample_replies

EXAMPLES = [
    Example(("Hello.",), "Hi!"),
    Example(("How are you?",), "I'm fine, thanks."),
    Example(("Why?",), "Hm."),
]
TEXTS = [text for example in EXAMPLES for text in (*example.turns, example.reply)]


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


def test_a_loss_beyond_all_numbers_has_an_infinite_perplexity() -> None:
    assert HeldOutLoss(1000.0, 1.0).perplexity == math.inf


def test_the_loss_of_no_pairs_is_undefined() -> None:
    tokenizer = train_bpe(TEXTS, 300, 20)
    model = Seq2Seq(ModelConfig(tokenizer.vocabulary_size, 8, 8, 1, 1))
    loss = held_out_loss(model, encode_examples([], tokenizer, 30))
    assert math.isnan(loss.perplexity)
    assert math.isnan(loss.bits_per_character)


def test_sample_replies_are_the_models_own_to_the_same_pairs_and_disturb_nothing(
    trained_run: Path,
) -> None:
    trainer = trainer_of(trained_run)
    trainer.resume()
    trainer.model.train()
    random = torch.get_rng_state()
    samples = sample_replies(trainer.model, trainer.splits["test"])
    assert torch.equal(torch.get_rng_state(), random)
    assert trainer.model.training
    assert samples == sample_replies(trainer.model, trainer.splits["test"])
    assert len(samples) == 3
    for _, target, reply in samples:
        assert target[1:-1] == reply, "this model has learnt its corpus"
