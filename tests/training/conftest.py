"""A small training run, made once."""

import json
import random
from pathlib import Path

import pytest
from small_runs import small_run, trainer_of

ANIMALS = ["cat", "dog", "horse", "duck", "goat", "mouse", "owl", "fox"]
SOUNDS = ["meow", "woof", "neigh", "quack", "bleat", "squeak", "hoot", "yip"]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of questions with one right answer each."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("corpus") / "animals.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(900):
            which = rng.randrange(len(ANIMALS))
            question = f"What does the {ANIMALS[which]} number {number} say?"
            answer = f"The {ANIMALS[which]} says {SOUNDS[which]}."
            file.write(json.dumps({"turns": [question, answer]}) + "\n")
    return path


@pytest.fixture(scope="session")
def trained_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained to its end."""
    run = tmp_path_factory.mktemp("runs") / "animals"
    small_run(run, corpus, steps=150)
    assert trainer_of(run).train(lambda progress: None, lambda: False)
    return run
