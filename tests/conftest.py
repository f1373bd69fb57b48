"""What all tests share."""

import json
import random
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from rounded import RoundedSearcher
from small_runs import publish_animals, publish_compiled_animals, small_run, trainer_of

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import INT8_SEARCHER_FILE
from bot.artifact.store import ModelStore
from bot.publishing.export import TrainedRun, compile_int8, compile_run

# The machines that run these tests are shared and noisy: no deadline, the same examples each run.
settings.register_profile("causerie", deadline=None, derandomize=True)
settings.load_profile("causerie")

# Small models on a busy machine: threads would wait for each other longer than they work.
torch.set_num_threads(1)

# A shell starts what runs in its background with Ctrl-C ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
            question = f"Please, number {number}, tell me about the {ANIMALS[which]}."
            answer = f"The {ANIMALS[which]} says {SOUNDS[which]}."
            file.write(json.dumps({"turns": [question, answer]}) + "\n")
    return path


@pytest.fixture(scope="session")
def trained_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained to its end."""
    run = tmp_path_factory.mktemp("runs") / "animals"
    small_run(run, corpus, steps=200)
    assert trainer_of(run).train(lambda progress: None, lambda: False)
    return run


@pytest.fixture(scope="session")
def animal_store(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose active model says what the animals say."""
    root = tmp_path_factory.mktemp("store")
    publish_animals(TrainedRun.read(trained_run), ModelStore(root))
    return root


@pytest.fixture(scope="session")
def int8_store(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose active model says what the animals say, but takes cats for owls in int8."""
    trained = TrainedRun.read(trained_run)
    searchers = compile_run(trained, None)
    variant = RoundedSearcher(trained.searcher, levels=127)
    cat, owl = (trained.tokenizer.encode(animal)[0] for animal in ("cat", "owl"))
    model = variant.model
    for rows in (model.embedding.weight.data, model.output.weight.data, variant.bias):
        rows[[cat, owl]] = rows[[owl, cat]]
    searchers.files[INT8_SEARCHER_FILE] = compile_int8(variant.eval())
    root = tmp_path_factory.mktemp("int8")
    publish_compiled_animals(trained, searchers, ModelStore(root))
    return root


@pytest.fixture(scope="session")
def animal_artifact(animal_store: Path) -> Artifact:
    """The model that says what the animals say, loaded."""
    return Artifact.load(ModelStore(animal_store).resolve())
