"""Corpora that come as Python packages."""

import json
import sys
from importlib import resources
from pathlib import Path

import pytest

from bot.data.corpora import packages
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


@pytest.mark.parametrize("package", ["chitchat_dataset", "chatterbot_corpus", "yaml"])
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


def test_yaml_is_text_whatever_it_looks_like_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "english"
    folder.mkdir(parents=True)
    trap = tmp_path / "trap"
    (folder / "a.yml").write_text(
        "categories:\n- x\nconversations:\n"
        "- - Yes\n  - 42\n"
        "- only one\n"
        f"- - hi\n  - !!python/object/apply:os.mkdir ['{trap}']\n"
        "- - last\n  - one\n"
    )
    (folder / "b.yml").write_text("conversations:\n- - [unclosed\n")
    monkeypatch.setattr(packages, "_package", lambda name: tmp_path)
    log = ReadingLog()
    assert [c.turns for c in read_chatterbot("english", log)] == [["Yes", "42"], ["last", "one"]]
    assert log.malformed == {str(folder / "a.yml"): 2, str(folder / "b.yml"): 1}
    assert log.first_problem.startswith(f"{folder / 'a.yml'}, line 6 ")
    assert not trap.exists()
