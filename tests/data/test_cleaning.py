"""What is fit to be learnt from, and what transport did to it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.data import cleaning
from bot.text.words import count_words


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("I <u>also</u> do", "I also do"),
        ("<i>You</i> &amp; <b class='x'>me</b>", "You & me"),
        ("It&#39;s &quot;you&quot; &lt;3", 'It\'s "you" <3'),
        ("&amp;quot;Yes&amp;quot;", '"Yes"'),
        ("&lt;i&gt;Yes&lt;/i&gt;", "Yes"),
        ("One<br>two<BR />three", "One\ntwo\nthree"),
        ("<p>One</p> <p>two</p>", "One\ntwo"),
        ('see <a href="x.html">this</a><!-- no -->', "see this"),
        ("<script>alert(1)</script>Hi", "Hi"),
        ("I do n't like it , sorry !", "I don't like it, sorry!"),
        ("It costs $ 20 ( a lot ) .", "It costs $20 (a lot )."),
        ("I don`t know\u2026 \u201cwell\u201d", 'I don\'t know... "well"'),
    ],
)
def test_what_transport_did_to_a_message_is_undone(raw: str, expected: str) -> None:
    assert cleaning.tidy(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "x <b and c> y",
        "<3",
        "i <3 you",
        "<grin>",
        "AT&T and Q&A",
        "this&that; &nosuchname;",
        "thanks :)",
        "a .45 pistol",
        "press the 'd' key",
        "Well . . . yes",
        "to ... him",
    ],
)
def test_what_is_no_markup_and_no_token_is_left_alone(text: str) -> None:
    assert cleaning.tidy(text) == text


def test_what_is_undone_is_counted_by_its_rule() -> None:
    counts: Counter[str] = Counter()
    cleaning.tidy("<u>Q</u>&amp;A", counts)
    cleaning.tidy("Nothing here.", counts)
    assert counts == {"HTML entity": 1, "HTML tag": 1}


@pytest.mark.parametrize("text", ["Hi, I'm [User 1's name].", "see http://x.y", "...", ""])
def test_placeholders_links_and_wordless_messages_are_unusable(text: str) -> None:
    assert cleaning.unusable(text)


@pytest.mark.parametrize(
    "text",
    [
        "Yes, I do.",
        "No, I am.",
        "I do, too.",
        "I am 25.",
        "At 10:30.",
        "In 1984.",
        "I.",
        "So? A-a-a!",
        "Two caf\u00e9s, na\u00efvely.",
        "I <3 you.",
        "a < b and c > d.",
    ],
)
def test_plain_english_is_well_written_however_short(text: str) -> None:
    assert cleaning.well_written(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sooooo good.",
        "I am SHOUTING.",
        "\u00c7a va, \u4f60\u597d.",
        "Call 5551234.",
        "1 2 3 go.",
        "No -------",
        "u are nice.",
        "That is lol funny.",
        "<grin> Yes.",
    ],
)
def test_what_no_reply_should_say_is_not_well_written(text: str) -> None:
    assert not cleaning.well_written(text)


def test_a_long_reply_is_cut_after_a_sentence() -> None:
    assert cleaning.shortened("One two. Three four! Five six?", 4) == "One two. Three four!"
    assert cleaning.shortened("One two three four five.", 4) == ""


def test_a_reply_without_spaces_is_cut_after_a_sentence_too() -> None:
    text = "\u4f60\u597d\u3002\u6211\u5f88\u597d\uff01\u4f60\u5462\uff1f"
    assert cleaning.shortened(text, 5) == "\u4f60\u597d\u3002\u6211\u5f88\u597d\uff01"
    assert cleaning.shortened(text, 1) == ""


@given(st.text())
def test_shortening_keeps_a_prefix_within_the_limit(text: str) -> None:
    short = cleaning.shortened(text, 5)
    assert count_words(short) <= 5
    assert text.strip().startswith(short)


def test_spoken_text_has_no_capitals_or_punctuation_but_apostrophes() -> None:
    assert cleaning.spoken("Hello, I'm Ann!") == "hello i'm ann"


def test_vowel_signs_are_no_punctuation() -> None:
    hindi = "\u0928\u092e\u0938\u094d\u0924\u0947"
    assert cleaning.spoken(hindi + "!") == hindi
