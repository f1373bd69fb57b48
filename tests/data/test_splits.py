"""Splits."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from bot.data.corpora.conversation import Conversation
from bot.data.splits import split_of


@given(st.lists(st.text(st.characters())))
def test_any_conversation_has_a_split(turns: list[str]) -> None:
    assert split_of(Conversation(turns)) in ("train", "valid", "test")


def test_the_split_is_two_hundredths_of_the_hash_of_the_turns() -> None:
    # Written out: models were trained on these splits, so they must never change.
    for number in range(3000):
        turns = [f"Question {number}?", "Answer."]
        digest = sha256("\n".join(turns).encode()).digest()
        bucket = int.from_bytes(digest[:8], "big") % 1000
        expected = "valid" if bucket < 10 else "test" if bucket < 20 else "train"
        assert split_of(Conversation(turns)) == expected


def test_a_prepared_conversation_keeps_its_split() -> None:
    assert split_of(Conversation(["a", "b"], 1, "test")) == "test"
