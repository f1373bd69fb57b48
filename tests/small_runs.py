"""Training runs small enough for a test."""

from pathlib import Path

from bot.artifact.store import ModelStore
from bot.data.mixing import WeightedCorpus
from bot.data.selection import MixConfig
from bot.data.vocabulary import VocabularyConfig
from bot.model.seq2seq import ModelConfig
from bot.publishing.base_reader import read_base
from bot.publishing.export import Quantise, Searchers, TrainedRun, compile_run, publish
from bot.training.run import RunConfig, prepare, read_splits
from bot.training.trainer import Trainer
from bot.training.training_config import TrainingConfig


def small_run(run: Path, corpus: Path, steps: int, base: str = "") -> RunConfig:
    """Prepare a run of a small model that learns what the animals say."""
    config = RunConfig(
        corpora=(WeightedCorpus(str(corpus)),),
        mix=MixConfig(max_reply_count=10_000),
        model=ModelConfig(400, 64, 64, 1, 1, "general", dropout=0.1),
        training=TrainingConfig(
            steps=steps,
            batch_size=32,
            learning_rate=5e-3,
            warmup_steps=20,
            evaluate_every=50,
            save_every_s=1e6,
        ),
        vocabulary=VocabularyConfig(size=400),
        max_source_tokens=16,
        max_target_tokens=12,
        base=base,
    )
    prepare(run, config, base=read_base(base, ModelStore(run)) if base else None)
    return RunConfig.read(run)


def trainer_of(run: Path) -> Trainer:
    """A trainer for a prepared run."""
    config = RunConfig.read(run)
    return Trainer(run, config.model, config.training, read_splits(run))


def publish_animals(
    trained: TrainedRun, store: ModelStore, quantise: Quantise | None = None
) -> Path:
    """Publish a trained run and make it the active model."""
    return publish_compiled_animals(trained, compile_run(trained, quantise), store)


def publish_compiled_animals(trained: TrainedRun, searchers: Searchers, store: ModelStore) -> Path:
    """The same with searchers that were compiled already."""
    return publish(
        searchers,
        trained.tokenizer,
        trained.config.model,
        store,
        "animals",
        card="# Animals\n",
        description="What the animals say.",
        language="en",
        activate=True,
    )
