"""Cleaning of chat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.data import cleaning


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("im fine thanks", "I'm fine thanks."),
        ("i dont know lol", "I don't know."),
        ("whats up", "What's up?"),
        ("I do n't like it , sorry !", "I don't like it, sorry!"),
        ("how are you doing\nim good", "How are you doing? I'm good."),
        ("that's so cool!!!! :)", "That's so cool!"),
        ("so do i", "So do I."),
        ('"Up" is a lovely film', '"Up" is a lovely film.'),
        ('"i quote no one', "I quote no one."),
        ("It costs $ 20 .", "It costs $20."),
        ("NFL games are fun", "NFL games are fun."),
        ("lol", ""),
        ("...", ""),
    ],
)
def test_a_reply_is_made_to_read_like_written_language(raw: str, expected: str) -> None:
    assert cleaning.written(raw) == expected


@pytest.mark.parametrize("text", ["Hi, I'm [User 1's name].", "see http://x.y", "...", ""])
def test_placeholders_links_and_wordless_messages_are_unusable(text: str) -> None:
    assert cleaning.unusable(text)


@pytest.mark.parametrize("text", ["Sooooo good.", "I am SHOUTING.", "Ça va.", "Call 5551234."])
def test_what_no_reply_should_say_is_not_well_written(text: str) -> None:
    assert not cleaning.well_written(text)


def test_a_long_reply_is_cut_after_a_sentence() -> None:
    assert cleaning.shortened("One two. Three four! Five six?", 4) == "One two. Three four!"
    assert cleaning.shortened("One two three four five.", 4) == ""


@given(st.text())
def test_shortening_keeps_a_prefix_within_the_limit(text: str) -> None:
    short = cleaning.shortened(text, 5)
    assert len(short.split()) <= 5
    assert text.strip().startswith(short)


@given(st.text())
def test_any_text_can_be_cleaned(text: str) -> None:
    written = cleaning.written(text)
    assert written == "" or written[-1] in ".!?"


def test_spoken_text_has_no_capitals_or_punctuation_but_apostrophes() -> None:
    assert cleaning.spoken("Hello, I'm Ann!") == "hello i'm ann"
