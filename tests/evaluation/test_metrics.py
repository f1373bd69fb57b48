"""Measures of a published model, against values computed by hand."""

import math
from pathlib import Path

import pytest
import torch

from bot.artifact.artifact import Artifact
from bot.data.mixing import WeightedCorpus
from bot.data.selection import Example
from bot.errors import SearcherError
from bot.evaluation.artifact_evaluation import EvaluationConfig, evaluation_mix, held_out_examples
from bot.evaluation.metrics import TOKENS_PER_BATCH, Variety, distinct, likelihood
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import TrainedRun
from bot.text.tokenizer import Tokenizer, word_level
from bot.training.held_out import held_out_loss

EXAMPLES = [
    Example(("Hello.",), "Hi!"),
    Example(("How are you?", "Fine."), "Hi, You."),
    Example(("Why?",), "Because!"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return word_level({"hi": 5, "you": 6, "!": 7, ".": 8}, 10)


def uniform(tokenizer: Tokenizer, animals: Artifact) -> Artifact:
    """A model that finds every token as probable as any other."""
    model = Seq2Seq(ModelConfig(tokenizer.vocabulary_size, 8, 8, 1, 1))
    for parameter in model.output.parameters():
        torch.nn.init.zeros_(parameter)
    return Artifact(animals.manifest, tokenizer, GreedySearcher(model).eval(), "cpu")


def test_a_uniform_model_needs_log2_v_bits_a_token_spread_over_the_raw_characters(
    tokenizer: Tokenizer, animal_artifact: Artifact
) -> None:
    measured = likelihood(uniform(tokenizer, animal_artifact), EXAMPLES)
    # "hi !", "hi you .", "<unk> !", each with its EOS: of 9 tokens in the vocabulary.
    assert (measured.every.targets, measured.every.tokens) == (3, 3 + 4 + 3)
    # The comma and the capitals are not in the model's text and are counted.
    assert measured.every.characters == len("Hi!") + len("Hi, You.") + len("Because!")
    assert measured.every.perplexity == pytest.approx(9, rel=1e-5)
    assert measured.every.bits_per_character == pytest.approx(10 * math.log2(9) / 19, rel=1e-5)


def test_targets_with_an_unknown_token_are_told_apart(
    tokenizer: Tokenizer, animal_artifact: Artifact
) -> None:
    known = likelihood(uniform(tokenizer, animal_artifact), EXAMPLES).known
    assert (known.targets, known.tokens, known.characters) == (2, 7, 11)
    assert known.bits_per_character == pytest.approx(7 * math.log2(9) / 11, rel=1e-5)


def test_where_every_target_has_an_unknown_token_nothing_is_known(
    tokenizer: Tokenizer, animal_artifact: Artifact
) -> None:
    known = likelihood(uniform(tokenizer, animal_artifact), EXAMPLES[2:]).known
    assert known.targets == 0
    assert math.isnan(known.perplexity)
    assert math.isnan(known.bits_per_character)


def test_the_published_model_measures_as_its_training_run(
    trained_run: Path, animal_artifact: Artifact, corpus: Path
) -> None:
    trained = TrainedRun.read(trained_run)
    for split in ("valid", "test"):
        expected = held_out_loss(trained.searcher.model, trained.splits[split])
        source = WeightedCorpus(str(corpus))
        examples = held_out_examples(EvaluationConfig((source,), evaluation_mix(), split))
        assert len(examples) == len(trained.splits[split])
        measured = likelihood(animal_artifact, examples).every
        assert measured.perplexity == pytest.approx(expected.perplexity, rel=1e-4)
        assert measured.bits_per_character == pytest.approx(expected.bits_per_character, rel=1e-4)


def test_the_measure_does_not_depend_on_order_and_batches(animal_artifact: Artifact) -> None:
    examples = [
        Example((f"Tell me about number {i}.",), "The cat says meow. " * (i % 9 + 1))
        for i in range(60)
    ]
    longest = max(len(animal_artifact.tokenizer.encode(reply)) for _, reply in examples)
    assert longest * len(examples) > TOKENS_PER_BATCH, "there is one batch only"
    sizes: list[int] = []
    together = likelihood(animal_artifact, examples, sizes.append).every
    assert len(sizes) > 1
    assert sum(sizes) == len(examples)
    alone = [likelihood(animal_artifact, [example]).every for example in reversed(examples)]
    assert together.nats == pytest.approx(sum(one.nats for one in alone), rel=1e-4)
    assert together.tokens == sum(one.tokens for one in alone)


def test_a_searcher_that_cannot_score_is_an_error(animal_artifact: Artifact) -> None:
    old = Artifact(animal_artifact.manifest, animal_artifact.tokenizer, object(), "cpu")
    with pytest.raises(SearcherError, match="older Causerie"):
        likelihood(old, EXAMPLES)


def test_distinct_n_is_different_n_grams_over_all_words() -> None:
    replies = ["I am fine", "i am here", "Yes", ""]
    # i am fine here yes; i-am am-fine am-here; 7 words.
    assert distinct(replies, 1) == 5 / 7
    assert distinct(replies, 2) == 3 / 7
    assert distinct([""], 2) == 0


def test_n_grams_do_not_cross_from_one_reply_to_the_next() -> None:
    assert distinct(["a", "b", "a", "b"], 2) == 0


def test_variety_of_replies() -> None:
    variety = Variety.of(["Yes.", "Yes.", "No, I do not!", "Yes."])
    assert variety.replies == 4
    assert variety.most_frequent == (("Yes.", 0.75), ("No, I do not!", 0.25))
    assert variety.unit == "words"
    assert variety.mean_length == (1 + 1 + 4 + 1) / 4
    assert variety.distinct_1 == len({"yes", ".", "no", ",", "i", "do", "not", "!"}) / 12


def test_where_no_space_parts_words_characters_are_measured() -> None:
    variety = Variety.of(
        ["\u6211\u5f88\u597d\u3002", "\u6211\u4e0d\u597d\u3002"]
    )  # I'm fine; I'm not well
    assert variety.unit == "characters"
    assert variety.mean_length == 3
    # Of eight characters and marks four differ once, and five pairs of neighbours.
    assert variety.distinct_1 == 5 / 8
    assert variety.distinct_2 == 5 / 8
