"""Files of pairs that are written."""

from pathlib import Path

import pytest

from bot.data.corpora.pair_file import PairFile
from bot.errors import DiskFullError, UsageError


def test_each_example_is_a_line_of_its_newest_turn_and_its_reply(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pairs.tsv"
    with PairFile(path) as pairs:
        pairs.write("train", ("Before.", "How are\tyou?\nWell?"), "Ça va. 你好 \ud83d\udc4d")
        pairs.write("test", ("Hi.",), "Hello!")
        assert not path.exists()
        pairs.finish({})
    assert path.read_text("utf-8") == "How are you? Well?\tÇa va. 你好 👍\nHi.\tHello!\n"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(IndexError), PairFile(tmp_path / "new" / "pairs.tsv") as pairs:
        pairs.write("train", (), "A reply to nothing.")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("count", [1, 10_000])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, count: int) -> None:
    path = tmp_path / "pairs.tsv"
    (tmp_path / ".pairs.tsv.new").symlink_to("/dev/full")

    def fill() -> None:
        with PairFile(path) as pairs:
            for _ in range(count):
                pairs.write("train", ("How are you?",), "Fine.")
            pairs.finish({})

    with pytest.raises(DiskFullError, match="No space left") as error:
        fill()
    assert str(error.value).startswith(f"{path} cannot be written")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"), PairFile(path):
        pass
    assert path.read_text() == "mine"
