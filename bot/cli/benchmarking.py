"""``python -m bot bench``: how fast this machine replies."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from bot.cli.models import open_store
from bot.cli.terminal import PrintableConsole, progress_console
from bot.errors import ModelNotFoundError, UsageError
from bot.settings import load_settings

if TYPE_CHECKING:
    from bot.bench.models import BenchModel

WIDTH = 100
PROMPTS = 100


def bench(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[/VERSION]",
            help="Measure this model of the store. Default: one of the PyTorch chatbot tutorial's"
            " size that is made here, and then the active one.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every number as one JSON document.")
    ] = False,
    precision: Annotated[
        Literal["auto", "fp32", "int8", "half"] | None,
        typer.Option(help="What the engine's searcher computes in. Default: PRECISION."),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="With cuda, batches are measured there too."),
    ] = "auto",
    profile: Annotated[
        bool,
        typer.Option(
            "--profile", help="Instead, print what the steps of one reply spend their time on."
        ),
    ] = False,
    store: Annotated[
        Path | None, typer.Option("--store", help="The model store. Default: MODEL_STORE.")
    ] = None,
) -> None:
    """Measure replies against the tutorial's, ONNX Runtime's and the memory bus, and under load.

    Takes some minutes; leave the machine alone meanwhile.
    """
    from bot.artifact.artifact import resolve_device
    from bot.bench.benchmark import benchmark, served
    from bot.bench.report import render
    from bot.bench.searches import Effort

    if profile and as_json:
        raise UsageError("A profile is a table: leave --json or --profile out.")
    console = progress_console()
    settings = load_settings()
    precision = precision or settings.precision
    where = resolve_device(device)
    models = _models(model, store, console)
    if profile:
        from bot.bench.profiling import profile_search

        for one in models:
            chosen, searcher = served(one, precision)
            print(f"{one.name}, {chosen}\n{profile_search(searcher, one)}")
        return
    result = benchmark(
        models,
        settings,
        precision=precision,
        device=where,
        effort=Effort(),
        on_progress=lambda what: console.print(f"{what} ..."),
    )
    if as_json:
        print(json.dumps(result.as_dict(), indent=2, allow_nan=False))
    else:
        PrintableConsole(width=WIDTH, markup=False, highlight=False).print(render(result))


def _models(spec: str | None, store: Path | None, console: Console) -> "list[BenchModel]":
    from bot.bench.models import made_model, stored_model
    from bot.bench.prompts import real_prompts

    prompts = real_prompts(PROMPTS)
    if spec is not None:
        return [stored_model(open_store(store).resolve(spec), prompts)]
    from bot.publishing.quantisation import quantise

    console.print("making a model of the tutorial's size ...")
    models = [made_model(prompts, quantise)]
    try:
        models.append(stored_model(open_store(store).resolve(), prompts))
    except ModelNotFoundError as error:
        console.print(f"No model of the store is measured: {error}")
    return models
