"""Corpora of ConvoKit."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.convokit import MAX_CONTEXT, read_convokit
from bot.data.corpora.lines import ReadingLog
from bot.data.splits import split_of


def utterance(identifier: str, parent: str | None, text: str, speaker: str = "") -> dict[str, Any]:
    return {
        "id": identifier,
        "conversation_id": "L1",
        "reply-to": parent,
        "speaker": speaker or None,
        "text": text,
        "meta": {"movie_id": "m0"},
    }


def write(path: Path, *utterances: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in utterances))
    return path


CHAIN = [
    utterance("L1", None, "They do not!", "u0"),
    utterance("L2", "L1", "They do to!", "u2"),
    utterance("L3", "L2", "I hope so.", "u0"),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_chain_of_replies_in_any_order_is_a_conversation(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    path = write(tmp_path / "utterances.jsonl", *(CHAIN[index] for index in order))
    assert list(read_convokit(path, ReadingLog())) == [
        Conversation(["They do not!", "They do to!", "I hope so."])
    ]


def test_the_fields_of_older_corpora_and_their_array_are_read(tmp_path: Path) -> None:
    path = tmp_path / "utterances.json"
    old = [
        {"id": 1, "root": 1, "reply_to": None, "user": "a", "text": "Hi"},
        {"id": 2, "root": 1, "reply_to": 1, "user": "b", "text": "Hello"},
    ]
    path.write_text(json.dumps(old))
    assert list(read_convokit(path, ReadingLog())) == [Conversation(["Hi", "Hello"])]


def test_of_a_tree_each_branch_is_read_and_no_reply_twice(tmp_path: Path) -> None:
    path = write(
        tmp_path / "utterances.jsonl",
        utterance("a", None, "A"),
        utterance("b", "a", "B"),
        utterance("c", "b", "C"),
        utterance("d", "b", "D"),
        utterance("e", "d", "E"),
        utterance("f", "a", "F"),
    )
    conversations = list(read_convokit(path, ReadingLog()))
    assert [(c.turns, c.first_reply) for c in conversations] == [
        (["A", "B", "C"], 1),
        (["A", "B", "D", "E"], 2),
        (["A", "F"], 1),
    ]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
@settings(max_examples=30)
def test_each_reply_of_any_forest_is_learnt_once_after_its_parent(
    tmp_path_factory: pytest.TempPathFactory, parents: list[int]
) -> None:
    # The i-th replies to one of those before it, or begins a conversation.
    tree = {i: p if (p := parent % (i + 1)) < i else None for i, parent in enumerate(parents)}
    rows = [utterance(f"{i}", None if p is None else f"{p}", f"t{i}") for i, p in tree.items()]
    random.Random(len(rows)).shuffle(rows)
    path = write(tmp_path_factory.getbasetemp() / "utterances.jsonl", *rows)
    conversations = list(read_convokit(path, ReadingLog()))
    learnt = [(c.turns[i - 1], c.turns[i]) for c in conversations for i in c.replies()]
    assert sorted(learnt) == sorted((f"t{p}", f"t{i}") for i, p in tree.items() if p is not None)


def test_the_branches_of_a_tree_are_in_one_split(tmp_path: Path) -> None:
    rows = [
        utterance(f"{tree}.{n}", f"{tree}.0" if n else None, f"Text {tree} {n}")
        for tree in range(300)
        for n in range(4)
    ]
    splits: dict[str, set[str]] = {}
    for conversation in read_convokit(write(tmp_path / "utterances.jsonl", *rows), ReadingLog()):
        splits.setdefault(conversation.turns[0], set()).add(split_of(conversation))
    assert len(splits) == 300
    assert all(len(split) == 1 for split in splits.values())
    assert {"train", "valid", "test"} == set().union(*splits.values())


def test_what_a_speaker_says_twice_in_a_row_is_one_turn(tmp_path: Path) -> None:
    path = write(
        tmp_path / "utterances.jsonl",
        utterance("a", None, "Hi.", "u0"),
        utterance("b", "a", "You?", "u0"),
        utterance("c", "b", "Fine.", "u1"),
        utterance("d", "c", "Really.", "u1"),
    )
    assert list(read_convokit(path, ReadingLog())) == [
        Conversation(["Hi.\nYou?", "Fine.\nReally."])
    ]


def test_a_long_chain_with_many_branches_takes_little_context_with_each(tmp_path: Path) -> None:
    rows = [utterance(f"{n}", f"{n - 1}" if n else None, f"t{n}") for n in range(3000)]
    rows += [utterance(f"side{n}", f"{n}", f"s{n}") for n in range(3000)]
    conversations = list(read_convokit(write(tmp_path / "utterances.jsonl", *rows), ReadingLog()))
    assert len(conversations) == 3000
    assert len(max(conversations, key=lambda c: len(c.turns)).turns) == 3001
    assert sum(len(c.turns) for c in conversations) < 3001 + 3000 * (MAX_CONTEXT + 2)


def test_an_utterance_whose_parent_is_missing_begins_a_conversation(tmp_path: Path) -> None:
    path = write(tmp_path / "utterances.jsonl", *CHAIN[1:])
    log = ReadingLog()
    assert list(read_convokit(path, log)) == [Conversation(["They do to!", "I hope so."])]
    assert not log.malformed


def test_what_is_malformed_is_counted_a_cut_last_line_too(tmp_path: Path) -> None:
    path = write(
        tmp_path / "utterances.jsonl",
        *CHAIN,
        utterance("L3", "L2", "Again?"),
        {"id": "L5", "text": 7},
        {"id": "L6"},
        utterance("x", "y", "In"),
        utterance("y", "x", "a circle"),
        utterance("z", "z", "alone"),
    )
    with path.open("a") as file:
        file.write('{"id": "L9", "te')
    log = ReadingLog()
    assert [c.turns for c in read_convokit(path, log)] == [
        ["They do not!", "They do to!", "I hope so."]
    ]
    assert log.malformed == {str(path): 7}
    assert log.first_problem == f"{path}, line 4 has the id L3, which was there before"


def test_a_circle_alone_says_what_it_is(tmp_path: Path) -> None:
    path = write(
        tmp_path / "utterances.jsonl", utterance("x", "y", "In"), utterance("y", "x", "it")
    )
    log = ReadingLog()
    assert not list(read_convokit(path, log))
    assert log.first_problem == f"{path}, line 1 replies to one that replies to it"
