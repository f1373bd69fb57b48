"""Runs go on from runs, published versions and tutorial checkpoints, with their very weights."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import trainer_of
from tutorial_model import TutorialModel, pairs, trained

from bot.artifact.artifact import search_batch
from bot.artifact.store import ModelStore
from bot.data.dataset import encode_examples
from bot.data.mixing import WeightedCorpus
from bot.data.selection import Example, MixConfig
from bot.data.vocabulary import VocabularyConfig
from bot.errors import CheckpointError, CorpusError, DigestError, UsageError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import Seq2Seq
from bot.publishing.base_reader import read_base
from bot.publishing.export import TrainedRun
from bot.publishing.importing import ImportedModel
from bot.training import checkpoint
from bot.training.base import Base
from bot.training.held_out import held_out_loss
from bot.training.run import RunConfig, prepare
from bot.training.trainer import Trainer
from bot.training.training_config import TrainingConfig


def rebuilt(base: Base) -> Seq2Seq:
    model = Seq2Seq(base.model)
    model.load_state_dict(base.weights)
    return model.eval()


@pytest.mark.parametrize("named", ["animals", "animals/1", "path"])
def test_a_published_version_has_the_loss_and_replies_of_its_run(
    trained_run: Path, animal_store: Path, named: str
) -> None:
    spec = str(animal_store / "animals" / "1") if named == "path" else named
    base = read_base(spec, ModelStore(animal_store))
    run = TrainedRun.read(trained_run)
    assert base.name == "animals/1"
    assert base.model == run.config.model
    assert base.vocabulary.kind == "bpe"
    assert base.moments is None
    model, held_out = rebuilt(base), run.splits["train"]
    for name, expected in run.searcher.model.state_dict().items():
        assert torch.equal(base.weights[name], expected), name
    assert held_out_loss(model, held_out) == held_out_loss(run.searcher.model, held_out)
    texts = [f"Please, number 3, tell me about the {animal}." for animal in ("cat", "owl")]
    sources = [base.tokenizer.encode_source(text) for text in texts]
    assert sources == [run.tokenizer.encode_source(text) for text in texts]
    replies = search_batch(GreedySearcher(model).eval(), sources, 12, "cpu")
    assert replies == search_batch(run.searcher, sources, 12, "cpu")


def test_a_run_keeps_its_weights_and_vocabulary(trained_run: Path, tmp_path: Path) -> None:
    base = read_base(str(trained_run), ModelStore(tmp_path))
    trainer = trainer_of(trained_run)
    trainer.resume()
    assert base.vocabulary == RunConfig.read(trained_run).vocabulary
    for name, expected in trainer.model.state_dict().items():
        assert torch.equal(base.weights[name], expected), name


@pytest.mark.parametrize("ancestor", [False, True])
def test_a_run_from_a_tutorial_checkpoint_starts_with_the_imported_models_loss(
    tmp_path: Path, *, ancestor: bool
) -> None:
    layers = 2 if ancestor else 1
    model = trained("dot", 24, layers, layers, ancestor=ancestor)
    path = model.save(tmp_path / "100_checkpoint.tar", legacy=ancestor)
    corpus, run = tmp_path / "pairs.tsv", tmp_path / "run"
    unknown = (pairs()[0][0], f"xyzzy {pairs()[0][1]}")
    lines = [f"{prompt}\t{reply}\n" for prompt, reply in (*pairs(), unknown)]
    corpus.write_text("".join(lines))
    base = read_base(str(path), ModelStore(run))
    config = RunConfig(
        corpora=(WeightedCorpus(str(corpus)),),
        mix=MixConfig(clean=False, augment=False, max_source_turns=1),
        model=base.model,
        training=TrainingConfig(steps=2, batch_size=16, warmup_steps=0),
        base=base.name,
    )
    assert prepare(run, config, base=base) == {"a word outside the vocabulary": 1}
    trainer = trainer_of(run)
    trainer.resume()
    imported, split = ImportedModel.read(path), trainer.splits["train"]
    expected = held_out_loss(imported.searcher.model, split)
    assert held_out_loss(trainer.model, split) == expected
    assert expected.nats_per_token < 3, "the model that goes on has learnt something"
    assert trainer.train(lambda progress: None, lambda: False)
    tuned = TrainedRun.read(run)
    assert tuned.tokenizer.encode("xyzzy hello") == imported.tokenizer.encode("hello")
    assert tuned.config.base == str(path)


def test_a_corpus_in_words_that_the_base_does_not_know_is_an_error(tmp_path: Path) -> None:
    path = TutorialModel("dot", 4, 1, 1).save(tmp_path / "a.tar")
    (tmp_path / "other.tsv").write_text("".join(f"xyzzy {n}?\tplugh {n}.\n" for n in range(50)))
    base = read_base(str(path), ModelStore(tmp_path))
    config = RunConfig(
        corpora=(WeightedCorpus(str(tmp_path / "other.tsv")),),
        mix=MixConfig(clean=False),
        model=base.model,
        training=TrainingConfig(),
    )
    with pytest.raises(CorpusError, match=r"give dialogue in words that .*a\.tar knows"):
        prepare(tmp_path / "run", config, base=base)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_a_run_from_a_tutorial_checkpoint_takes_the_step_that_the_tutorial_would(
    tmp_path: Path, score: str
) -> None:
    model = TutorialModel(score, 8, 2, 2).train(20)
    base = read_base(str(model.save(tmp_path / "a.tar")), ModelStore(tmp_path))
    assert base.moments is not None
    assert base.moments["embedding.weight"]["step"] == 20
    checkpoint.save_atomically(
        {"model": base.weights, "moments": base.moments}, tmp_path / checkpoint.BASE_FILE
    )
    ((prompt, reply),) = model.next_batch(1)
    split = encode_examples([Example((prompt,), reply)], base.tokenizer, 12)
    config = TrainingConfig(
        steps=1,
        batch_size=1,
        learning_rate=1e-2,
        decoder_learning_ratio=1.0,
        warmup_steps=0,
        decay_share=0.0,
        weight_decay=0.0,
        clip=50.0,
    )
    trainer = Trainer(tmp_path, base.model, config, {"train": split, "valid": split.select([])})
    trainer.resume()
    trainer.train(lambda progress: None, lambda: False)
    model.train(1, batch_size=1)
    expected = ImportedModel.read(model.save(tmp_path / "b.tar")).searcher.model.state_dict()
    for name, weight in trainer.model.state_dict().items():
        # What is the same for each source token changes nothing: its gradient is noise.
        if (score, name) != ("general", "decoder.attention.memory_projection.bias"):
            torch.testing.assert_close(weight, expected[name], atol=2e-5, rtol=1e-4)


OTHERS: dict[str, Any] = {
    "none": lambda values: values.pop("en_opt"),
    "a list": lambda values: values.update(en_opt=[1]),
    "no state": lambda values: values["de_opt"].update(state={}),
    "two groups": lambda values: values["en_opt"].update(param_groups=[1, 2]),
    "another optimiser's": lambda values: first(values).pop("exp_avg"),
    "another shape": lambda values: first(values).update(exp_avg=torch.ones(2)),
    "negative squares": lambda values: first(values)["exp_avg_sq"].fill_(-1.0),
    "no numbers": lambda values: first(values)["exp_avg"].fill_(float("nan")),
    "on no device": lambda values: first(values).update(
        exp_avg=first(values)["exp_avg"].to("meta")
    ),
    "a word for a step": lambda values: first(values).update(step="x"),
    "no step": lambda values: first(values).update(step=0),
}


def first(values: dict[str, Any]) -> dict[str, Any]:
    """The state of the decoder's first tensor of its own."""
    state: dict[str, Any] = values["de_opt"]["state"][1]
    return state


@pytest.mark.parametrize("other", OTHERS)
def test_an_optimiser_that_cannot_go_on_begins_anew(tmp_path: Path, other: str) -> None:
    model = TutorialModel("dot", 4, 1, 1).train(1)
    path = model.save(tmp_path / "a.tar")
    assert read_base(str(path), ModelStore(tmp_path)).moments is not None
    values = torch.load(path, weights_only=True)
    OTHERS[other](values)
    torch.save(values, path)
    base = read_base(str(path), ModelStore(tmp_path))
    assert base.moments is None
    assert base.vocabulary == VocabularyConfig("word", 212, drop_unknown=True)


def test_words_between_white_space_stay_words_between_white_space(tmp_path: Path) -> None:
    values = TutorialModel("dot", 4, 1, 1).checkpoint()
    voc = values["voc_dict"]
    numbered = [w if i < 3 else f"\u4f60{i}" for i, w in voc["index2word"].items()]
    values["voc_dict"] = voc | {
        "index2word": dict(enumerate(numbered)),
        "word2index": {word: i for i, word in enumerate(numbered) if i > 2},
    }
    torch.save(values, tmp_path / "a.tar")
    base = read_base(str(tmp_path / "a.tar"), ModelStore(tmp_path))
    assert base.vocabulary == VocabularyConfig("whitespace", 212, drop_unknown=True)


def test_a_score_that_train_does_not_have_is_refused(tmp_path: Path) -> None:
    path = TutorialModel("concat", 4, 1, 1, ancestor=True).save(tmp_path / "a.tar")
    with pytest.raises(CheckpointError, match="without a tanh"):
        read_base(str(path), ModelStore(tmp_path))


def test_a_version_that_is_not_what_was_published_is_not_loaded(
    animal_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(animal_store, tmp_path / "store")
    searcher = tmp_path / "store" / "animals" / "1" / "searcher.pt"
    searcher.write_bytes(searcher.read_bytes()[:-1] + b"x")
    with pytest.raises(DigestError):
        read_base("animals", ModelStore(tmp_path / "store"))


@pytest.mark.parametrize("base", ["no such thing", "nothing", "nothing/1", "a/b/c", "../x.tar"])
def test_what_is_not_there_is_a_usage_error(tmp_path: Path, base: str) -> None:
    with pytest.raises(UsageError, match=r"There is no run, checkpoint or published model"):
        read_base(base, ModelStore(tmp_path))


def test_a_folder_without_a_model_is_no_base(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the folder of neither a run nor a published version"):
        read_base(str(tmp_path), ModelStore(tmp_path))
