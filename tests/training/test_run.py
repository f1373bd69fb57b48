"""A run's folder."""

import json
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import small_run

from bot.errors import CheckpointError
from bot.training.corpora.conversation import Conversation, split_of
from bot.training.recipes import RECIPES
from bot.training.run import RunConfig, prepare, read_splits, read_tokenizer
from bot.training.selection import MixConfig
from bot.training.vocabulary import VocabularyConfig


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
    prepare(tmp_path / "run", config, lambda source, count: None)

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
