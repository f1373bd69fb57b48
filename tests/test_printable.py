"""What a terminal or a log would obey is spelt out or left out, and nothing else is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.printable import printable, printable_lines, without_unprintable

OBEYED = (
    *("\x00", "\a", "\b", "\r", "\x1b[2J", "\x1b]0;title\a", "\x7f"),
    *("\x85", "\x9b2J", "\u2028", "\u2029"),
    *("\u202a", "\u202e", "\u2066", "\u2069", "\ud800"),
)
ORDINARY = (
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}, e\N{COMBINING ACUTE ACCENT}, \u4f60\u597d,"
    " \u0645\u0631\u062d\u0628\u0627, \u05e9\u05dc\u05d5\u05dd\N{RIGHT-TO-LEFT MARK},"
    " \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER},"
    " \N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}, a\N{NO-BREAK SPACE}b"
)


@pytest.mark.parametrize("text", OBEYED)
def test_what_a_terminal_would_obey_is_spelt_out_or_left_out(text: str) -> None:
    for shown in (printable(text), printable_lines(text), without_unprintable(text)):
        assert shown.isprintable()
        shown.encode()
    assert printable(text).startswith("\\")
    assert not without_unprintable(text).startswith("\\")


def test_ordinary_unicode_stays() -> None:
    for function in (printable, printable_lines, without_unprintable):
        assert function(ORDINARY) == ORDINARY


def test_lines_and_tabs_stay_only_where_there_may_be_some() -> None:
    assert printable("a\tb\n") == r"a\tb\n"
    assert printable_lines("a\tb\n\r") == "a\tb\n\\r"
    assert without_unprintable("a\tb\n\r") == "a\tb\n"


@given(st.text(st.characters()))
def test_no_text_keeps_a_control_character(text: str) -> None:
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in printable(text))
    assert len(printable(text).splitlines()) <= 1
