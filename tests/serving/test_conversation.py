from hypothesis import given
from hypothesis import strategies as st

from bot.serving.conversation import MAX_TURNS, Conversation, Conversations

ALICE, BOB, CAROL = (1, 1), (1, 2), (2, 1)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_keeps_its_last_turns_in_order() -> None:
    conversation = Conversation(max_turns=3)
    conversation.add("hello", "Hi!")
    assert conversation.turns == ("hello", "Hi!")
    conversation.add("why?", "Hm.")
    assert conversation.turns == ("Hi!", "why?", "Hm.")
    conversation.clear()
    assert conversation.turns == ()


def test_conversations_do_not_mix() -> None:
    conversations = Conversations()
    conversations.add(ALICE, "hello", "Hi!")
    conversations.add(BOB, "why?", "Hm.")
    assert conversations.turns(ALICE) == ("hello", "Hi!")
    assert conversations.turns(BOB) == ("why?", "Hm.")
    assert conversations.turns(CAROL) == ()


def test_the_one_that_was_silent_for_longest_is_forgotten_first() -> None:
    conversations = Conversations(max_conversations=2)
    conversations.add(ALICE, "a")
    conversations.add(BOB, "b")
    conversations.add(ALICE, "a")
    conversations.add(CAROL, "c")
    assert [conversations.turns(key) for key in (ALICE, BOB, CAROL)] == [("a", "a"), (), ("c",)]


def test_a_silent_conversation_is_forgotten_after_its_time_and_each_turn_renews_it() -> None:
    clock = Clock()
    conversations = Conversations(memory_s=60, clock=clock)
    conversations.add(ALICE, "a")
    conversations.add(BOB, "b")
    clock.now += 59
    conversations.add(ALICE, "again")
    clock.now += 1
    assert conversations.turns(BOB) == ()
    assert conversations.turns(ALICE) == ("a", "again")
    clock.now += 59
    conversations.forget_expired()
    assert len(conversations) == 0


def test_asking_for_the_turns_does_not_prolong_a_conversation() -> None:
    clock = Clock()
    conversations = Conversations(memory_s=60, clock=clock)
    conversations.add(ALICE, "a")
    clock.now += 59
    assert conversations.turns(ALICE) == ("a",)
    clock.now += 1
    assert conversations.turns(ALICE) == ()


steps = st.lists(
    st.tuples(st.floats(0, 40), st.integers(0, 4), st.text(max_size=1)), min_size=1, max_size=40
)


@given(steps)
def test_after_any_history_only_recent_turns_of_few_conversations_are_kept(
    steps: list[tuple[float, int, str]],
) -> None:
    clock = Clock()
    conversations = Conversations(max_conversations=3, memory_s=60, clock=clock)
    expected: dict[int, tuple[float, tuple[str, ...]]] = {}
    for pause_s, user, turn in steps:
        clock.now += pause_s
        conversations.add((0, user), turn)
        expected = {
            who: (since, turns)
            for who, (since, turns) in expected.items()
            if clock.now - since < 60
        }
        _, turns = expected.pop(user, (0.0, ()))
        expected[user] = (clock.now, (*turns, turn)[-MAX_TURNS:])
        expected = dict(list(expected.items())[-3:])
        assert len(conversations) == len(expected)
        for who, (_, turns) in expected.items():
            assert conversations.turns((0, who)) == turns
