"""Options that do not go together: which were given, and what they are called."""

from collections.abc import Collection

import typer

from bot.errors import UsageError


def given(context: typer.Context) -> set[str]:
    """The options that were written on the command line."""
    return {name for name in context.params if _source(context, name) == "COMMANDLINE"}


def as_written(context: typer.Context, *names: str) -> str:
    """Options with their values, as one writes them: ``--min-count 3 and --no-clean``.

    What a recipe has set says so.
    """
    return _listed([_as_written(context, name) for name in names])


def refuse(context: typer.Context, names: Collection[str], reason: str) -> None:
    """See that none of these options was given.

    :param reason: why they cannot be, without a full stop
    :raises UsageError: if some were; it names each
    """
    clashing = sorted({*names} & given(context))
    if clashing:
        flags = _listed([_flag(context, name) for name in clashing])
        raise UsageError(f"{reason}; leave {flags} out.")


def _flag(context: typer.Context, name: str) -> str:
    option = next(option for option in context.command.params if option.name == name)
    negated = context.params[name] is False and option.secondary_opts
    return (option.secondary_opts if negated else option.opts)[0]


def _as_written(context: typer.Context, name: str) -> str:
    value = context.params[name]
    text = _flag(context, name)
    if not isinstance(value, bool):
        text += f" {value:g}" if isinstance(value, float) else f" {value}"
    if _source(context, name) == "DEFAULT_MAP":
        text += f" of --recipe {context.params['recipe']}"
    return text


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return source.name if source else ""


def _listed(items: list[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
