"""The command line has what ``SearchOptions`` declares."""

import inspect
import re
from dataclasses import fields

import pytest
from command import ROOT
from typer.main import get_command
from typer.testing import CliRunner

from bot.artifact.options import GREEDY, SearchOptions
from bot.cli import app
from bot.cli.search_options import takes_search_options

DECLARED = {field.name: field.default for field in fields(SearchOptions)}
del DECLARED["banned_ids"]  # only in Python


def flags(command: str) -> dict[str, str]:
    """The flag of each search option of a command."""
    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {one.name: one.opts[0] for one in parameters if one.name in DECLARED}


@pytest.mark.parametrize("command", ["chat", "run"])
def test_each_search_option_is_an_option_of_the_command(command: str) -> None:
    assert flags(command).keys() == DECLARED.keys()
    assert flags(command)["beam_size"] == "--beam"
    assert flags(command)["no_repeat_ngram"] == "--no-repeat-ngram"


def test_the_options_stand_in_the_place_of_the_parameter_with_their_defaults() -> None:
    @takes_search_options
    def command(before: int = 1, search: SearchOptions = GREEDY, after: int = 2) -> None:
        """What it does."""

    parameters = inspect.signature(command).parameters
    expected = {"before": 1, **DECLARED, "after": 2}
    assert {name: parameter.default for name, parameter in parameters.items()} == expected
    assert list(parameters) == list(expected)
    assert command.__doc__ == "What it does."


def test_the_command_gets_the_options_that_were_given() -> None:
    seen = []

    @takes_search_options
    def command(before: int, search: SearchOptions) -> None:
        seen.append((before, search))

    command(before=3, **{**DECLARED, "temperature": 0.5, "top_k": 9})
    assert seen == [(3, SearchOptions(temperature=0.5, top_k=9))]


def test_the_command_line_knows_the_bounds() -> None:
    result = CliRunner().invoke(app, ["chat", "--beam", "65"])
    assert result.exit_code == 2
    assert "'--beam'" in result.output
    assert "64" in result.output


def test_the_guide_explains_each_search_option() -> None:
    guide = (ROOT / "docs" / "chat.md").read_text()
    explained = set(re.findall(r"^\| `(--[a-z-]+)", guide, re.MULTILINE))
    assert set(flags("chat").values()) <= explained
