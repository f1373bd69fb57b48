"""From a training run to a version in the model store."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack

import torch

from bot.artifact.artifact import load_searcher, search_batch
from bot.artifact.manifest import MODEL_CARD_FILE, SEARCHER_FILE, TOKENIZER_FILE
from bot.artifact.store import ModelStore
from bot.errors import CheckpointError, DivergenceError, ParityError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, Tokenizer
from bot.training import checkpoint
from bot.training.dataset import EncodedPairs
from bot.training.run import RunConfig, read_splits, read_tokenizer

PARITY_PROMPTS = 64
PARITY_BATCH = 16
MAX_REPLY_TOKENS = 40  # as served by default
SCRIPTED_METHODS = (
    GreedySearcher.sample,
    GreedySearcher.beam,
    GreedySearcher.target_scores,
    GreedySearcher.attention,
)


@dataclass(frozen=True)
class TrainedRun:
    """What a run has made so far.

    :param searcher: eager, in evaluation mode, its weights rounded as the artifact keeps them;
        the weights of the lowest held-out loss where early stopping has kept them
    :param steps: optimiser steps taken
    :param hours: training time
    :param processes: how many shared the work
    """

    config: RunConfig
    tokenizer: Tokenizer
    searcher: GreedySearcher
    splits: dict[str, EncodedPairs]
    steps: int
    hours: float
    processes: int

    @classmethod
    def read(cls, run: Path) -> "TrainedRun":
        """Read a run's checkpoint.

        :raises CheckpointError: if a file of it is missing, malformed or of another shape
        :raises DivergenceError: if its weights are not finite
        :raises TokenizerError: if its tokenizer cannot be read
        """
        config = RunConfig.read(run)
        state = checkpoint.load(run / checkpoint.CHECKPOINT_FILE)
        model = Seq2Seq(config.model, PAD_ID)
        try:
            model.load_state_dict(checkpoint.best_weights(state))
            steps, hours = state["step"], state["seconds"] / 3600
            processes = checkpoint.process_count(state)
        except (KeyError, RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{run / checkpoint.CHECKPOINT_FILE} does not fit {checkpoint.RUN_FILE} beside it;"
                " use the checkpoint that this run wrote."
            ) from error
        searcher = GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID).half().float()
        if not checkpoint.all_finite(searcher.state_dict().values()):
            raise DivergenceError(
                f"{run / checkpoint.CHECKPOINT_FILE} holds weights that are not finite in half"
                " precision, as training that diverges leaves them; train again with a lower"
                " --learning-rate or --clip."
            )
        searcher.eval().requires_grad_(requires_grad=False)
        tokenizer = read_tokenizer(run, config)
        return cls(config, tokenizer, searcher, read_splits(run), steps, hours, processes)


def compile_searcher(searcher: GreedySearcher, dtype: torch.dtype = torch.float16) -> bytes:
    """The searcher as TorchScript.

    :param searcher: in evaluation mode; its weights become what ``dtype`` makes of them
    :param dtype: of the weights in the file; half precision halves it
    """
    for method in SCRIPTED_METHODS:
        torch.jit.export(method)  # else only what ``forward`` calls is compiled
    scripted = torch.jit.script(searcher.to(dtype))
    content = io.BytesIO()
    torch.jit.save(scripted, content)
    searcher.float()
    return _without_debug_entries(content)


def _without_debug_entries(archive: io.BytesIO) -> bytes:
    """The archive less what names the source files of the machine that made it."""
    stripped = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(stripped, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))
    return stripped.getvalue()


def check_parity(
    searcher: GreedySearcher, compiled: bytes, sources: Sequence[list[int]], max_length: int
) -> None:
    """Search for a reply to each source with both, in batches.

    :raises ParityError: if a reply differs
    """
    loaded = load_searcher(compiled, "cpu")
    for start in range(0, len(sources), PARITY_BATCH):
        batch = sources[start : start + PARITY_BATCH]
        expected = search_batch(searcher, batch, max_length, "cpu")
        actual = search_batch(loaded, batch, max_length, "cpu")
        for i, (theirs, ours) in enumerate(zip(expected, actual, strict=True)):
            if theirs != ours:
                raise ParityError(
                    f"The exported searcher answers check prompt {start + i + 1} with other tokens"
                    " than the model, so nothing was published; export with the version of torch"
                    " that the model was trained with."
                )


def parity_sources(splits: dict[str, EncodedPairs]) -> list[list[int]]:
    """Sixty-four real prompts, held-out ones first; fewer only if the corpora had fewer."""
    all_pairs = [splits[name] for name in ("valid", "test", "train")]
    sources = (pairs.source(i).tolist() for pairs in all_pairs for i in range(len(pairs)))
    return list(islice(sources, PARITY_PROMPTS))


class Published(TypedDict):
    """What is said of a version when it is published.

    ``card``: Markdown. ``activate``: whether it is served from the next start on.
    """

    card: str
    description: str
    language: str
    activate: bool


def export(trained: TrainedRun, store: ModelStore, name: str, **about: Unpack[Published]) -> Path:
    """Publish a trained model, its weights in half precision; as ``publish`` does."""
    return publish(
        trained.searcher,
        trained.tokenizer,
        trained.config.model,
        parity_sources(trained.splits),
        store,
        name,
        torch.float16,
        **about,
    )


def publish(
    searcher: GreedySearcher,
    tokenizer: Tokenizer,
    config: ModelConfig,
    check_sources: Sequence[list[int]],
    store: ModelStore,
    name: str,
    dtype: torch.dtype,
    **about: Unpack[Published],
) -> Path:
    """Compile a searcher, check it against the eager one, and publish it.

    :param check_sources: sources that both must answer with the same tokens
    :param dtype: of the weights in the file
    :return: the version's directory
    :raises ParityError: if the compiled searcher writes other tokens; nothing is published then
    :raises UsageError: if the name is malformed
    """
    compiled = compile_searcher(searcher, dtype)
    check_parity(searcher, compiled, check_sources, MAX_REPLY_TOKENS)
    return store.publish(
        name,
        {
            SEARCHER_FILE: compiled,
            TOKENIZER_FILE: tokenizer.to_json().encode(),
            MODEL_CARD_FILE: about["card"].encode(),
        },
        torch_version=torch.__version__,
        language=about["language"],
        description=about["description"],
        model=asdict(config),
        max_source_tokens=tokenizer.max_source_tokens,
        max_source_turns=tokenizer.max_source_turns,
        activate=about["activate"],
    )
