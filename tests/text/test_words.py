"""What is counted as a word."""

import pytest

from bot.text.words import count_words, is_unspaced, unit_of, words_and_marks

CHINESE = (
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002"  # two words of two characters, a comma, a full stop
)
KOREAN = "\uc548\ub155 \uc138\uacc4"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Don't go - you two!", 5),
        ("", 0),
        ("\u00c7a va bien?", 3),
        (CHINESE, 4),
        ("\u6211\u7528 Python 3 \u3002", 4),
        ("\u65e5\u672c\u306e\u30e9\u30fc\u30e1\u30f3", 7),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", 6),  # Thai, its vowel signs too
        (KOREAN, 2),
    ],
)
def test_a_word_ends_at_white_space_or_is_a_character_where_there_is_none(
    text: str, count: int
) -> None:
    assert count_words(text) == count


def test_words_and_marks_are_those_of_the_text_and_not_of_a_vocabulary() -> None:
    assert words_and_marks("Don't stop, JOHN's 2 cats!") == [
        *("don't", "stop", ",", "john's", "2", "cats", "!")
    ]
    assert words_and_marks("\u00c7a va?") == ["\u00e7a", "va", "?"]
    assert words_and_marks(CHINESE + "ok") == [*CHINESE, "ok"]
    assert words_and_marks(" ") == []


def test_the_unit_is_what_most_of_the_texts_are_counted_in() -> None:
    assert unit_of(["I like it.", CHINESE[:2]]) == "words"
    assert unit_of(["ok", CHINESE]) == "characters"
    assert unit_of([KOREAN]) == unit_of([]) == "words"
    assert is_unspaced("ok \u597d")
    assert not is_unspaced(KOREAN)
