"""The lines of a corpus file."""

import gzip
import logging
from pathlib import Path

import pytest

from bot.data.corpora import lines
from bot.data.corpora.lines import ReadingLog, numbered_lines
from bot.errors import CorpusError


def test_lines_have_numbers_and_no_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\ntwo\xe2\x80\xa8words\nthree")
    assert list(numbered_lines(path, ReadingLog())) == [
        (1, "one"),
        (2, ""),
        (3, "two\u2028words"),
        (4, "three"),
    ]


@pytest.mark.parametrize(
    "content", [b"one\rtwo\r\rfour", b"one\rtwo\n\r\nfour\r", b"one\ntwo\r\n\nfour\n"]
)
def test_lines_end_as_on_any_system_and_in_any_mixture(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert list(numbered_lines(path, ReadingLog())) == [
        (1, "one"),
        (2, "two"),
        (3, ""),
        (4, "four"),
    ]


def test_a_line_that_is_no_text_is_skipped_and_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ncaf\xe9\nthree\nfo\0ur\n")
    log = ReadingLog()
    assert list(numbered_lines(path, log, "utf-8")) == [(1, "one"), (3, "three")]
    assert log.malformed == {str(path): 2}
    assert log.first_problem == f"{path}, line 2 is not UTF-8"


def test_a_guessed_encoding_is_told_once_and_utf8_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Привет, привет\n".encode("cp1251") * 20)
    assert [text for _, text in numbered_lines(path, ReadingLog())] == ["Привет, привет"] * 20
    assert caplog.messages == [
        f"{path} is read as cp1251 where it is not UTF-8; if that is wrong, give --encoding."
    ]
    caplog.clear()
    path.write_text("Привет, café, 你好\n", "utf-8")
    assert [text for _, text in numbered_lines(path, ReadingLog())] == ["Привет, café, 你好"]
    assert not caplog.messages


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "gbk", "big5", "cp037"])
def test_the_encoding_that_is_named_is_taken(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    text = "Hi there" if encoding == "cp037" else "你好"  # EBCDIC
    path.write_bytes(f"{text}\nB\n".encode(encoding))
    assert list(numbered_lines(path, ReadingLog(), encoding)) == [(1, text), (2, "B")]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [("gbk", b"A\n\xc4\nB\n"), ("utf-16-le", b"A\0\n\0\x00\xd8\n\0B\0\n\0")],
)
def test_a_line_that_is_not_in_the_named_encoding_is_malformed(
    tmp_path: Path, encoding: str, content: bytes
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    log = ReadingLog()
    assert list(numbered_lines(path, log, encoding)) == [(1, "A"), (3, "B")]
    assert log.first_problem == f"{path}, line 2 is not {encoding.upper()}"


def test_a_gzip_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    counts: list[int] = []
    read = list(numbered_lines(path, ReadingLog(counts.append)))
    assert read == [(1, "one"), (2, "two")]
    assert sum(counts) == path.stat().st_size, "the progress is that of the file itself"


def test_a_damaged_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    whole = gzip.compress(bytes(range(256)) * 999)
    for content in (whole[:-20], whole[:50] + b"\xff" * 50 + whole[100:], b"\x1f\x8bno"):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match="is a damaged gzip file"):
            list(numbered_lines(path, ReadingLog()))


def test_of_a_line_without_end_little_is_held_and_it_is_malformed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 100_000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"a" * 99_999 + b"\n" + b"b" * 9_999_999 + b"\nthree\n"))
    log = ReadingLog()
    assert [(n, len(text)) for n, text in numbered_lines(path, log)] == [(1, 99_999), (3, 5)]
    assert log.first_problem == f"{path}, line 2 has more than 100,000 characters"
    for piece in lines._whole_lines(iter(["c" * lines.PIECE] * 99)):
        assert len(piece) <= 100_000 + lines.PIECE


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 131_072])
def test_a_long_line_is_whole(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("é" * length + "\n" + "b" * length, "utf-8")
    assert list(numbered_lines(path, ReadingLog())) == [(1, "é" * length), (2, "b" * length)]


def test_every_byte_is_reported_as_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A line of text.\n" * 20_000)
    counts: list[int] = []
    for _ in numbered_lines(path, ReadingLog(counts.append)):
        pass
    assert sum(counts) == path.stat().st_size
    assert 3 < len(counts) < 100, "not each line is worth a step of the progress bar"


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        list(numbered_lines(tmp_path, ReadingLog()))


def test_the_first_malformed_line_of_a_file_is_shown_and_all_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = ReadingLog()
    log.skip("a.tsv", 7, "is odd")
    log.skip("a.tsv", 9, "is odd too")
    log.skip("b.tsv", 3, "is even")
    with caplog.at_level(logging.WARNING):
        log.finish()
    assert caplog.messages == [
        "a.tsv, line 7 is odd; malformed lines are skipped.",
        "b.tsv, line 3 is even; malformed lines are skipped.",
        "a.tsv: 2 malformed lines were skipped.",
        "b.tsv: 1 malformed line was skipped.",
    ]
