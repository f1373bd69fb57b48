"""``python -m bot export``: publish what was trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bot.artifact.durable_files import read_regular
from bot.cli.models import ActivateOption, Int8Option, StoreOption, open_store, publication
from bot.cli.terminal import progress_console
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.publishing.export import TrainedRun


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    name: Annotated[str, typer.Option(help="The model's name in the store.")],
    description: Annotated[str, typer.Option(help="One line.")] = "A model of our own.",
    language: Annotated[str, typer.Option(help="What it speaks.")] = "en",
    card: Annotated[
        Path | None,
        typer.Option(help="The model card, Markdown. Default: one is written."),
    ] = None,
    activate: ActivateOption = None,
    int8: Int8Option = True,
    store: StoreOption = None,
) -> None:
    """Publish a run's model in the store, as TorchScript, after checking that it is the same."""
    own_card = None if card is None else _read_card(card)
    target = open_store(store)
    target.check_writable(name)

    from bot.publishing.export import TrainedRun, compile_run, publish
    from bot.publishing.quantisation import quantise

    trained = TrainedRun.read(run)
    console = progress_console()
    searchers = compile_run(trained, quantise if int8 else None, console.print)
    console.print(searchers.int8_note)
    path = publish(
        searchers,
        trained.tokenizer,
        trained.config.model,
        target,
        name,
        card=_first_card(name, trained, searchers.int8_note, console)
        if own_card is None
        else own_card,
        description=description,
        language=language,
        activate=activate,
    )
    console.print(publication(path, store))


def _read_card(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "not UTF-8 text"
    raise UsageError(
        f"The model card {path} cannot be read ({problem}); give a Markdown file, or leave --card"
        " out and one is written."
    )


def _first_card(name: str, trained: "TrainedRun", int8_note: str, console: Console) -> str:
    from bot.publishing.model_card import model_card, sample_prompts, sample_replies
    from bot.training.held_out import held_out_loss

    if len(trained.splits["test"]):
        console.print("measuring the model on held-out replies ...")
    held_out = held_out_loss(trained.searcher.model, trained.splits["test"])
    return model_card(
        name,
        trained.config,
        pairs=len(trained.splits["train"]),
        steps=trained.steps,
        processes=trained.processes,
        hours=trained.hours,
        held_out=held_out,
        int8_note=int8_note,
        replies=sample_replies(trained.searcher, trained.tokenizer, sample_prompts()),
    )
