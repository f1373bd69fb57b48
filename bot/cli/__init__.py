"""The command line, and the composition root: it builds the parts and hands them to each other.

Each command imports what it needs when it runs, so that ``--help`` is quick and the service never
loads the training code.
"""

import logging
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import bot
from bot.cli import (
    benchmarking,
    corpus,
    evaluation,
    exporting,
    importing,
    models,
    serving,
    training,
)
from bot.errors import CauserieError
from bot.interrupts import EXIT_CODE, STOPPED
from bot.log import MESSAGE, EventFormatter
from bot.printable import printable


class _Commands(TyperGroup):
    """Typer's group, in which Ctrl-C is a sentence too."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            print(STOPPED, file=sys.stderr)
            raise typer.Exit(EXIT_CODE) from error


app = typer.Typer(
    cls=_Commands,
    name="bot",
    help="Causerie: a Discord chat bot with a small neural model of its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut the names of options in narrow terminals
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    serving.run,
    serving.chat,
    training.train,
    exporting.export,
    evaluation.evaluate,
    evaluation.compare,
    evaluation.judge,
    evaluation.attention,
    importing.import_checkpoint,
    benchmarking.bench,
):
    # Given as it is, it stands whole in the list of commands.
    app.command(short_help=(command.__doc__ or "").partition("\n")[0])(command)
app.add_typer(corpus.app, name="corpus")
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
    if logging.lastResort is not None:  # what warnings go to where a command sets up no log
        logging.lastResort.setFormatter(EventFormatter(line=MESSAGE))
    try:
        app(prog_name="python -m bot")
    except Exception as error:
        if "--debug" in sys.argv[1:]:
            raise
        print(f"error: {printable(_sentence(error))}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, CauserieError) else 1)


def _sentence(error: Exception) -> str:
    """What the user is told of a failure, foreseen or not."""
    if isinstance(error, CauserieError | OSError):
        return str(error)
    first_line = f"{type(error).__name__}: {error}".partition("\n")[0]
    # PyTorch has no class of its own for it on a CPU.
    if isinstance(error, MemoryError) or re.search(r"out of memory|allocate memory", first_line):
        return "There is not enough memory for this; give smaller sizes, or less at a time."
    return f"Something unforeseen went wrong ({first_line}); python -m bot --debug ... shows where."
