"""A training run's folder, made from corpora and opened again to resume or export."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter
from torch import Tensor

from bot.data.corpora.json_objects import read_json
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.prepared import example_line
from bot.data.dataset import EncodedPairs, encode_examples
from bot.data.folders import filled_folder, make_folder, remove_empty
from bot.data.mixing import CorpusSummary, WeightedCorpus, mix
from bot.data.selection import Example, MixConfig, as_they_are
from bot.data.splits import SPLITS
from bot.data.vocabulary import VocabularyConfig
from bot.errors import CheckpointError, CorpusError, TokenizerError, UsageError
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.settings import usable_memory_bytes
from bot.text.tokenizer import Tokenizer
from bot.training import checkpoint
from bot.training.base import Base
from bot.training.files import write_atomically
from bot.training.training_config import TrainingConfig, first_problem

BYTES_A_PARAMETER = 16  # the weight, its gradient and the two moments of Adam, in float32

# One pair in so many: a model of fewer would learn what the vocabulary happens to leave.
NEARLY_NOTHING = 20
HELD_OUT = ("valid", "test")  # the splits that are never trained on


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run, as ``run.json`` keeps it.

    :param max_source_tokens: the longest source, ``EOS`` included
    :param max_target_tokens: the longest target, ``EOS`` included
    :param base: what the run fine-tunes, for the model card
    :param command: what was typed to start it, for the model card
    """

    corpora: tuple[WeightedCorpus, ...]
    mix: MixConfig
    model: ModelConfig
    training: TrainingConfig
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    max_source_tokens: Annotated[int, Field(ge=1)] = 64
    max_target_tokens: Annotated[int, Field(ge=1)] = 32
    base: str = ""
    command: str = ""

    @classmethod
    def read(cls, run: Path) -> "RunConfig":
        """Read a run's settings.

        :raises CheckpointError: if they are missing, malformed or cannot be used
        """
        path = run / checkpoint.RUN_FILE
        try:
            values = json.loads(path.read_text("utf-8"))
            config = cls(
                tuple(WeightedCorpus(**corpus) for corpus in values.pop("corpora")),
                MixConfig(**values.pop("mix")),
                ModelConfig(**values.pop("model")),
                TrainingConfig.read(values.pop("training")),
                VocabularyConfig(**values.pop("vocabulary", {})),
                **values,
            )
            # The types and bounds that the fields are annotated with.
            content = json.dumps(asdict(config))
            config = TypeAdapter(cls).validate_json(content, strict=True)
            check_memory(config.model, bytes_a_parameter=4)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
            raise CheckpointError(
                f"{path} cannot be read ({first_problem(error)}); give the folder of a"
                " training run."
            ) from error
        return config

    def write(self, run: Path) -> None:
        """Keep the settings in the run's folder.

        :raises UsageError: if they cannot be written there
        """
        content = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(run / checkpoint.RUN_FILE, content.encode())


@contextmanager
def held_run(run: Path) -> Iterator[None]:
    """Hold a run's folder, which is made if it is not there, for the one process that writes to it.

    Reading needs no hold: each file is whole at any moment.

    :raises UsageError: if another process holds it, or it cannot be written to
    """
    with filled_folder(run, "--run", checkpoint.FILES):
        yield


def check_memory(model: ModelConfig, bytes_a_parameter: int = BYTES_A_PARAMETER) -> None:
    """See whether a model can be trained on this machine.

    :param bytes_a_parameter: 4, if it is only to be loaded
    :raises UsageError: if it needs more memory than there is
    :raises ValueError: if there is no such model
    """
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Seq2Seq(model).parameters())
    needed_bytes = bytes_a_parameter * parameters
    if needed_bytes > usable_memory_bytes():
        raise UsageError(
            f"A model of these sizes, {parameters:,} parameters, needs at least"
            f" {needed_bytes / 1e9:,.0f} GB of memory, and this machine has"
            f" {usable_memory_bytes() / 1e9:,.1f} GB; give a lower --hidden, --embedding,"
            " --vocabulary or number of layers."
        )


def max_target_tokens(mix: MixConfig, corpora: Sequence[WeightedCorpus]) -> int:
    """How long a target may be, ``EOS`` included, so that replies of the words allowed fit.

    32 for up to 20 words, then two more for each word, of this run or of a prepared corpus.

    :raises UsageError: if a source is not known
    :raises CorpusError: if one does not exist
    """
    opened = [corpus.open() for corpus in corpora]
    words = max([mix.max_reply_words, *(corpus.max_reply_words for corpus in opened)])
    return RunConfig.max_target_tokens + 2 * max(0, words - MixConfig.max_reply_words)


def check_new(run: Path) -> None:
    """See that a folder holds no run yet.

    :raises UsageError: if it does
    """
    if (run / checkpoint.RUN_FILE).exists():
        raise UsageError(
            f"{run} already holds a run; continue it with --resume, or choose another --run."
        )


def check_resumable(run: Path) -> None:
    """See that a folder holds a run to go on with.

    :raises UsageError: if it does not
    """
    if not (run / checkpoint.RUN_FILE).exists():
        raise UsageError(
            f"{run} holds no run to resume; give another --run, or leave --resume out to start one."
        )


def prepare(
    run: Path,
    config: RunConfig,
    on_corpus: Callable[[CorpusSummary], None] = lambda summary: None,
    *,
    on_bytes: Callable[[int], None] = lambda count: None,
    base: Base | None = None,
) -> Counter[str]:
    """Make a run's folder: mix the corpora, learn the vocabulary, encode the pairs.

    If that fails, nothing is left of a folder that was not there before.
    ``config.model.vocabulary_size`` becomes the size of the vocabulary that was learnt.

    :param on_corpus: called after each corpus with what became of it
    :param on_bytes: called now and then with how many more bytes of files were read
    :param base: the model to go on from, of the sizes in ``config``; its vocabulary is kept
    :return: how many of the corpora's examples were left out, by the reason
    :raises UsageError: if a source is not known, a setting cannot be used, the model does not fit
        into memory, or the folder already holds a run or cannot be written to
    :raises DiskFullError: if there is no room for it
    :raises CorpusError: if a corpus cannot be read, or leaves nothing to train on
    """
    check_new(run)
    # Each of the vocabulary's tokens is a row more.
    check_memory(replace(config.model, vocabulary_size=1))
    made = make_folder(run, "--run")
    try:
        return _fill(run, config, on_corpus, on_bytes, base)
    except BaseException:
        for name in checkpoint.PREPARED_FILES:
            (run / name).unlink(missing_ok=True)
        remove_empty(made)
        raise


def _fill(
    run: Path,
    config: RunConfig,
    on_corpus: Callable[[CorpusSummary], None],
    on_bytes: Callable[[int], None],
    base: Base | None,
) -> Counter[str]:
    vocabulary = base.vocabulary if base else config.vocabulary
    examples = mix(
        config.corpora,
        config.mix,
        on_corpus,
        on_bytes=on_bytes,
        count=vocabulary.word_counter(),
    )
    limits = (config.max_source_tokens, config.mix.max_source_turns)
    if base is None:
        tokenizer = vocabulary.learn(
            ((turns[-1], reply) for turns, reply in examples["train"]), *limits
        )
        model = replace(config.model, vocabulary_size=tokenizer.vocabulary_size)
    else:
        tokenizer = Tokenizer.from_json(base.tokenizer.to_json(), *limits)
        model = config.model
    check_memory(model)
    given = len(examples["train"])
    dropped: Counter[str] = Counter()
    held_out: dict[str, list[Example]] = {name: [] for name in HELD_OUT}
    splits = {
        # Taken out of the dictionary, so that examples make room for what they become.
        name: encode_examples(
            examples.pop(name),
            tokenizer,
            config.max_target_tokens,
            drop_unknown=vocabulary.drop_unknown,
            dropped=dropped,
            kept=held_out.get(name),
        )
        for name in SPLITS
    }
    left = len(splits["train"])
    if left * NEARLY_NOTHING < given or not left:
        reasons = "".join(f", {count:,} have {reason}" for reason, count in dropped.most_common())
        hint = "give more dialogue, or let the filters pass more, as --no-clean does"
        if vocabulary.kind != "bpe" and given:
            hint = "lower --min-count, or give --vocabulary-kind bpe, which knows every word"
            if base is not None:
                hint = f"give dialogue in words that {base.name} knows"
        raise CorpusError(
            f"The corpora leave {f'{left:,} of {given:,} pairs' if left else 'nothing'} to train"
            f" on{reasons}; {hint}: python -m bot train --help."
        )
    check_patience(config.training, splits)
    write_atomically(run / checkpoint.TOKENIZER_FILE, tokenizer.to_json().encode())
    checkpoint.save_atomically(
        {name: asdict(split) for name, split in splits.items()}, run / checkpoint.DATA_FILE
    )
    for name, kept in held_out.items():
        text = "".join(example_line(turns, reply) for turns, reply in kept)
        write_atomically(_held_out_file(run, name), text.encode())
    if base is not None:
        checkpoint.save_atomically(
            {"model": base.weights, "moments": base.moments}, run / checkpoint.BASE_FILE
        )
    # Last: a folder with run.json is complete.
    replace(config, model=model, vocabulary=vocabulary).write(run)
    return dropped


def check_patience(config: TrainingConfig, splits: Mapping[str, EncodedPairs]) -> None:
    """See whether there is a held-out loss to stop early by, if that is wanted.

    :raises UsageError: if there is none
    """
    if config.patience is not None and not len(splits["valid"]):
        raise UsageError(
            "The validation split is empty, so --patience has no held-out loss to go by; leave it"
            " out, or give more dialogue."
        )


def read_tokenizer(run: Path, config: RunConfig) -> Tokenizer:
    """The run's tokenizer.

    :raises CheckpointError: if its file cannot be read
    :raises TokenizerError: if it is no tokenizer
    """
    path = run / checkpoint.TOKENIZER_FILE
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); give the folder of a training run."
        ) from error
    try:
        return Tokenizer.from_json(text, config.max_source_tokens, config.mix.max_source_turns)
    except TokenizerError as error:
        raise CheckpointError(f"{path}: {error}") from error


def read_weights(run: Path) -> dict[str, Tensor]:
    """The run's best weights.

    :raises CheckpointError: if it has no checkpoint that can be read
    """
    path = run / checkpoint.CHECKPOINT_FILE
    try:
        return checkpoint.best_weights(checkpoint.load(path))
    except KeyError as error:
        raise CheckpointError(f"{path} holds no weights; give another --base.") from error


def read_held_out(run: Path, split: str) -> list[Example]:
    """The examples that a run held out, as text: exactly those that its losses are of.

    :param split: of ``HELD_OUT``
    :raises CheckpointError: if the run has not kept them
    :raises CorpusError: if they cannot be read
    """
    path = _held_out_file(run, split)
    if not path.exists():
        raise CheckpointError(
            f"{path} does not exist: the run is of an older version, which kept no held-out text;"
            " name its corpora with --corpus."
        )
    conversations = read_json(path, ReadingLog(), "utf-8", split)
    return [example for conversation in conversations for example in as_they_are(conversation)]


def _held_out_file(run: Path, split: str) -> Path:
    return run / f"{split}.jsonl"


def read_splits(run: Path) -> dict[str, EncodedPairs]:
    """The run's encoded pairs.

    :raises CheckpointError: if their file cannot be read
    """
    path = run / checkpoint.DATA_FILE
    state = checkpoint.load(path)
    try:
        return {name: EncodedPairs(**state[name]) for name in SPLITS}
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} holds no encoded pairs; start the run again.") from error
