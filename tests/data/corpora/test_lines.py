"""The lines of a corpus file."""

import logging
from pathlib import Path

import pytest

from bot.data.corpora.lines import ReadingLog, decode_utf8_or_latin1, numbered_lines
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


def test_a_line_that_is_not_utf8_is_skipped_and_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ncaf\xe9\nthree\nfo\0ur\n")
    log = ReadingLog()
    assert list(numbered_lines(path, log)) == [(1, "one"), (3, "three")]
    assert log.malformed == {str(path): 2}
    assert log.first_problem == f"{path}, line 2 is not UTF-8"


def test_a_file_may_be_latin1_in_some_lines_and_utf8_in_others(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9\ncaf\xc3\xa9\n")
    lines = numbered_lines(path, ReadingLog(), decode_utf8_or_latin1)
    assert [text for _, text in lines] == ["café", "café"]


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
