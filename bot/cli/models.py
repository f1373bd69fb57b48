"""``python -m bot models``: look after the model store."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.artifact.listing import VersionEntry
from bot.artifact.manifest import spec_of
from bot.artifact.store import ModelStore
from bot.cli.terminal import table_console
from bot.errors import ArtifactError
from bot.printable import printable, printable_lines
from bot.settings import SHIPPED_STORE, load_settings, own_store

app = typer.Typer(
    no_args_is_help=True, help="List, inspect and choose models.", rich_markup_mode=None
)

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", help="The model store. Default: MODEL_STORE, or your own and the shipped one."
    ),
]
SpecArgument = Annotated[
    str | None,
    typer.Argument(metavar="[NAME[/VERSION]]", help="Default: the active model."),
]

ActivateOption = Annotated[
    bool | None,
    typer.Option(
        "--activate/--no-activate",
        help="Serve it from the next start on. Default: only if no model is active yet.",
        show_default=False,
    ),
]

Int8Option = Annotated[
    bool,
    typer.Option(
        "--int8/--no-int8",
        help="Publish an int8 variant too, for CPUs, if its replies agree with fp32's.",
    ),
]


def open_store(store: Path | None) -> ModelStore:
    """The store that was named, else that of the settings, else the one of ``store_at``.

    :raises SettingsError: if a setting is wrong, whatever was named: no command finds that out late
    """
    settings = load_settings()
    return store_at(store or settings.model_store)


def store_at(folder: Path | None) -> ModelStore:
    """The store in that folder; without one, a person's own with the shipped one behind it."""
    return ModelStore(folder) if folder else ModelStore(own_store(), SHIPPED_STORE)


def publication(path: Path, store: Path | None) -> str:
    """What is said of a version that was published: where, what is served, what to type next.

    :param path: the version's directory
    :param store: the store, if it was named
    """
    settings, spec = load_settings(), spec_of(path)
    variable = f"MODEL_STORE={shlex.quote(str(store))} " if store else ""
    try:
        served = spec_of(open_store(store).resolve(settings.model))
    except ArtifactError:
        served = "no model"
    start = f"the next start of the bot{f' with {variable[:-1]}' if store else ''} serves"
    if served == spec:
        told = f"{start} it."
    elif settings.model:
        told = f"{start} {served}, because MODEL is {settings.model}."
    else:
        option = f" --store {shlex.quote(str(store))}" if store else ""
        told = (
            f"{start} {served} as before. To serve the new one:"
            f" python -m bot models activate {spec}{option}"
        )
    return f"Published {path}; {told}\nTalk to it with: {variable}python -m bot chat --model {spec}"


@app.command("list")
def list_versions(store: StoreOption = None) -> None:
    """List every version in the store; what cannot be read has its problem beside it."""
    opened = open_store(store)
    versions = opened.versions()
    if not versions:
        print("The store is empty; `python -m bot train` and `python -m bot export` fill it.")
    else:
        _print_table(versions)
    if len(opened.roots) > 1:
        own, shipped = opened.roots
        print(f"Your own models are in {own}, those that came with Causerie in {shipped}.")
    opened.active()  # an error, after the list, if the pointer is wrong
    if any(version.problem for version in versions):
        raise typer.Exit(1)


def _print_table(versions: Sequence[VersionEntry]) -> None:
    table = Table("", "model", "size", "precisions", "created", "problem", box=None)
    for version in versions:
        table.add_row(
            "*" if version.active else "",
            version.spec,
            "?" if version.size_bytes is None else f"{version.size_bytes / 1e6:.1f} MB",
            ", ".join(version.precisions) or "?",
            f"{version.created_at:%Y-%m-%d %H:%M}" if version.created_at else "?",
            Text(printable(str(version.problem or ""))),  # not markup: a path may hold brackets
        )
    table_console().print(table)


@app.command()
def show(spec: SpecArgument = None, store: StoreOption = None) -> None:
    """Print a version's manifest, its precisions and its model card."""
    from bot.artifact.manifest import MODEL_CARD_FILE, Manifest

    directory = open_store(store).resolve(spec)
    manifest = Manifest.read(directory)
    print(printable_lines(manifest.to_json()))
    print(f"Precisions: {', '.join(manifest.precisions)}\n")
    if MODEL_CARD_FILE in manifest.files:
        card = manifest.read_file(directory, MODEL_CARD_FILE).decode(errors="replace")
        print(printable_lines(card.replace("\r\n", "\n")))


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

    artifact = Artifact.load(open_store(store).resolve(spec), precision=precision)
    print(printable_lines(artifact.graph()))


@app.command()
def verify(spec: SpecArgument = None, store: StoreOption = None) -> None:
    """Check every file of a version against its manifest."""
    problems = open_store(store).verify(spec)
    for name, problem in problems.items():
        print(printable(f"{name}: {problem or 'ok'}"))
    if any(problems.values()):
        raise typer.Exit(1)


@app.command()
def seal(
    spec: Annotated[str, typer.Argument(metavar="NAME[/VERSION]")], store: StoreOption = None
) -> None:
    """Accept a version whose model card, manifest or name you edited.

    The searchers and the tokenizer must be those that were published.
    """
    print(f"{open_store(store).seal(spec)} is sealed: what it says now can be served.")


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
