"""Splitting."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_app.splitting import FENCE, MESSAGE_LIMIT, split_message

# Each shows as one character.
CLUSTERS = [
    "e\u0301",
    "\U0001f44d\U0001f3fd",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f1eb\U0001f1f7",
    "\N{HEAVY BLACK HEART}\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "\ud83d\ude00",
]


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def without_space(text: str) -> str:
    return "".join(text.split())


def test_a_short_text_stays_one_piece() -> None:
    assert split_message("  hello\n\nthere ") == ["hello\n\nthere"]


@pytest.mark.parametrize("blank", ["", " ", "\n\n\t"])
def test_a_blank_text_has_no_pieces(blank: str) -> None:
    assert split_message(blank) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two\nthree.\n\nFour five six", ["One. Two\nthree.", "Four five six"]),
        ("One two three\nfour. Five six seven", ["One two three", "four. Five six seven"]),
        ('He said: "Yes." And so we went on', ['He said: "Yes."', "And so we went on"]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmnopqrstu", "vwxyz"]),
        # A break near the start would leave a stub.
        ("Hm.\n\nOne two three four five", ["Hm.\n\nOne two three", "four five"]),
    ],
)
def test_the_cut_is_at_the_best_boundary(text: str, pieces: list[str]) -> None:
    assert split_message(text, 21) == pieces


def test_exactly_the_limit_is_one_piece_and_one_more_is_two() -> None:
    assert len(split_message("a" * MESSAGE_LIMIT)) == 1
    assert len(split_message("a" * (MESSAGE_LIMIT + 1))) == 2


@pytest.mark.parametrize("cluster", CLUSTERS, ids=ascii)
@pytest.mark.parametrize("limit", [16, 17, 18, 19, 20, 21])
def test_a_character_made_of_several_code_points_is_not_split(cluster: str, limit: int) -> None:
    for piece in split_message(cluster * 40, limit):
        assert piece.replace(cluster, "") == ""


def test_a_character_too_long_for_a_message_is_split_all_the_same() -> None:
    text = "a" + "\u0301" * 5000
    assert "".join(split_message(text)) == text


@given(
    text=st.lists(st.one_of(st.text(), st.sampled_from(["\n", "\n\n", ". ", " ", *CLUSTERS]))).map(
        "".join
    ),
    limit=st.integers(2, 50),
)
def test_pieces_fit_are_not_blank_and_lose_only_white_space(text: str, limit: int) -> None:
    pieces = split_message(text, limit)
    assert all(utf16_units(piece) <= limit for piece in pieces)
    assert all(piece.strip() for piece in pieces)
    assert without_space("".join(pieces)) == without_space(text)


@given(
    blocks=st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="`"), max_size=150),
            st.sampled_from(["", "python", "c++"]),
            st.text(st.characters(exclude_characters="`"), max_size=150),
        ),
        max_size=6,
    ),
    limit=st.integers(80, 150),
)
def test_a_cut_code_block_is_closed_and_opened_again(
    blocks: list[tuple[str, str, str]], limit: int
) -> None:
    text = "".join(f"{prose}```{language}\n{code}\n```" for prose, language, code in blocks)
    pieces = split_message(text, limit)
    assert all(utf16_units(piece) <= limit for piece in pieces)
    assert all(piece.count(FENCE) % 2 == 0 for piece in pieces)

    def words(fenced: str) -> str:
        return without_space(re.sub(r"```(?:(?:python|c\+\+)\n)?", "", fenced))

    assert "".join(map(words, pieces)) == words(text)


def test_a_cut_code_block_keeps_its_language_and_indentation() -> None:
    code = "".join(f"    line_{index} = {index}\n" for index in range(12))
    first, second, *_ = split_message(f"Look:\n```python\n{code}```", 120)
    assert first.startswith("Look:\n```python\n    line_0")
    assert first.endswith("\n```")
    assert second.startswith("```python\n    line_")


@pytest.mark.parametrize("text", ["`" * 100_000, "a" + "\u0301" * 99_999, "\n " * 50_000])
def test_hostile_text_is_cut_like_any_other(text: str) -> None:
    # Quadratic work would take minutes.
    assert all(utf16_units(piece) <= MESSAGE_LIMIT for piece in split_message(text))
