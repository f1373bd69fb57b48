"""Conversations."""

from hypothesis import given
from hypothesis import strategies as st

from bot.data.corpora.conversation import Conversation


def test_backwards_each_prompt_is_the_reply_to_its_reply() -> None:
    assert Conversation(["a", "b", "c"]).backwards() == Conversation(["c", "b", "a"])
    context_and_pair = Conversation(["context", "prompt", "reply"], first_reply=2)
    assert context_and_pair.backwards() == Conversation(["reply", "prompt"])
    assert Conversation([]).backwards() == Conversation([])


def test_where_only_one_speaker_replies_every_second_turn_is_a_reply() -> None:
    turns = ["Hi", "Hello", "How are you?", "Fine", "Bye"]
    assert list(Conversation(turns, both_reply=False).replies()) == [1, 3]
    assert list(Conversation(turns, 2, both_reply=False).replies()) == [2, 4]
    assert list(Conversation(turns, 2).replies()) == [2, 3, 4]


@given(st.lists(st.text()), st.integers(1, 5), st.booleans())
def test_backwards_the_pairs_to_learn_are_the_same_the_other_way_round(
    turns: list[str], first_reply: int, both_reply: bool
) -> None:
    def pairs(conversation: Conversation) -> list[tuple[str, str]]:
        turns = conversation.turns
        return [(turns[i - 1], turns[i]) for i in conversation.replies()]

    conversation = Conversation(turns, first_reply, both_reply=both_reply)
    swapped = [(reply, prompt) for prompt, reply in pairs(conversation)]
    assert pairs(conversation.backwards()) == swapped[::-1]
