"""What models are evaluated on, and all of their measures together."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.artifact.artifact import Artifact
from bot.data.mixing import WeightedCorpus
from bot.data.selection import Example
from bot.errors import CorpusError, UsageError
from bot.evaluation.artifact_evaluation import (
    EvaluationConfig,
    evaluate,
    evaluation_mix,
    held_out_examples,
)
from bot.evaluation.metrics import HeldOutLikelihood, Likelihood


@pytest.fixture
def config(corpus: Path) -> EvaluationConfig:
    return EvaluationConfig((WeightedCorpus(str(corpus)),), evaluation_mix())


def test_a_limit_takes_the_same_examples_each_time(config: EvaluationConfig) -> None:
    every = held_out_examples(config)
    some = held_out_examples(replace(config, limit=3))
    assert len(some) == 3
    assert set(some) <= set(every)
    assert some == held_out_examples(replace(config, limit=3))
    assert held_out_examples(replace(config, limit=10_000)) == every


def test_all_splits_are_those_of_training(config: EvaluationConfig) -> None:
    sizes = {
        split: len(held_out_examples(replace(config, split=split)))
        for split in ("train", "valid", "test", "all")
    }
    assert sizes["all"] == sizes["train"] + sizes["valid"] + sizes["test"]
    assert min(sizes.values()) > 0


def test_nothing_is_thinned_out_or_varied(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    pairs = [(f"Is it {i}?", "Yes, it is.") for i in range(200)]
    path.write_text("".join(f"{prompt}\t{reply}\n" for prompt, reply in pairs))
    config = EvaluationConfig((WeightedCorpus(str(path), 3.0),), evaluation_mix(), "all")
    examples = held_out_examples(config)
    assert sorted((*turns, reply) for turns, reply in examples) == sorted(pairs)


def test_a_corpus_without_such_examples_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("Hello.\tHi.\n")
    one = WeightedCorpus(str(tmp_path / "one.tsv"))
    splits = []
    for split in ("train", "valid", "test"):
        try:
            held_out_examples(EvaluationConfig((one,), evaluation_mix(), split))
        except CorpusError as error:
            assert "--split" in str(error)  # noqa: PT017 (two of the three raise)
            splits.append(split)
    assert len(splits) == 2
    with pytest.raises(UsageError):
        held_out_examples(EvaluationConfig((WeightedCorpus("novel.docx"),), evaluation_mix()))


def test_all_measures_are_written_with_their_settings(
    animal_artifact: Artifact, config: EvaluationConfig
) -> None:
    examples = held_out_examples(config)
    seen: list[tuple[str, int, int]] = []
    evaluation = evaluate(
        animal_artifact, examples, config, lambda *progress: seen.append(progress)
    )
    values = json.loads(evaluation.to_json())
    assert values["model"] == "animals/1"
    assert values["searcher_sha256"] == animal_artifact.manifest.files["searcher.pt"].sha256
    assert values["config"]["corpora"][0]["source"] == config.corpora[0].source
    assert (values["config"]["split"], values["config"]["limit"]) == ("test", 0)
    assert values["config"]["mix"]["max_reply_words"] == 20
    assert values["likelihood"]["every_target"]["targets"] == len(examples)
    assert 1 < values["likelihood"]["every_target"]["perplexity"] < 1.5
    assert values["replies"]["replies"] == len(examples)
    assert values["replies"]["most_frequent"][0]["reply"].startswith("The ")
    assert values["speed"]["replies_per_second"] > 0
    assert values["speed"]["threads"] == 1
    assert seen[-1] == ("replying", len(examples), len(examples))
    assert ("scoring", len(examples), len(examples)) in seen


def test_what_is_not_finite_is_null_in_json(
    animal_artifact: Artifact, config: EvaluationConfig
) -> None:
    evaluation = evaluate(animal_artifact, [Example(("Hello.",), "Hi.")], config)
    impossible = Likelihood(targets=1, tokens=2, characters=3, nats=float("inf"))
    none = Likelihood(targets=0, tokens=0, characters=0, nats=0.0)
    evaluation = replace(evaluation, likelihood=HeldOutLikelihood(impossible, none))
    values = json.loads(evaluation.to_json())["likelihood"]
    assert values["every_target"]["perplexity"] is None
    assert values["targets_without_unknown_tokens"]["bits_per_character"] is None


def test_a_conversation_that_occurs_twice_gets_one_reply(
    animal_artifact: Artifact, config: EvaluationConfig
) -> None:
    cat, dog = ("Tell me about the cat.",), ("Tell me about the dog.",)
    examples = [Example(cat, "Meow."), Example(cat, "It purrs."), Example(dog, "Woof.")]
    evaluation = evaluate(animal_artifact, examples, config)
    assert evaluation.replies.replies == 2
    assert evaluation.likelihood.every.targets == 3
