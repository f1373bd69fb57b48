"""From a training run to a version in the model store."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import torch
from torch import Tensor, nn

from bot.artifact.artifact import load_searcher, search_batch
from bot.artifact.manifest import (
    INT8_SEARCHER_FILE,
    MODEL_CARD_FILE,
    SEARCHER_FILE,
    TOKENIZER_FILE,
)
from bot.artifact.precision import int8_works, quantised_tensors
from bot.artifact.store import ModelStore
from bot.data.batches import collate
from bot.data.dataset import EncodedPairs
from bot.errors import CheckpointError, DivergenceError, ParityError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.agreement import measure_agreement
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, Tokenizer
from bot.training import checkpoint
from bot.training.run import RunConfig, read_splits, read_tokenizer

PARITY_PROMPTS = 64
PARITY_BATCH = 16
MAX_REPLY_TOKENS = 40  # as served by default
SCRIPTED_METHODS = ("sample", "beam", "target_scores", "attention")

CALIBRATION_PAIRS = 512
AGREEMENT_PROMPTS = 1_000
MIN_HELD_OUT_PROMPTS = 50
LEFT_OUT = "it was left out with --no-int8"
CANNOT_RUN = "the machine that published the model cannot run int8"

OnProgress = Callable[[str], None]


class Quantise(Protocol):
    """What makes an int8 variant: ``bot.publishing.quantisation.quantise``."""

    def __call__(
        self,
        searcher: GreedySearcher,
        source_ids: Tensor,
        source_lengths: Tensor,
        target_ids: Tensor,
        *,
        precise: bool,
    ) -> nn.Module:
        """A searcher with int8 weights, which has ``pack``."""
        ...


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
        for name in (
            checkpoint.RUN_FILE,
            checkpoint.TOKENIZER_FILE,
            checkpoint.DATA_FILE,
            checkpoint.CHECKPOINT_FILE,
        ):
            # A pipe would be waited for.
            if (run / name).exists() and not (run / name).is_file():
                raise CheckpointError(
                    f"{run / name} is not a regular file; give the folder of a training run."
                )
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
    content = _scripted(searcher.to(dtype), SCRIPTED_METHODS)
    searcher.float()
    return content


def compile_int8(searcher: nn.Module) -> bytes:
    """The int8 variant as TorchScript, its buffers as they are.

    :param searcher: in evaluation mode, not packed: what ``pack`` makes belongs to one machine
    """
    return _scripted(searcher, (*SCRIPTED_METHODS, "pack"))


def _scripted(searcher: nn.Module, methods: Sequence[str]) -> bytes:
    for method in methods:
        # Else only what ``forward`` calls is compiled.
        torch.jit.export(getattr(type(searcher), method))
    content = io.BytesIO()
    torch.jit.save(torch.jit.script(searcher), content)
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


@dataclass(frozen=True)
class Int8Data:
    """Real pairs that the int8 variant is made and judged with.

    :param calibration: what its weights are rounded for
    :param checked: pairs whose prompts it must answer as the float32 searcher does
    :param what: what these are, in the plural
    """

    calibration: EncodedPairs
    checked: EncodedPairs
    what: str


def int8_data(splits: Mapping[str, EncodedPairs]) -> Int8Data:
    """Training pairs to calibrate with and held-out ones to check with, the same each time.

    Where hardly any were held out, training pairs are checked.
    """
    train, held_out = splits["train"], splits["valid"].followed_by(splits["test"])
    calibration = train.sample(CALIBRATION_PAIRS, seed=0)
    if len(held_out) >= MIN_HELD_OUT_PROMPTS:
        return Int8Data(calibration, held_out.sample(AGREEMENT_PROMPTS, 0), "held-out prompts")
    return Int8Data(calibration, train.sample(AGREEMENT_PROMPTS, seed=1), "training prompts")


@dataclass(frozen=True)
class Searchers:
    """The searchers of a version, compiled and checked.

    :param files: their contents, by file name
    :param int8_note: a sentence: how well int8 agrees with float32, or why there is no int8
    """

    files: dict[str, bytes]
    int8_note: str


def compile_searchers(
    searcher: GreedySearcher,
    dtype: torch.dtype,
    check_sources: Sequence[list[int]],
    int8: Int8Data | str,
    quantise: Quantise | None,
    on_progress: OnProgress,
) -> Searchers:
    """Compile a searcher, and its int8 variant, and check both.

    The int8 variant is the fast one if its replies agree with float32's, else the precise one.

    :param dtype: of the reference's weights in its file
    :param check_sources: sources that the compiled reference must answer as the eager one does
    :param int8: pairs for the int8 variant, or why there can be none
    :param quantise: makes the int8 variant; ``None`` if none is wanted
    :param on_progress: called with a line before what takes seconds
    :raises ParityError: if the compiled searcher writes other tokens
    :raises AgreementError: if the int8 variant's replies differ too often, or are worse
    """
    reference = compile_searcher(searcher, dtype)
    check_parity(searcher, reference, check_sources, MAX_REPLY_TOKENS)
    files = {SEARCHER_FILE: reference}
    if quantise is None:
        int8 = LEFT_OUT
    elif not int8_works():
        int8 = CANNOT_RUN
    if quantise is None or isinstance(int8, str):
        return Searchers(files, f"There is no int8 variant: {int8}.")
    fp32 = load_searcher(reference, "cpu")
    for precise in (False, True):
        form = "more exact int8 variant, half as slow again" if precise else "int8 variant"
        on_progress(f"making the {form}, rounded for {len(int8.calibration):,} pairs ...")
        content = _int8_searcher(searcher, int8.calibration, quantise, precise=precise)
        on_progress(f"comparing its replies to {len(int8.checked):,} {int8.what} with fp32's ...")
        loaded = load_searcher(content, "cpu", "int8")
        agreement = measure_agreement(fp32, loaded, int8.checked, int8.what, MAX_REPLY_TOKENS)
        if agreement.suffices:
            break
    agreement.check()
    return Searchers({**files, INT8_SEARCHER_FILE: content}, f"{agreement.figures}.")


def _int8_searcher(
    searcher: GreedySearcher, calibration: EncodedPairs, quantise: Quantise, *, precise: bool
) -> bytes:
    batch = collate(calibration, range(len(calibration)))
    with quantised_tensors():
        quantised = quantise(
            searcher,
            batch.source_ids,
            batch.source_lengths,
            batch.next_ids.contiguous(),
            precise=precise,
        )
        return compile_int8(quantised.eval())


def compile_run(
    trained: TrainedRun,
    quantise: Quantise | None,
    on_progress: OnProgress = lambda line: None,
) -> Searchers:
    """Compile what a run has made, its weights in half precision; as ``compile_searchers`` does."""
    return compile_searchers(
        trained.searcher,
        torch.float16,
        parity_sources(trained.splits),
        int8_data(trained.splits),
        quantise,
        on_progress,
    )


class Published(TypedDict):
    """What is said of a version when it is published.

    ``card``: Markdown. ``activate``: whether it is served from the next start on, or ``None`` for
    only if nothing else is.
    """

    card: str
    description: str
    language: str
    activate: bool | None


def publish(
    searchers: Searchers,
    tokenizer: Tokenizer,
    config: ModelConfig,
    store: ModelStore,
    name: str,
    **about: Unpack[Published],
) -> Path:
    """Publish what was compiled and checked.

    :return: the version's directory
    :raises UsageError: if the name is malformed
    :raises ArtifactError: as ``ModelStore.publish`` does
    """
    return store.publish(
        name,
        {
            **searchers.files,
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
