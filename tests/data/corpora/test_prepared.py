"""Prepared corpora."""

import json
from pathlib import Path

import pytest
from full_disk import room_for

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.prepared import SPLIT_FILES, PreparedCorpus, read_prepared
from bot.errors import DiskFullError, UsageError


def test_examples_are_read_back_in_their_split_with_only_the_last_turn_to_learn(
    tmp_path: Path,
) -> None:
    with PreparedCorpus(tmp_path / "out") as prepared:
        prepared.write("train", ("Hi.",), "Hello!\nYou.")
        prepared.write("test", ("Hi.", "Hello!", "Why?"), "Ça va. 你好 \ud83d\udc4d")
        prepared.finish({"examples": 2})
    assert list(read_prepared(tmp_path / "out", ReadingLog())) == [
        Conversation(["Hi.", "Hello!\nYou."], 1, "train"),
        Conversation(["Hi.", "Hello!", "Why?", "Ça va. 你好 👍"], 3, "test"),
    ]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {"examples": 2}


def test_files_have_their_names_only_when_all_are_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with PreparedCorpus(out) as prepared:
        prepared.write("train", ("Hi.",), "Hello!")
        assert not any((out / name).exists() for name in SPLIT_FILES)
        prepared.finish({})
    assert sorted(path.name for path in out.iterdir()) == sorted([*SPLIT_FILES, "summary.json"])


def test_a_preparation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), PreparedCorpus(tmp_path / "out") as prepared:
        prepared.write("no such split", ("Hi.",), "Hello!")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [*SPLIT_FILES, "summary.json"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=f"holds {name}"), PreparedCorpus(tmp_path):
        pytest.fail("the folder was taken")
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("examples", [10, 1000])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, examples: int) -> None:
    out = tmp_path / "out"

    def prepare() -> None:
        with room_for(100), PreparedCorpus(out) as prepared:
            # Ten examples wait in memory until the end; of a thousand some do.
            for _ in range(examples):
                prepared.write("train", ("Hi.",), "Hello!")
            prepared.finish({})

    with pytest.raises(DiskFullError, match=r"out/train\.jsonl cannot be .*; free space and try"):
        prepare()
    assert not out.exists()


def test_two_processes_do_not_prepare_in_one_folder(tmp_path: Path) -> None:
    with PreparedCorpus(tmp_path / "out") as first:
        with pytest.raises(UsageError, match="Another process"), PreparedCorpus(tmp_path / "out"):
            pytest.fail("two prepare there")
        first.write("train", ("Hi.",), "Hello!")
        first.finish({})
    assert len(list(read_prepared(tmp_path / "out", ReadingLog()))) == 1
