"""A run's folder."""

import json
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from small_runs import small_run

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.prepared import PreparedCorpus
from bot.data.mixing import WeightedCorpus
from bot.data.selection import MixConfig
from bot.data.splits import split_of
from bot.data.vocabulary import VocabularyConfig
from bot.errors import CheckpointError, CorpusError, UsageError
from bot.training.recipes import RECIPES
from bot.training.run import RunConfig, max_target_tokens, prepare, read_splits, read_tokenizer


def test_a_run_of_an_older_version_is_read_with_the_defaults(tmp_path: Path, corpus: Path) -> None:
    config = small_run(tmp_path / "run", corpus, steps=1)
    path = tmp_path / "run" / "run.json"
    values = json.loads(path.read_text())
    del values["vocabulary"]
    values["corpora"] = [{"source": "smalltalk", "weight": 2.0}]
    values["mix"] = {"max_source_turns": 2, "drop": "x", "seed": 3}
    path.write_text(json.dumps(values))
    read = RunConfig.read(tmp_path / "run")
    assert read.vocabulary == VocabularyConfig()
    assert read.mix == MixConfig(max_source_turns=2, drop="x", seed=3)
    assert read.corpora[0].delimiter == ""
    assert read.model == config.model


def test_a_run_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"vocabulary": 3}')
    with pytest.raises(CheckpointError, match=r"run\.json"):
        RunConfig.read(tmp_path)


def tutorial_words(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFD", text.lower().strip())
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return re.sub(r"[^a-zA-Z.!?]+", " ", re.sub(r"([.!?])", r" \1", bare)).split()


def test_the_tutorial_s_recipe_keeps_the_pairs_and_the_words_that_the_tutorial_keeps(
    tmp_path: Path, corpus: Path
) -> None:
    """Its steps, in plain Python: pairs of fewer than 10 words, then words of 3 occurrences."""
    path = tmp_path / "mixed.tsv"
    animals = [json.loads(line)["turns"] for line in corpus.read_text().splitlines()]
    asked = [[f"Isn't it {n % 40}{'x' * (n % 9)}, is it?", "Well... no! "] for n in range(400)]
    spoken = [
        ["I am " + "so " * (n % 9) + "glad!", "Crème " * (n % 11) + "brûlée"] for n in range(99)
    ]
    rare = [[f"I like {'y' * (n // 2)}.", "Why so?"] for n in range(1, 60)]
    pairs = animals[:200] + asked + spoken + rare
    path.write_text("".join("\t".join(pair) + "\n" for pair in pairs), "utf-8")
    recipe = RECIPES["tutorial"]
    names = MixConfig().__dataclass_fields__.keys() & recipe.keys()
    small = small_run(tmp_path / "small", corpus, steps=1)
    config = replace(
        small,
        corpora=(replace(small.corpora[0], source=str(path)),),
        mix=MixConfig(**{name: recipe[name] for name in names}),
        vocabulary=VocabularyConfig(
            "word",
            recipe["vocabulary"],
            recipe["min_count"],
            drop_unknown=recipe["drop_unknown"],
        ),
        max_target_tokens=32,
    )
    prepare(tmp_path / "run", config)

    short = [
        (split_of(Conversation(pair)), *(tutorial_words(turn) for turn in pair))
        for pair in pairs
        if all(len(tutorial_words(turn)) < 10 for turn in pair)
    ]
    counts = Counter(
        word for split, *turns in short if split == "train" for turn in turns for word in turn
    )
    known = {word for word, count in counts.items() if count >= 3}
    expected = Counter(
        (" ".join(prompt), " ".join(reply))
        for split, prompt, reply in short
        if split == "train" and known.issuperset(prompt + reply)
    )
    tokenizer = read_tokenizer(tmp_path / "run", config)
    words = json.loads(tokenizer.to_json())["model"]["vocab"]
    assert words.keys() - {"<pad>", "<bos>", "<eos>", "<unk>", "<sep>"} == known
    names_of = {number: word for word, number in words.items()}
    train = read_splits(tmp_path / "run")["train"]
    kept = Counter(
        (
            " ".join(names_of[i] for i in train.source(index).tolist()[:-1]),
            " ".join(names_of[i] for i in train.target(index).tolist()[1:-1]),
        )
        for index in range(len(train))
    )
    assert kept == expected
    assert 100 < kept.total() < len(short) - 20 < len(pairs) - 40, "every step leaves some out"


@pytest.fixture
def few(corpus: Path, tmp_path: Path) -> RunConfig:
    """The settings of a run on five pairs, none of them held out."""
    config = small_run(tmp_path / "many", corpus, steps=1)
    path = tmp_path / "few.tsv"
    path.write_text("".join(f"What is number {n}?\tThat is number {n}.\n" for n in range(5)))
    return replace(config, corpora=(WeightedCorpus(str(path)),))


def test_only_the_training_split_must_hold_something(few: RunConfig, tmp_path: Path) -> None:
    assert not prepare(tmp_path / "run", few)
    splits = read_splits(tmp_path / "run")
    assert {name: len(pairs) for name, pairs in splits.items()} == {
        "train": 5,
        "valid": 0,
        "test": 0,
    }
    with pytest.raises(CorpusError, match="5 have a reply of more than 1 token"):
        prepare(tmp_path / "made" / "run", replace(few, max_target_tokens=2))
    assert not (tmp_path / "made").exists(), "what fails leaves no folder"


def test_that_nearly_nothing_is_left_is_an_error_that_says_why(
    few: RunConfig, tmp_path: Path
) -> None:
    words = ["".join(letters) for letters in product("abcde", repeat=3)]
    lines = [f"Is it {word}?\tIt is {word[::-1]}x.\n" for word in words]
    path = tmp_path / "rare.tsv"
    path.write_text("".join([*lines, "Is it?\tIt is.\n", "It is?\tIs it?\n"]))
    config = replace(
        few,
        corpora=(WeightedCorpus(str(path)),),
        vocabulary=VocabularyConfig("word", min_count=3, drop_unknown=True),
    )
    with pytest.raises(CorpusError, match=r"leave 2 of \d+ pairs .*outside the voc.*--min-count"):
        prepare(tmp_path / "run", config)
    plenty = replace(config, vocabulary=VocabularyConfig("word", min_count=3))
    prepare(tmp_path / "run", plenty)
    assert len(read_splits(tmp_path / "run")["train"]) > 100


def test_early_stopping_needs_a_validation_split(few: RunConfig, tmp_path: Path) -> None:
    patient = replace(few, training=replace(few.training, patience=1))
    with pytest.raises(UsageError, match="--patience"):
        prepare(tmp_path / "run", patient)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_to_is_told_before_a_corpus_is_read(
    few: RunConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    missing = replace(few, corpora=(WeightedCorpus("missing.tsv"),))
    with pytest.raises(UsageError, match="choose another --run"):
        prepare(tmp_path / "file" / "run", missing)


def test_settings_that_cannot_be_written_leave_the_old_ones(few: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "many"
    before = (run / "run.json").read_bytes()
    (run / ".run.json.new").mkdir()  # where the new settings would be drafted
    with pytest.raises(UsageError, match=r"run\.json cannot be written"):
        few.write(run)
    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize(("words", "tokens"), [(9, 32), (20, 32), (21, 34), (60, 112)])
def test_longer_replies_may_have_more_tokens(words: int, tokens: int, tmp_path: Path) -> None:
    with PreparedCorpus(tmp_path / "prepared") as prepared:
        prepared.finish({"options": {"max_reply_words": words}})
    assert max_target_tokens(MixConfig(max_reply_words=words), ()) == tokens
    folder = WeightedCorpus(str(tmp_path / "prepared"))
    assert max_target_tokens(MixConfig(), (folder,)) == tokens


def test_a_prepared_corpus_that_does_not_say_its_limit_has_the_usual_one(tmp_path: Path) -> None:
    with PreparedCorpus(tmp_path) as prepared:
        prepared.finish({})
    assert max_target_tokens(MixConfig(), (WeightedCorpus(str(tmp_path)),)) == 32
