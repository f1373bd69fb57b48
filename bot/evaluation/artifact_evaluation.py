"""Evaluates a published model on held-out dialogue that is the same for every model."""

import json
import math
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import bot
from bot.artifact.artifact import Artifact
from bot.artifact.manifest import SEARCHER_FILE
from bot.data.mixing import WeightedCorpus, mix
from bot.data.selection import Example, MixConfig
from bot.data.splits import SPLITS
from bot.errors import CorpusError
from bot.evaluation.metrics import HeldOutLikelihood, Likelihood, Variety, likelihood
from bot.publishing.export import MAX_REPLY_TOKENS
from bot.settings import usable_cores
from bot.training.run import RunConfig, read_held_out

REPLIES_PER_BATCH = 16
TIMED_REPLIES = 100
WARM_UP_REPLIES = 5  # TorchScript optimises a graph during its first calls
SAMPLE_SEED = 0
NO_LIMIT = 1_000_000_000

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EvaluationConfig:
    """What a model is evaluated on.

    :param corpora: as ``train --corpus`` takes them; their weights do not matter
    :param mix: how examples are chosen, see ``evaluation_mix``
    :param split: ``train``, ``valid``, ``test`` or ``all``
    :param limit: at most so many examples, the same ones each time; 0 for all
    :param run: the folder of the training run that held the examples out; ``corpora`` and ``mix``
        are its own then, and ``split`` is one that it held out. Empty: they are of the corpora
    """

    corpora: tuple[WeightedCorpus, ...]
    mix: MixConfig
    split: str = "test"
    limit: int = 0
    run: str = ""

    @classmethod
    def of_run(cls, run: Path, split: str, limit: int) -> "EvaluationConfig":
        """What a training run held out.

        :raises CheckpointError: if it is no training run
        """
        config = RunConfig.read(run)
        return cls(config.corpora, config.mix, split, limit, str(run))


def evaluation_mix(**settings: Any) -> MixConfig:
    """Settings by which examples are as in the corpus: none is thinned out or varied."""
    return MixConfig(**settings, augment=False, max_reply_count=NO_LIMIT, max_prompt_count=NO_LIMIT)


def held_out_examples(config: EvaluationConfig) -> list[Example]:
    """The examples that every model is evaluated on; they do not depend on the model.

    Those of the held-out splits are the ones that a training run with the same settings holds out,
    but for a run's own limit of tokens a reply.

    :raises UsageError: if a corpus is not known
    :raises CorpusError: if a corpus cannot be read, or nothing is left
    :raises CheckpointError: if a run has not kept what it held out
    """
    if config.run:
        sources = config.run
        examples = read_held_out(Path(config.run), config.split)
    else:
        sources = ", ".join(corpus.source for corpus in config.corpora)
        once = [replace(corpus, weight=1.0) for corpus in config.corpora]
        splits = mix(once, config.mix)
        chosen = SPLITS if config.split == "all" else (config.split,)
        examples = [example for name in chosen for example in splits[name]]
    if not examples:
        raise CorpusError(
            f"The {config.split} split of {sources} holds no example to evaluate on; give more"
            " dialogue or another --split."
        )
    if 0 < config.limit < len(examples):
        examples = random.Random(SAMPLE_SEED).sample(examples, config.limit)
    return examples


@dataclass(frozen=True)
class Speed:
    """How fast single replies are made, one after the other.

    :param threads: that torch computes with
    """

    replies_per_second: float
    threads: int
    device: str


@dataclass(frozen=True)
class Evaluation:
    """A model's measures on held-out examples.

    :param model: ``name/version``
    :param searcher_sha256: of the searcher's file, as its manifest has it
    :param replies: greedy ones, to each different conversation among the examples
    :param machine: what computed it, for the speed
    """

    model: str
    searcher_sha256: str
    config: EvaluationConfig
    likelihood: HeldOutLikelihood
    replies: Variety
    speed: Speed
    machine: str
    torch_version: str
    causerie_version: str
    created_at: str

    def as_dict(self) -> dict[str, Any]:
        """Settings and numbers as JSON has them; what is not finite is ``None``."""
        values = asdict(self)
        values["likelihood"] = {
            "every_target": _with_measures(self.likelihood.every),
            "targets_without_unknown_tokens": _with_measures(self.likelihood.known),
        }
        values["replies"]["most_frequent"] = [
            {"reply": reply, "share": share} for reply, share in self.replies.most_frequent
        ]
        return values

    def to_json(self) -> str:
        """``as_dict`` as text."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def evaluate(
    artifact: Artifact,
    examples: Sequence[Example],
    config: EvaluationConfig,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Evaluation:
    """Measure a model.

    :param examples: from ``held_out_examples(config)``
    :param on_progress: called now and then with what is measured, how much is done, of how much
    :raises SearcherError: if the artifact was exported before searchers could score
    """
    done = 0

    def count(targets: int) -> None:
        nonlocal done
        done += targets
        on_progress("scoring", done, len(examples))

    scores = likelihood(artifact, examples, count)
    # The same words said twice get the same reply twice: that says nothing about variety.
    conversations = list(dict.fromkeys(example.turns for example in examples))
    sources = [artifact.tokenizer.encode_source(*turns) for turns in conversations]
    speed = measure_speed(artifact, sources)
    replies: list[str] = []
    for start in range(0, len(sources), REPLIES_PER_BATCH):
        batch = artifact.search(sources[start : start + REPLIES_PER_BATCH], MAX_REPLY_TOKENS)
        replies.extend(artifact.tokenizer.decode(ids) for ids in batch)
        on_progress("replying", len(replies), len(sources))
    manifest = artifact.manifest
    return Evaluation(
        model=f"{manifest.name}/{manifest.version}",
        searcher_sha256=manifest.files[SEARCHER_FILE].sha256,
        config=config,
        likelihood=scores,
        replies=Variety.of(replies),
        speed=speed,
        machine=machine(artifact.device),
        torch_version=torch.__version__,
        causerie_version=bot.__version__,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def measure_speed(artifact: Artifact, sources: Sequence[list[int]]) -> Speed:
    """Time replies at batch size 1, warmed up: at most ``TIMED_REPLIES``, evenly chosen."""
    timed = sources[:: math.ceil(len(sources) / TIMED_REPLIES)]
    for source in timed[:WARM_UP_REPLIES]:
        artifact.search([source], MAX_REPLY_TOKENS)
    began = time.perf_counter()
    for source in timed:
        artifact.search([source], MAX_REPLY_TOKENS)  # copies its result: waits for a GPU too
    seconds = time.perf_counter() - began
    return Speed(len(timed) / seconds, torch.get_num_threads(), artifact.device)


def machine(device: str) -> str:
    """The machine in one line."""
    line = f"{platform.system()} {platform.machine()}, {usable_cores()} usable cores"
    return f"{line}, {torch.cuda.get_device_name()}" if device == "cuda" else line


def _with_measures(measured: Likelihood) -> dict[str, Any]:
    values = {
        **asdict(measured),
        "perplexity": measured.perplexity,
        "bits_per_character": measured.bits_per_character,
    }
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
