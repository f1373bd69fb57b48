"""The command line, and the composition root: it builds the parts and hands them to each other.

Each command imports what it needs when it runs, so that ``--help`` is quick and the service never
loads the training code.
"""

import sys
from typing import Annotated

import typer

import bot
from bot.cli import corpus, evaluation, exporting, importing, models, serving, training
from bot.errors import CauserieError

app = typer.Typer(
    name="bot",
    help="Causerie: a Discord chat bot with a small neural model of its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.run)
app.command()(serving.chat)
app.command()(training.train)
app.command()(exporting.export)
app.command()(evaluation.evaluate)
app.command()(evaluation.compare)
app.command()(evaluation.judge)
app.command()(evaluation.attention)
app.add_typer(corpus.app, name="corpus")
app.command()(importing.import_checkpoint)
app.add_typer(models.app, name="models")


def _show_version(*, wanted: bool) -> None:
    if wanted:
        print(f"causerie {bot.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _show_version(wanted=wanted),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a failure is one sentence on standard error and an exit code."""
    try:
        app(prog_name="python -m bot")
    except (CauserieError, OSError) as error:
        if "--debug" in sys.argv[1:]:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, CauserieError) else 1)
