"""``python -m bot models``: look after the model store."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.artifact.store import ModelStore
from bot.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, help="List, inspect and choose models.", rich_markup_mode=None
)

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="The model store. Default: MODEL_STORE.")
]
SpecArgument = Annotated[
    str | None,
    typer.Argument(metavar="[NAME[/VERSION]]", help="Default: the active model."),
]

Int8Option = Annotated[
    bool,
    typer.Option(
        "--int8/--no-int8",
        help="Publish an int8 variant too, for CPUs, if its replies agree with fp32's.",
    ),
]


def open_store(store: Path | None) -> ModelStore:
    """The store that was named, else that of the settings."""
    return ModelStore(store or load_settings().model_store)


def chat_command(name: str, store: Path | None) -> str:
    """What to type to talk to a model of the store that was named."""
    variable = f"MODEL_STORE={shlex.quote(str(store))} " if store else ""
    return f"{variable}python -m bot chat --model {shlex.quote(name)}"


@app.command("list")
def list_versions(store: StoreOption = None) -> None:
    """List every version in the store."""
    from bot.artifact.manifest import Manifest

    versions = open_store(store).versions()
    if not versions:
        print("The store is empty; `python -m bot train` and `python -m bot export` fill it.")
        return
    table = Table("", "model", "size", "precisions", "created", "problem", box=None)
    for version in versions:
        table.add_row(
            "*" if version.active else "",
            version.spec,
            f"{version.size_bytes / 1e6:.1f} MB",
            "?" if version.problem else ", ".join(Manifest.read(version.path).precisions),
            f"{version.created_at:%Y-%m-%d %H:%M}" if version.created_at else "?",
            Text(str(version.problem or "")),  # not markup: a path may hold brackets
        )
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # nothing is folded in a file or a pipe
    console.print(table)


@app.command()
def show(spec: SpecArgument = None, store: StoreOption = None) -> None:
    """Print a version's manifest, its precisions and its model card."""
    from bot.artifact.manifest import MODEL_CARD_FILE, Manifest

    directory = open_store(store).resolve(spec)
    manifest = Manifest.read(directory)
    print(manifest.to_json())
    print(f"Precisions: {', '.join(manifest.precisions)}\n")
    if MODEL_CARD_FILE in manifest.files:
        print(manifest.read_file(directory, MODEL_CARD_FILE).decode(errors="replace"))


@app.command()
def graph(
    spec: SpecArgument = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|int8|half",
            help="Of which searcher: int8 has another graph than the others.",
        ),
    ] = "auto",
    store: StoreOption = None,
) -> None:
    """Print the searcher's TorchScript graph."""
    from bot.artifact.artifact import Artifact

    print(Artifact.load(open_store(store).resolve(spec), precision=precision).graph())


@app.command()
def verify(spec: SpecArgument = None, store: StoreOption = None) -> None:
    """Check every file of a version against its manifest."""
    problems = open_store(store).verify(spec)
    for name, problem in problems.items():
        print(f"{name}: {problem or 'ok'}")
    if any(problems.values()):
        raise typer.Exit(1)


@app.command()
def activate(
    spec: Annotated[str, typer.Argument(metavar="NAME[/VERSION]")], store: StoreOption = None
) -> None:
    """Serve this version from the next start on."""
    print(f"{open_store(store).activate(spec)} is active; restart the bot to serve it.")


@app.command()
def rollback(store: StoreOption = None) -> None:
    """Activate what was active before."""
    print(f"{open_store(store).rollback()} is active again; restart the bot to serve it.")
