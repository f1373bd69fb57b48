"""The Cornell Movie-Dialogs Corpus, in small."""

import gzip
from pathlib import Path

import pytest

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.cornell import CONVERSATIONS_FILE, LINES_FILE, read_cornell
from bot.data.corpora.lines import ReadingLog

CAFE = "In a café, I\N{RIGHT SINGLE QUOTATION MARK}ll bet."
LINES = (
    b"L1045 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ They do not!\n"
    b"L1044 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++ They do to!\n"
    b"L985 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ In a caf\xe9, I\x92ll bet.\n"
    b"L984 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++ Na\xc3\xafve?\n"
    b"L925 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ \n"
    b"L924 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++\n"
    b"L9 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++ a +++$+++ b\n"
)


def write(folder: Path, conversations: bytes, lines: bytes = LINES) -> Path:
    (folder / LINES_FILE).write_bytes(lines)
    (folder / CONVERSATIONS_FILE).write_bytes(conversations)
    return folder


def between(ids: str) -> bytes:
    return f"u0 +++$+++ u2 +++$+++ m0 +++$+++ {ids}\n".encode()


def test_conversations_are_whole_and_in_the_order_of_their_list(tmp_path: Path) -> None:
    folder = write(tmp_path, between("['L1044', 'L1045', 'L984', 'L985']"))
    assert list(read_cornell(folder, ReadingLog())) == [
        Conversation(["They do to!", "They do not!", "Naïve?", CAFE])
    ]


def test_a_text_may_be_empty_or_hold_the_separator(tmp_path: Path) -> None:
    folder = write(tmp_path, between("['L924', 'L925', 'L9']"))
    log = ReadingLog()
    assert [c.turns for c in read_cornell(folder, log)] == [["", "", "a +++$+++ b"]]
    assert not log.malformed


def test_a_corpus_in_another_language_and_encoding_is_read(tmp_path: Path) -> None:
    text = "Они не умеют, и всё тут."
    lines = "".join(f"L{n} +++$+++ u0 +++$+++ m0 +++$+++ A +++$+++ {text}\n" for n in range(30))
    folder = write(tmp_path, between("['L1', 'L2']"), lines.encode("cp1251"))
    assert list(read_cornell(folder, ReadingLog())) == [Conversation([text, text])]
    assert list(read_cornell(folder, ReadingLog(), "windows-1251")) == [Conversation([text, text])]


def test_its_files_may_be_compressed(tmp_path: Path) -> None:
    folder = write(tmp_path, between("['L984', 'L985']"))
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert [c.turns for c in read_cornell(folder, ReadingLog())] == [["Naïve?", CAFE]]


@pytest.mark.parametrize("ids", ['["L984", "L985"]', "['L984' 'L985']", "[ 'L984','L985' ]"])
def test_other_ways_to_write_the_list_are_read(tmp_path: Path, ids: str) -> None:
    folder = write(tmp_path, between(ids))
    assert [c.turns for c in read_cornell(folder, ReadingLog())] == [["Naïve?", CAFE]]


def test_a_conversation_with_a_line_that_is_not_there_is_skipped(tmp_path: Path) -> None:
    folder = write(tmp_path, between("['L984', 'L77']") + between("['L984', 'L985']"))
    log = ReadingLog()
    assert len(list(read_cornell(folder, log))) == 1
    path = folder / CONVERSATIONS_FILE
    assert log.first_problem == f"{path}, line 1 names L77, which movie_lines.txt does not have"


def test_a_list_of_ids_is_never_evaluated(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f"[__import__('os').mkdir('{trap}')]"
    folder = write(
        tmp_path,
        between(evil)
        + between(f"['L984', {evil}]")
        + between("['L984' + 'L985']")
        + between("L984 L985")
        + between("['L984', 'L985']"),
    )
    log = ReadingLog()
    assert [c.turns for c in read_cornell(folder, log)] == [["Naïve?", CAFE]]
    assert log.malformed == {str(folder / CONVERSATIONS_FILE): 4}
    assert not trap.exists()


def test_malformed_lines_of_both_files_are_counted(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        b"u0 +++$+++ m0 +++$+++ ['L984', 'L985']\n" + between("['L984', 'L985']"),
        LINES + b"L1 +++$+++ cut\n",
    )
    log = ReadingLog()
    assert len(list(read_cornell(folder, log))) == 1
    assert log.malformed == {str(folder / LINES_FILE): 1, str(folder / CONVERSATIONS_FILE): 1}
