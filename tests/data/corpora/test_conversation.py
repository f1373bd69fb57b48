"""Conversations and their splits."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from bot.data.corpora.conversation import Conversation, split_of


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


def test_backwards_each_prompt_is_the_reply_to_its_reply() -> None:
    assert Conversation(["a", "b", "c"]).backwards() == Conversation(["c", "b", "a"])
    context_and_pair = Conversation(["context", "prompt", "reply"], first_reply=2)
    assert context_and_pair.backwards() == Conversation(["reply", "prompt"])
    assert Conversation([]).backwards() == Conversation([])


@given(st.lists(st.text()), st.integers(1, 5))
def test_backwards_the_pairs_to_learn_are_the_same_the_other_way_round(
    turns: list[str], first_reply: int
) -> None:
    def pairs(conversation: Conversation) -> list[tuple[str, str]]:
        turns = conversation.turns
        return [(turns[i - 1], turns[i]) for i in range(conversation.first_reply, len(turns))]

    conversation = Conversation(turns, first_reply)
    swapped = [(reply, prompt) for prompt, reply in pairs(conversation)]
    assert pairs(conversation.backwards()) == swapped[::-1]
