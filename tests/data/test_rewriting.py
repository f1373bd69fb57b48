"""Chat made to read like written English, and written English left alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.data import rewriting
from bot.data.cleaning import tidy
from bot.data.rewriting import Rewrites


def written(text: str, rewrites: Counter[str] | None = None) -> str:
    return rewriting.written(tidy(text), rewrites)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("im fine thanks", "I'm fine thanks."),
        ("i dont know lol", "I don't know."),
        ("Lol, i know", "I know."),
        ("whats up", "What's up?"),
        ("I do n't like it , sorry !", "I don't like it, sorry!"),
        ("how are you doing\nim good", "How are you doing? I'm good."),
        ("that's so cool!!!! :)", "That's so cool!"),
        ("thanks :)", "Thanks."),
        ("so do i", "So do I."),
        ('"Up" is a lovely film', '"Up" is a lovely film.'),
        ('"i quote no one', "I quote no one."),
        ("It costs $ 20 .", "It costs $20."),
        ("NFL games are fun", "NFL games are fun."),
        ("lol", ""),
        ("...", ""),
        ("u r right", "You are right."),
        ("r u ok", "Are you okay?"),
        ("ur so cool, whats ur name", "You're so cool, what's your name?"),
        ("ill be there, id like that", "I'll be there, I'd like that."),
        ("cause i said so", "Because I said so."),
        ("i cant stay and it wont help", "I can't stay and it won't help."),
        ("we gotta go, they've gotta stay", "We have to go, they've got to stay."),
        ("I wanna go on sunday", "I want to go on Sunday."),
        ("hahahaha yes", "Haha yes."),
        ("Fine.Thanks a lot", "Fine. Thanks a lot."),
        ("i like it. its great", "I like it. Its great."),
        ("<u>also</u> &amp; you", "Also & you."),
        ("hi <3", "Hi."),
        ("good, and you", "Good, and you?"),
        ("it is cold, isn't it", "It is cold, isn't it?"),
        ("Yeah, how long can it last", "Yeah, how long can it last?"),
        ("how many cats do you have", "How many cats do you have?"),
        ("Why not", "Why not?"),
        ("Really?? Yes..", "Really? Yes..."),
        ('He said "go"', 'He said "go."'),
        ("yes", "Yes."),
        ("thank you", "Thank you."),
    ],
)
def test_a_reply_is_made_to_read_like_written_language(raw: str, expected: str) -> None:
    assert written(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        "He is ill.",
        "Ill health is no joke.",
        "You cause trouble, and that is the cause.",
        "My id card is lost.",
        "The U.S. embassy is here.",
        "We live in the U.S. and like it.",
        "R2D2 and R&B, a u-turn, i.e. this, and Wi-Fi.",
        "Where there is smoke there is fire",
        "Who knows",
        "Which is why I left",
        "We... should.",
        "Oh! how lovely.",
        "It was his wont, and thieves' cant.",
        "Such is the common cant.",
        "Jony Ive made it.",
        "The hows and whys.",
        "Yea, though I walk through the valley.",
        "See ya!",
        "I wanna a beer.",
        "'Tis true, and 'cause I said so.",
        "The dogs' home.",
        "I was just--",
        "And then he said,",
        "You did what?!",
        "What?...",
        "What!?",
        "The file is example.py, at 9.30 a.m. on node.js.",
        "He is 6' 2\" tall.",
        '"Go." She said: "No."',
        'He said "Go!"',
        "(It is over.)",
        "The path ../x is wrong.",
        "Chapter 20",
        "By Jane Austen",
        'He put an "i" there.',
        '"It is over again." -- Yogi Berra',
        "He who has two watches is never sure. Proverb",
        "n = n * 2",
        "iPhones are dear.",
        "What does lol mean?",
        "I <3 you.",
        "a) yes.",
        "Das ist f\u00fcr dich, na\u00efve.",
        "Mr. Smith vs. the others, etc. and so on.",
        "Dot the i and look at chapter i.",
        "... him or me.",
    ],
)
def test_written_english_is_left_alone(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("What a mess", "What a mess."),
        ("How nice of you", "How nice of you."),
        ("Do it now", "Do it now."),
        ("do it now", "Do it now."),
        ("what a mess", "What a mess."),
        ("how nice of you", "How nice of you."),
    ],
)
def test_what_only_looks_like_a_question_gets_no_question_mark(raw: str, expected: str) -> None:
    assert written(raw) == expected


def test_lines_of_a_column_are_one_text() -> None:
    wrapped = "I went all the way down to the old harbour of the town\nand saw a ship."
    assert written(wrapped) == wrapped.replace("\n", " ")
    assert written("i have a\ncat") == "I have a cat."


def test_a_turn_counts_once_for_each_rule_that_changed_it() -> None:
    counts: Counter[str] = Counter()
    assert written("i dont care\ni dont know", counts) == "I don't care. I don't know."
    assert counts == {"missing apostrophe": 1, 'pronoun "I"': 1, "final mark": 1}
    counts.clear()
    written("Nothing to do.", counts)
    written("lol", counts)
    assert not counts


def test_rules_are_counted_with_an_example_of_this_rule_alone() -> None:
    rewrites = Rewrites()
    for turn in ("i dont", "Dont go.", "Fine.", "I dont mind!"):
        rewrites.add(turn)
    assert (rewrites.seen, rewrites.turns) == (4, 3)
    assert rewrites.rules["missing apostrophe"] == 3
    assert rewrites.samples["missing apostrophe"] == ("Dont go.", "Don't go.")


@given(st.text())
def test_any_text_can_be_cleaned(text: str) -> None:
    assert written(text) == written(text).strip()


@pytest.mark.parametrize(
    "text",
    [
        *("May I come in", "Must you go", "Dare you go", "Shall we", "Had you seen it", "Y not"),
        *("Mom can I go", "Dad what is that", "Sir, may I go", "Now do you see", "Do what now"),
        *("Please can I have some", "Sorry what did you say", "John are you there", "Hru"),
        *(
            "Question: is it better to wait",
            "You're going where",
            "By the way are you coming tomorrow",
            "No way!1",
            "什么是ai",
        ),
    ],
)
def test_what_may_be_a_question_or_is_not_english_gets_no_full_stop(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("The variable i counts.", "Use i and j.", "u to undo.", "u is the user id."),
        *('He said "u" instead of "you".', "Im is a suffix.", "The thx sound system."),
        *('git commit -m "fix"', "Hes and shes.", "Plz is the postal code.", "U X e dUdX."),
        *("Alot is not a word.", "He wanna be.", "C u l8r.", "x is greater."),
    ],
)
def test_a_word_that_is_spoken_of_stays_as_it_is(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize("text", ["He said he had it", "I saw what you did", "We may as well go"])
def test_what_only_looks_like_an_inversion_is_a_statement(text: str) -> None:
    assert written(text) == f"{text}."
