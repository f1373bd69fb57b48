"""``python -m bot train`` and ``python -m bot export``: make a model."""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.cli.evaluation import write_training_report
from bot.cli.models import StoreOption, open_store
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.training import trainer
    from bot.training.export import TrainedRun

LOG_EVERY = 100  # steps between lines where there is no terminal for a progress bar


def train(
    context: typer.Context,
    run: Annotated[Path, typer.Option(help="The folder of the run.", file_okay=False)] = Path(
        "runs/latest"
    ),
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE[@WEIGHT]",
            help="What to train on, seen WEIGHT times an epoch; may be repeated. A .jsonl or .tsv"
            " file, smalltalk, or chitchat-dataset. Default: smalltalk.",
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Fine-tune the model of this run, with its vocabulary and sizes.",
            file_okay=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run where it was stopped.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Optimiser steps in all; --resume may change it. Default: 20000."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="After the warm-up.")] = 1e-3,
    vocabulary: Annotated[int, typer.Option(min=300, help="Tokens to learn, at most.")] = 6000,
    embedding: Annotated[int, typer.Option(min=1, help="Embedding size.")] = 256,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden size.")] = 512,
    encoder_layers: Annotated[int, typer.Option(min=1, help="Each of two directions.")] = 1,
    decoder_layers: Annotated[int, typer.Option(min=1)] = 2,
    attention: Annotated[
        Literal["dot", "general", "concat"], typer.Option(help="Luong's score.")
    ] = "general",
    dropout: Annotated[float, typer.Option(min=0, max=0.9)] = 0.1,
    max_reply_count: Annotated[
        int, typer.Option(min=1, help="How often one reply may occur in a corpus.")
    ] = 40,
    max_prompt_count: Annotated[
        int, typer.Option(min=1, help="How often one prompt may occur in a corpus.")
    ] = 40,
    drop: Annotated[
        str, typer.Option(metavar="REGEX", help="Leave out pairs in which this is found.")
    ] = "",
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Compute in bfloat16: faster where the CPU can.")
    ] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train a model on dialogue; Ctrl-C saves, and --resume goes on."""
    import re

    from bot.artifact.artifact import resolve_device
    from bot.model.seq2seq import ModelConfig
    from bot.training.dataset import MixConfig, WeightedCorpus
    from bot.training.run import RunConfig, prepare, read_splits
    from bot.training.trainer import Trainer, TrainingConfig

    resolved_device = resolve_device(device)
    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    if not resume:
        try:
            re.compile(drop)
            model = ModelConfig(
                vocabulary,
                embedding,
                hidden,
                encoder_layers,
                decoder_layers,
                attention,
                dropout,
                tie_embeddings=True,
            )
            if base is not None:
                sizes = _given(context) & {
                    *("vocabulary", "embedding", "hidden", "encoder_layers"),
                    *("decoder_layers", "attention"),
                }
                _refuse(sizes, "A fine-tuned model keeps the vocabulary and sizes of its base")
                model = replace(RunConfig.read(base).model, dropout=dropout)
        except (re.error, ValueError) as error:
            raise UsageError(f"These options do not make a model: {error}.") from error
        config = RunConfig(
            corpora=tuple(WeightedCorpus.parse(source) for source in corpus or ["smalltalk"]),
            mix=MixConfig(
                max_reply_count=max_reply_count,
                max_prompt_count=max_prompt_count,
                drop=drop,
                seed=seed,
            ),
            model=model,
            training=TrainingConfig(
                steps=steps or 20_000,
                batch_size=batch_size,
                learning_rate=learning_rate,
                bf16=bf16,
                seed=seed,
            ),
            base=str(base or ""),
            command=shlex.join(["python", "-m", "bot", *sys.argv[1:]]),
        )
        console.print("reading the corpora ...")
        prepare(
            run,
            config,
            lambda source, pairs: console.print(f"  {pairs:9,} pairs from {source}"),
            progress=console.is_terminal,
        )
    else:
        kept = _given(context) - {"run", "resume", "steps", "device"}
        _refuse(kept, "A resumed run keeps its settings, all but --steps")
    config = RunConfig.read(run)
    if resume and steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
        config.write(run)
    trainer = Trainer(run, config.model, config.training, read_splits(run), resolved_device)
    trainer.resume()
    size = sum(parameter.numel() for parameter in trainer.model.parameters())
    console.print(f"{size:,} parameters, {len(trainer.splits['train']):,} pairs, {run}")
    with _stop_requests() as stop_requested, _progress(console, config.training.steps) as report:
        finished = trainer.train(report, lambda: bool(stop_requested))
    if finished:
        write_training_report(run, console)
        console.print(f"Done. Publish the model with: python -m bot export {run} --name NAME")
    else:
        console.print(f"Saved. Go on with: python -m bot train --run {run} --resume")


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    name: Annotated[str, typer.Option(help="The model's name in the store.")],
    description: Annotated[str, typer.Option(help="One line.")] = "A model of our own.",
    language: Annotated[str, typer.Option(help="What it speaks.")] = "en",
    card: Annotated[
        Path | None,
        typer.Option(help="The model card, Markdown. Default: one is written.", dir_okay=False),
    ] = None,
    activate: Annotated[
        bool, typer.Option("--activate/--no-activate", help="Serve it from the next start on.")
    ] = True,
    store: StoreOption = None,
) -> None:
    """Publish a run's model in the store, as TorchScript, after checking that it is the same."""
    from bot.artifact.store import check_name
    from bot.training.export import TrainedRun
    from bot.training.export import export as publish

    if card is not None and not card.is_file():
        raise UsageError(f"{card} does not exist; give the model card's path, or leave it out.")
    check_name(name)
    trained = TrainedRun.read(run)
    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    text = card.read_text("utf-8", "replace") if card else _first_card(name, trained, console)
    path = publish(
        trained,
        open_store(store),
        name,
        card=text,
        description=description,
        language=language,
        activate=activate,
    )
    console.print(f"Published {path}. Talk to it with: python -m bot chat --model {name}")


def _first_card(name: str, trained: "TrainedRun", console: Console) -> str:
    from bot.training.evaluation import held_out_loss
    from bot.training.model_card import model_card, sample_prompts, sample_replies

    console.print("measuring the model on held-out replies ...")
    held_out = held_out_loss(trained.searcher.model, trained.splits["test"])
    return model_card(
        name,
        trained.config,
        pairs=len(trained.splits["train"]),
        steps=trained.steps,
        hours=trained.hours,
        held_out=held_out,
        replies=sample_replies(trained.searcher, trained.tokenizer, sample_prompts()),
    )


def _given(context: typer.Context) -> set[str]:
    """The options that were written on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _refuse(options: set[str], reason: str) -> None:
    for option in sorted(options):
        raise UsageError(f"{reason}; leave --{option.replace('_', '-')} out.")


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM instead of dying of them."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda received_number, _: received.append(received_number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(console: Console, steps: int) -> "Iterator[trainer.OnStep]":
    """A progress bar on a terminal, a line now and then elsewhere."""
    if not console.is_terminal:
        yield _log_line
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=steps)
        yield lambda p: bar.update(task, completed=p.step, description=_describe(p))


def _log_line(progress: "trainer.Progress") -> None:
    if progress.step % LOG_EVERY == 0:
        print(f"step {progress.step}: {_describe(progress)}", file=sys.stderr, flush=True)


def _describe(progress: "trainer.Progress") -> str:
    return f"loss {progress.nats_per_token:.3f}, {progress.tokens_per_s:,.0f} tokens/s"
