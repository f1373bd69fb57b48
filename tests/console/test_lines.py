"""Lines in: what leaves, and what is read."""

import io
import sys

import pytest

from bot.console.lines import lines_from_pipe, lines_from_terminal


@pytest.mark.parametrize("leave", ["q", "quit", "  Q\t", "QUIT\r"])
def test_a_pipe_is_left_as_the_terminal_is(leave: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"hello\n\nq?\n{leave}\nnever read\n"))
    assert list(lines_from_pipe()) == ["hello", "", "q?"]


def test_a_terminal_needs_no_line_editing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "readline", None)  # importing it fails
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n \nquit\nnever read\n"))
    assert list(lines_from_terminal("you> ")) == ["hello"]
