"""YAML as the ChatterBot corpus is written."""

import sys
from pathlib import Path

import pytest

from bot.data.corpora import chatterbot
from bot.data.corpora.chatterbot import read_yaml
from bot.data.corpora.lines import ReadingLog
from bot.errors import CorpusError, MissingPackageError


def test_yaml_is_text_whatever_it_looks_like_and_runs_nothing(tmp_path: Path) -> None:
    path, trap = tmp_path / "a.yml", tmp_path / "trap"
    path.write_text(
        "categories:\n- x\nconversations:\n"
        "- - Yes\n  - 42\n"
        "- only one\n"
        f"- - hi\n  - !!python/object/apply:os.mkdir ['{trap}']\n"
        "- - last\n  - one\n  - more\n"
    )
    log = ReadingLog()
    assert [c.turns for c in read_yaml(path, log)] == [["Yes", "42"], ["last", "one", "more"]]
    assert log.malformed == {str(path): 2}
    assert log.first_problem == f"{path}, line 6 is not a list of a prompt and its reply"
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("conversations:\n- - [unclosed\n", 2),
        ("conversations: hi\n", 1),
        ("conversations:\n- - " + "[" * 600, 1),
        ("conversations:\n- - a\n  - b\x07\n", 1),
        ("a: *b\n", 1),
    ],
)
def test_what_is_no_such_yaml_is_malformed(tmp_path: Path, content: str, number: int) -> None:
    path = tmp_path / "a.yml"
    path.write_text(content)
    log = ReadingLog()
    assert not list(read_yaml(path, log))
    assert log.first_problem.startswith(f"{path}, line {number} is not ")


def test_a_file_that_would_fill_the_memory_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chatterbot, "MAX_CHARACTERS", 1000)
    path = tmp_path / "a.yml"
    path.write_text("conversations:\n" + "- - a\n  - b\n" * 999)
    with pytest.raises(CorpusError, match="more than 1,000 characters"):
        list(read_yaml(path, ReadingLog()))


def test_without_pyyaml_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "a.yml"
    path.write_text("conversations:\n- - a\n  - b\n")
    with pytest.raises(MissingPackageError, match="pip install pyyaml"):
        list(read_yaml(path, ReadingLog()))
