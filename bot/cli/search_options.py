"""The search options on the command line, as ``bot/artifact/options.py`` declares them."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from bot.artifact.options import DeclaredOption, SearchOptions, declared_options

SEARCH = "search"  # the parameter of a command


def takes_search_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with one option for each search option, in the place of its parameter ``search``.

    Typer reads a signature, so it is given one.

    :param command: its ``search`` is a ``SearchOptions``
    """
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == SEARCH:
            parameters += map(_parameter, declared_options())
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        chosen = {declared.name: given.pop(declared.name) for declared in declared_options()}
        command(**given, search=SearchOptions(**chosen))

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_options


def _parameter(declared: DeclaredOption) -> inspect.Parameter:
    name, type_, default, option = declared
    flag = option.flag or "--" + name.replace("_", "-")
    of_typer = typer.Option(
        flag, metavar=option.metavar, min=option.least, max=option.most, help=option.help
    )
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[type_, of_typer])
