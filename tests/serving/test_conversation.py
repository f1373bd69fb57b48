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
    conversations.remember(ALICE, ("hello", "Hi!"), [7])
    conversations.remember(BOB, ("why?", "Hm."), [8, 9])
    assert conversations.recall(ALICE)[:2] == (("hello", "Hi!"), {7})
    assert conversations.recall(BOB)[:2] == (("why?", "Hm."), {8, 9})
    assert conversations.recall(CAROL)[:2] == ((), set())


def test_what_is_remembered_takes_the_place_of_what_was() -> None:
    conversations = Conversations()
    conversations.remember(ALICE, ("hello", "Hi!"), [7])
    conversations.remember(ALICE, ("bye", "Bye!"), [8])
    assert conversations.recall(ALICE)[:2] == (("bye", "Bye!"), {8})


def test_the_one_that_was_silent_for_longest_is_forgotten_first() -> None:
    conversations = Conversations(max_conversations=2)
    conversations.remember(ALICE, ["a"])
    conversations.remember(BOB, ["b"])
    conversations.remember(ALICE, ["a", "a"])
    conversations.remember(CAROL, ["c"])
    turns = [conversations.recall(key).turns for key in (ALICE, BOB, CAROL)]
    assert turns == [("a", "a"), (), ("c",)]


def test_a_silent_conversation_is_forgotten_after_its_time_and_each_reply_renews_it() -> None:
    clock = Clock()
    conversations = Conversations(memory_s=60, clock=clock)
    conversations.remember(ALICE, ["a"])
    conversations.remember(BOB, ["b"])
    clock.now += 59
    conversations.remember(ALICE, ["again"])
    clock.now += 1
    assert conversations.recall(BOB).turns == ()
    assert conversations.recall(ALICE).turns == ("again",)
    clock.now += 59
    conversations.forget_expired()
    assert len(conversations) == 0


def test_asking_for_the_turns_does_not_prolong_a_conversation() -> None:
    clock = Clock()
    conversations = Conversations(memory_s=60, clock=clock)
    conversations.remember(ALICE, ["a"])
    clock.now += 59
    assert conversations.recall(ALICE).turns == ("a",)
    clock.now += 1
    assert conversations.recall(ALICE).turns == ()


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
        conversations.remember((0, user), (*conversations.recall((0, user)).turns, turn))
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
            assert conversations.recall((0, who)).turns == turns
