"""The options of ``train``, but for those that choose examples."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bot.cli import corpus_options
from bot.cli.clashes import as_written, given
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.data.vocabulary import VocabularyConfig
    from bot.model.seq2seq import ModelConfig

# An hour on two cores makes some 1,500 steps of the default sizes, a GPU makes all of these.
DEFAULT_STEPS = 20_000
DEFAULT_MINUTES = 60.0


def _use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Let the recipe's values take the place of the options' defaults."""
    from bot.training.recipes import RECIPES

    if name is not None:
        context.default_map = dict(RECIPES[name])
    return name


Run = Annotated[
    # Under torchrun --run would be taken for an abbreviation of its own --run-path.
    Path,
    typer.Option("--run", "--run-folder", help="The folder of the run.", file_okay=False),
]
Corpus = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE[@WEIGHT]",
        help=f"What to train on; may be repeated. {corpus_options.SOURCES_HELP} Default:"
        " smalltalk.",
    ),
]
Recipe = Annotated[
    Literal["tutorial"] | None,
    typer.Option(
        is_eager=True,
        callback=_use_recipe,
        help="Other defaults for the options below: tutorial, those of the PyTorch chatbot"
        " tutorial.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Fine-tune a model, with its vocabulary and sizes: the folder of a run, NAME or"
        " NAME/VERSION of the store, or a checkpoint of the PyTorch chatbot tutorial, such as"
        " 4000_checkpoint.tar.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run where it was stopped.")]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=corpus_options.MAX_COUNT,
        help="Optimiser steps in all; --resume may change it.",
        show_default=f"{DEFAULT_STEPS}, or as many as {DEFAULT_MINUTES:g} minutes allow",
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        help="Minutes of training in all, instead of --steps; --resume may change it.",
        show_default=f"{DEFAULT_MINUTES:g}, if --steps is not given either",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, max=1_000_000, help="Pairs a step and process.")]
LearningRate = Annotated[float, typer.Option(min=1e-6, help="After the warm-up.")]
DecoderLearningRatio = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="The decoder's learning rate over the encoder's; each is clipped on its own then.",
        show_default="one rate for both",
    ),
]
Warmup = Annotated[
    int,
    typer.Option(
        min=0,
        help="Steps in which the learning rate rises from 0; never more than a tenth of the run.",
    ),
]
DecayShare = Annotated[
    float, typer.Option(min=0, max=1, help="The last share of the run, in which it falls to 0.")
]
WeightDecay = Annotated[float, typer.Option(min=0, help="Of AdamW, on matrices; 0 makes it Adam.")]
Clip = Annotated[float, typer.Option(min=1e-6, help="The largest gradient norm.")]
TeacherForcing = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="The share of the batches whose decoder is fed the right tokens, in one call; in"
        " the others it is fed its own, step by step.",
    ),
]
Loss = Annotated[
    Literal["tokens", "steps"],
    typer.Option(
        help="The mean over a batch's tokens, or the tutorial's: the sum over the decode steps"
        " of each step's mean."
    ),
]
EvaluateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Steps between evaluations on held-out pairs.",
        show_default="a twentieth of the run",
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Stop after so many evaluations without a lower held-out loss, and keep the best"
        " weights; --resume may change it.",
        show_default="train to the end",
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(min=1, help="Steps between checkpoints.", show_default="once a minute"),
]
Vocabulary = Annotated[int, typer.Option(min=300, help="Tokens to learn, at most.")]
VocabularyKind = Annotated[
    Literal["bpe", "word", "whitespace"],
    typer.Option(
        help="Byte-level BPE, which can write anything; the words of the PyTorch tutorial: lower"
        " case, unaccented Latin letters and . ! ?; or whatever stands between white space, for"
        " texts that are split into words already."
    ),
]
MinCount = Annotated[
    int,
    typer.Option(
        min=1,
        max=corpus_options.MAX_COUNT,
        help="Rarer words are not learnt; for vocabularies of words.",
    ),
]
DropUnknown = Annotated[
    bool, typer.Option(help="Whether pairs with a word that is not learnt are dropped, likewise.")
]
Embedding = Annotated[int, typer.Option(min=1, help="Embedding size.")]
Hidden = Annotated[int, typer.Option(min=1, help="Hidden size.")]
EncoderLayers = Annotated[int, typer.Option(min=1, help="Each of two directions.")]
DecoderLayers = Annotated[int, typer.Option(min=1, help="GRU layers of the decoder.")]
Attention = Annotated[Literal["dot", "general", "concat"], typer.Option(help="Luong's score.")]
TieEmbeddings = Annotated[
    bool, typer.Option(help="Whether the output layer's weights are the embeddings.")
]
Dropout = Annotated[
    float, typer.Option(min=0, max=0.9, help="The share of the values left out in training.")
]
DropoutEverywhere = Annotated[
    bool,
    typer.Option(help="Whether source embeddings and the output layer's input have dropout too."),
]
Precision = Annotated[
    Literal["float32", "bf16", "fp16"],
    typer.Option(
        help="What to compute in, weights stay float32: bf16 is faster on newer CPUs and GPUs,"
        " fp16, with a scaled loss, on older GPUs."
    ),
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]


@contextmanager
def checked_values() -> Iterator[None]:
    """What is made of the options inside says which value it cannot use.

    :raises UsageError: if it says so
    """
    from bot.training.training_config import first_problem

    try:
        yield
    except ValueError as error:
        raise UsageError(f"These options cannot be used: {first_problem(error)}.") from error


def budget(context: typer.Context) -> dict[str, Any]:
    """``steps`` and ``minutes`` of the run, as they were given or by default.

    :raises UsageError: if both were given
    """
    chosen = {"steps", "minutes"} & given(context)
    if len(chosen) == 2:
        raise UsageError(
            f"{as_written(context, 'steps', 'minutes')} both say when the run ends; give one of"
            " them."
        )
    steps, minutes = context.params["steps"], context.params["minutes"]
    if "minutes" in chosen:
        steps = None
    elif steps is None:
        steps, minutes = DEFAULT_STEPS, DEFAULT_MINUTES
    return {"steps": steps, "minutes": minutes}


def vocabulary_config(context: typer.Context) -> "VocabularyConfig":
    """The vocabulary that is to be learnt.

    :raises UsageError: if the options do not go together
    """
    from bot.data.vocabulary import VocabularyConfig

    options = context.params
    rare = [
        name for name, none in (("min_count", 1), ("drop_unknown", False)) if options[name] != none
    ]
    if options["vocabulary_kind"] == "bpe" and rare:
        raise UsageError(
            f"{as_written(context, 'vocabulary_kind')} knows every word, so it does not go with"
            f" {as_written(context, *rare)}; give --vocabulary-kind word, or --min-count 1 and"
            " --no-drop-unknown."
        )
    return VocabularyConfig(
        options["vocabulary_kind"],
        options["vocabulary"],
        options["min_count"],
        drop_unknown=options["drop_unknown"],
    )


def model_config(context: typer.Context) -> "ModelConfig":
    """The sizes of the model; the vocabulary's is the most that it may have.

    :raises UsageError: if the options do not go together
    """
    from bot.model.seq2seq import ModelConfig

    options = context.params
    if options["decoder_layers"] > 2 * options["encoder_layers"]:
        raise UsageError(
            f"{as_written(context, 'encoder_layers', 'decoder_layers')} do not go together: the"
            " last states of each encoder layer's two directions start one decoder layer each;"
            f" give at most --decoder-layers {2 * options['encoder_layers']}."
        )
    with checked_values():
        return ModelConfig(
            options["vocabulary"],
            options["embedding"],
            options["hidden"],
            options["encoder_layers"],
            options["decoder_layers"],
            options["attention"],
            options["dropout"],
            options["tie_embeddings"],
            options["dropout_everywhere"],
        )
