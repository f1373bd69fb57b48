"""Reading corpora."""

import json
import sys
from importlib import resources
from pathlib import Path

import pytest

from bot.errors import CorpusError, UsageError
from bot.training.corpus import Conversation, read_conversations, reserved_for_evaluation


def test_json_lines_are_conversations(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"turns": ["Hi", "Hello", "Bye"], "topic": "x"}\n{"turns": []}\n')
    assert [c.turns for c in read_conversations(str(path))] == [["Hi", "Hello", "Bye"], []]


def test_tab_separated_lines_are_pairs(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Hi\tHello\nÇa va ?\tTrès bien.\n", "utf-8")
    assert list(read_conversations(str(path))) == [
        Conversation(["Hi", "Hello"]),
        Conversation(["Ça va ?", "Très bien."]),
    ]


def test_only_the_last_column_is_a_reply_to_learn(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("I like rain.\tWhy?\tIt is so calm.\n")
    assert list(read_conversations(str(path))) == [
        Conversation(["I like rain.", "Why?", "It is so calm."], first_reply=2)
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [("a.jsonl", "{"), ("a.jsonl", '{"turn": []}'), ("a.jsonl", "[]"), ("a.tsv", "no tab")],
)
def test_a_malformed_line_is_named(tmp_path: Path, name: str, line: str) -> None:
    good = '{"turns": ["a", "b"]}' if name.endswith("jsonl") else "a\tb"
    (tmp_path / name).write_text(f"{good}\n{line}\n")
    with pytest.raises(CorpusError, match=f"{name}, line 2"):
        list(read_conversations(str(tmp_path / name)))


def test_turns_must_be_strings(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"turns": ["a", 1]}\n')
    with pytest.raises(CorpusError, match="line 1"):
        list(read_conversations(str(path)))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\n"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_conversations(str(path)))


def test_an_unknown_kind_of_corpus_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"movies\.docx"):
        read_conversations("movies.docx")


def test_our_small_talk_is_clean() -> None:
    pairs = list(read_conversations("smalltalk"))
    assert len(pairs) > 1000
    for conversation in pairs:
        prompt, reply = conversation.turns
        assert prompt.strip() == prompt != ""
        assert reply.strip() == reply
        assert reply[-1] in ".!?"


def test_chitchat_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "chitchat_dataset", None)
    with pytest.raises(CorpusError, match="pip install chitchat-dataset"):
        list(read_conversations("chitchat-dataset"))


def test_chitchat_leaves_out_what_is_reserved() -> None:
    file = resources.files("chitchat_dataset").joinpath("dataset.json")
    dataset = json.loads(file.read_text("utf-8"))
    reserved = [i for i in dataset if reserved_for_evaluation(i)]
    assert 0.01 < len(reserved) / len(dataset) < 0.03
    assert len(list(read_conversations("chitchat-dataset"))) == len(dataset) - len(reserved)
