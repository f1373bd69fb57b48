"""``python -m bot train``: make a model."""

import shlex
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from bot.cli import corpus_options as options
from bot.cli.corpus import describe, reading_progress
from bot.cli.evaluation import write_training_report
from bot.cli.models import open_store
from bot.cli.terminal import progress_console
from bot.cli.training_progress import held_out, progress_of, stop_requests
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.data.dataset import EncodedPairs


def _use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Let the recipe's values take the place of the options' defaults."""
    from bot.training.recipes import RECIPES

    if name is not None:
        context.default_map = dict(RECIPES[name])
    return name


def train(
    context: typer.Context,
    # Under torchrun --run would be taken for an abbreviation of its own --run-path.
    run: Annotated[
        Path, typer.Option("--run", "--run-folder", help="The folder of the run.", file_okay=False)
    ] = Path("runs/latest"),
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE[@WEIGHT]",
            help=f"What to train on; may be repeated. {options.SOURCES_HELP} Default: smalltalk.",
        ),
    ] = None,
    recipe: Annotated[
        Literal["tutorial"] | None,
        typer.Option(
            is_eager=True,
            callback=_use_recipe,
            help="Other defaults for the options below: tutorial, those of the PyTorch chatbot"
            " tutorial.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Fine-tune a model, with its vocabulary and sizes: the folder of a run, NAME or"
            " NAME/VERSION of the store, or a checkpoint of the PyTorch chatbot tutorial, such as"
            " 4000_checkpoint.tar.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run where it was stopped.")
    ] = False,
    steps: Annotated[
        int, typer.Option(min=1, help="Optimiser steps in all; --resume may change it.")
    ] = 20_000,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Pairs a step and process.")
    ] = 128,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="After the warm-up.")] = 1e-3,
    decoder_learning_ratio: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="The decoder's learning rate over the encoder's; each is clipped on its own then.",
            show_default="one rate for both",
        ),
    ] = None,
    warmup: Annotated[
        int, typer.Option(min=0, help="Steps in which the learning rate rises from 0.")
    ] = 500,
    decay_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="The last share of the steps, in which it falls to 0."),
    ] = 0.4,
    weight_decay: Annotated[
        float, typer.Option(min=0, help="Of AdamW, on matrices; 0 makes it Adam.")
    ] = 0.01,
    clip: Annotated[float, typer.Option(min=1e-6, help="The largest gradient norm.")] = 1.0,
    teacher_forcing: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="The share of the batches whose decoder is fed the right tokens, in one call; in"
            " the others it is fed its own, step by step.",
        ),
    ] = 1.0,
    loss: Annotated[
        Literal["tokens", "steps"],
        typer.Option(
            help="The mean over a batch's tokens, or the tutorial's: the sum over the decode steps"
            " of each step's mean."
        ),
    ] = "tokens",
    evaluate_every: Annotated[
        int, typer.Option(min=1, help="Steps between evaluations on held-out pairs.")
    ] = 1_000,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop after so many evaluations without a lower held-out loss, and keep the best"
            " weights; --resume may change it.",
            show_default="train to the last step",
        ),
    ] = None,
    save_every: Annotated[
        int | None,
        typer.Option(min=1, help="Steps between checkpoints.", show_default="once a minute"),
    ] = None,
    vocabulary: Annotated[int, typer.Option(min=300, help="Tokens to learn, at most.")] = 6000,
    vocabulary_kind: Annotated[
        Literal["bpe", "word"],
        typer.Option(
            help="Byte-level BPE, which can write anything, or the words of the PyTorch tutorial:"
            " lower case, unaccented Latin letters and . ! ?"
        ),
    ] = "bpe",
    min_count: Annotated[
        int,
        typer.Option(
            min=1,
            max=options.MAX_COUNT,
            help="Rarer words are not learnt; for --vocabulary-kind word.",
        ),
    ] = 1,
    drop_unknown: Annotated[
        bool,
        typer.Option(help="Whether pairs with a word that is not learnt are dropped, likewise."),
    ] = False,
    embedding: Annotated[int, typer.Option(min=1, help="Embedding size.")] = 256,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden size.")] = 512,
    encoder_layers: Annotated[int, typer.Option(min=1, help="Each of two directions.")] = 1,
    decoder_layers: Annotated[int, typer.Option(min=1, help="GRU layers of the decoder.")] = 2,
    attention: Annotated[
        Literal["dot", "general", "concat"], typer.Option(help="Luong's score.")
    ] = "general",
    tie_embeddings: Annotated[
        bool, typer.Option(help="Whether the output layer's weights are the embeddings.")
    ] = True,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="The share of the values left out in training.")
    ] = 0.1,
    dropout_everywhere: Annotated[
        bool,
        typer.Option(
            help="Whether source embeddings and the output layer's input have dropout too."
        ),
    ] = True,
    delimiter: options.Delimiter = "",
    encoding: options.Encoding = "",
    max_source_turns: options.MaxSourceTurns = 3,
    max_reply_words: options.MaxReplyWords = 20,
    cut_replies: options.CutReplies = True,
    max_prompt_words: options.MaxPromptWords = 0,
    max_reply_count: options.MaxReplyCount = 40,
    max_prompt_count: options.MaxPromptCount = 40,
    deduplicate: options.Deduplicate = True,
    drop: options.Drop = "",
    offensive: options.Offensive = "default",
    script: options.Script = "",
    clean: options.Clean = True,
    augment: options.Augment = True,
    reverse: options.Reverse = False,
    precision: Annotated[
        Literal["float32", "bf16", "fp16"],
        typer.Option(
            help="What to compute in, weights stay float32: bf16 is faster on newer CPUs and GPUs,"
            " fp16, with a scaled loss, on older GPUs."
        ),
    ] = "float32",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")
    ] = "auto",
    seed: options.Seed = 0,
) -> None:
    """Train a model on dialogue; Ctrl-C saves, and --resume goes on."""
    from bot.artifact.artifact import resolve_device
    from bot.data.vocabulary import VocabularyConfig
    from bot.model.seq2seq import ModelConfig
    from bot.publishing.base import read_base
    from bot.training.distributed import resume_command, started_processes
    from bot.training.run import (
        RunConfig,
        check_patience,
        held_run,
        max_target_tokens,
        prepare,
        read_splits,
    )
    from bot.training.trainer import Trainer
    from bot.training.training_config import TrainingConfig, check_precision, first_problem

    console = progress_console()

    def start() -> None:
        context.with_resource(held_run(run))
        check_precision(precision, resolved_device)
        start_from = None
        try:
            words = VocabularyConfig(
                vocabulary_kind, vocabulary, min_count, drop_unknown=drop_unknown
            )
            model = ModelConfig(
                vocabulary,
                embedding,
                hidden,
                encoder_layers,
                decoder_layers,
                attention,
                dropout,
                tie_embeddings,
                dropout_everywhere,
            )
            if base is not None:
                sizes = _given(context) & {
                    *("vocabulary", "vocabulary_kind", "min_count", "drop_unknown"),
                    *("embedding", "hidden", "encoder_layers"),
                    *("decoder_layers", "attention", "tie_embeddings"),
                }
                _refuse(sizes, "A fine-tuned model keeps the vocabulary and sizes of its base")
                start_from = read_base(base, open_store(None))
                model = replace(
                    start_from.model, dropout=dropout, dropout_everywhere=dropout_everywhere
                )
                optimizer = "begins anew" if start_from.moments is None else "goes on, too"
                console.print(f"going on from {start_from.name}; its optimiser {optimizer}")
            training = TrainingConfig(
                steps=steps,
                batch_size=batch_size,
                learning_rate=learning_rate,
                decoder_learning_ratio=decoder_learning_ratio,
                warmup_steps=warmup,
                decay_share=decay_share,
                weight_decay=weight_decay,
                clip=clip,
                teacher_forcing=teacher_forcing,
                loss=loss,
                evaluate_every=evaluate_every,
                patience=patience,
                save_every=save_every,
                precision=precision,
                seed=seed,
            )
        except ValueError as error:
            raise UsageError(
                f"These options do not make a model: {first_problem(error)}."
            ) from error
        corpora = options.parse_sources(corpus or ["smalltalk"], delimiter, encoding)
        mix = options.mix_config(context)
        config = RunConfig(
            corpora=corpora,
            mix=mix,
            model=model,
            training=training,
            vocabulary=words,
            max_target_tokens=max_target_tokens(mix, corpora),
            base="" if start_from is None else start_from.name,
            command=shlex.join(["python", "-m", "bot", *sys.argv[1:]]),
        )
        console.print("reading the corpora ...")
        with reading_progress(console, config.corpora) as on_bytes:
            dropped = prepare(
                run,
                config,
                lambda summary: console.print(describe(summary)),
                on_bytes=on_bytes,
                base=start_from,
            )
        for reason, count in dropped.items():
            console.print(f"left out {count:,} with {reason}")

    def go_on() -> None:
        changeable = {"steps": steps, "patience": patience}
        kept = _given(context) - {"run", "resume", "device", *changeable}
        _refuse(kept, "A resumed run keeps its settings, all but --steps and --patience")
        changes: dict[str, Any] = {
            name: changeable[name] for name in _given(context) & {*changeable}
        }
        config = RunConfig.read(run)
        context.with_resource(held_run(run))
        if changes:
            changed = replace(config, training=replace(config.training, **changes))
            if patience is not None:
                check_patience(changed.training, read_splits(run))
            changed.write(run)

    resolved_device = resolve_device(device)
    with started_processes(resolved_device) as processes:
        processes.first(go_on if resume else start)
        console.quiet = not processes.is_main
        config = RunConfig.read(run)
        trainer = Trainer(run, config.model, config.training, read_splits(run), processes)
        trainer.resume()
        size = sum(parameter.numel() for parameter in trainer.model.parameters())
        _warn_of_empty_splits(trainer.splits, console)
        console.print(f"{size:,} parameters, {len(trainer.splits['train']):,} pairs, {run}")
        with stop_requests() as requests, progress_of(console, config.training.steps) as report:
            finished = trainer.train(report, lambda: bool(requests))
    if not finished:
        console.print(f"Saved. Go on with: {resume_command(run, processes.size)}")
        # As a shell reports who died of the signal: what follows after && waits for the whole run.
        raise typer.Exit(128 + (requests[0] if requests else signal.SIGINT))
    if trainer.stopped_early:
        console.print(
            f"Stopped early: the held-out loss was lowest at step {trainer.best_step}, and the"
            " weights of that step are what is exported."
        )
    if processes.is_main:
        console.print(held_out(run, lowest=config.training.patience is not None))
        write_training_report(run, console)
    folder = shlex.quote(str(run))
    console.print(f"Done. Publish the model with: python -m bot export {folder} --name NAME")


def _warn_of_empty_splits(splits: "Mapping[str, EncodedPairs]", console: Console) -> None:
    consequences = {
        "validation": "no held-out loss is logged, and --patience cannot be used",
        "test": "the report and the model card have no held-out loss",
    }
    for name, consequence in consequences.items():
        if not len(splits["valid" if name == "validation" else name]):
            console.print(f"warning: the {name} split is empty: {consequence}.")


def _given(context: typer.Context) -> set[str]:
    """The options that were written on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _refuse(options: set[str], reason: str) -> None:
    for option in sorted(options):
        raise UsageError(f"{reason}; leave --{option.replace('_', '-')} out.")
