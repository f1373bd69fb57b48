"""Lists of words that a text must not hold."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.text.word_list import WordList


@pytest.mark.parametrize(
    ("entry", "found", "not_found"),
    [
        (
            "cat",
            ["cat", "A CAT!", "the cat's", "_cat_", "\uff43\uff41\uff54", "c\u200bat"],
            ["cats", "concat", "ca t"],
        ),
        ("cat*", ["cat", "cats", "Catalogue."], ["concat", "concatenate"]),
        ("*cat", ["cat", "concat"], ["cats", "concatenate"]),
        ("*cat*", ["cats", "concatenate"], ["ca t"]),
        ("black cat", ["a black  cat", "BLACK\ncat"], ["black, cat", "black cats", "blackcat"]),
        ("black cat*", ["black cats"], ["attack cat"]),
        ("c.t", ["c.t"], ["cat"]),
        ("straße", ["STRASSE", "Straße"], ["stra"]),
        ("*猫*", ["黑猫"], ["黑狗"]),
    ],
)
def test_an_entry_is_a_word_a_part_of_one_or_a_phrase(
    entry: str, found: list[str], not_found: list[str]
) -> None:
    words = WordList(["other", entry])
    assert all(words.search(text) for text in found)
    assert not any(words.search(text) for text in not_found)


@pytest.mark.parametrize("entry", ["*", "**", "c*t", "cat**", "black  cat", " cat", ""])
def test_an_entry_with_a_star_elsewhere_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="star"):
        WordList([entry])


def test_a_list_of_ones_own_has_comments_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\ufeff# animals\n\ncat\n  black   dog  \r\n", "utf-8")
    words = WordList.named(str(path))
    assert words.search("a cat")
    assert words.search("black dog")
    assert not words.search("animals")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"c*t\n"])
def test_a_list_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError):
        WordList.named(str(path))


def test_no_list_finds_nothing() -> None:
    assert not WordList.named("none").search("fuck")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "What the FUCK.",
            "motherfucker",
            "bullshit",
            "Damn it!",
            "oh crap",
            "get naked",
            "nudes",
        ),
        *(
            "sexist",
            "stripper",
            "a hoe",
            "nazis",
            "Hitler",
            "kill yourself",
            "suicidal",
            "retarded",
        ),
        *("raping", "boob", "tits", "horny", "I want to die.", "go  to\nhell", "faggot", "kys"),
    ],
)
def test_the_default_list_has_what_a_friendly_bot_does_not_say(text: str) -> None:
    assert WordList.named("default").search(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Pass me a glass of grape juice.", "A therapist in Scunthorpe.", "The injunction was"),
        *(
            "Cocktails in the cockpit",
            "analysis of a title",
            "Sussex",
            "I skipped class to assess.",
        ),
        *("Nigeria and Niger", "Pakistan", "a raccoon", "spicy", "peacock", "I killed time."),
        *("Hello, how are you?", "shell", "Saturday", "I like rapid drapes.", "shiitake", ""),
    ],
)
def test_the_default_list_leaves_innocent_words(text: str) -> None:
    assert not WordList.named("default").search(text)


@given(st.text(st.characters()))
def test_any_text_can_be_searched(text: str) -> None:
    WordList(["cat*", "*dog*", "black cat"]).search(text)
