"""Corpora that come as Python packages."""

import json
import sys
from importlib import resources

import pytest

from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import (
    read_chatterbot,
    read_chitchat,
    read_smalltalk,
    reserved_for_evaluation,
)
from bot.errors import CorpusError, UsageError


def test_our_small_talk_is_clean() -> None:
    conversations = list(read_smalltalk(ReadingLog()))
    assert len(conversations) > 10_000
    for conversation in conversations:
        turns = conversation.turns
        assert 2 <= len(turns) <= 4
        assert conversation.first_reply == len(turns) - 1
        assert all(turn.strip() == turn != "" for turn in turns)
        assert turns[-1][-1] in ".!?"


@pytest.mark.parametrize("package", ["chitchat_dataset", "chatterbot_corpus"])
def test_a_corpus_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CorpusError, match="pip install ch"):
        list(
            read_chitchat()
            if package == "chitchat_dataset"
            else read_chatterbot("english", ReadingLog())
        )


def test_chitchat_leaves_out_what_is_reserved() -> None:
    file = resources.files("chitchat_dataset").joinpath("dataset.json")
    dataset = json.loads(file.read_text("utf-8"))
    reserved = [i for i in dataset if reserved_for_evaluation(i)]
    assert 0.01 < len(reserved) / len(dataset) < 0.03
    assert len(list(read_chitchat())) == len(dataset) - len(reserved)


def test_chatterbot_speaks_several_languages() -> None:
    english = [c.turns for c in read_chatterbot("english", ReadingLog())]
    assert len(english) > 1000
    assert ["Hello", "Hi"] in english
    assert ["你好", "嗨"] in [c.turns for c in read_chatterbot("chinese", ReadingLog())]


def test_a_language_that_chatterbot_does_not_have_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"klingon.*english"):
        list(read_chatterbot("klingon", ReadingLog()))
