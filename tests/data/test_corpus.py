"""What a corpus is called, and who reads it."""

from pathlib import Path

import pytest

from bot.data.corpora.lines import ReadingLog
from bot.data.corpus import open_corpus
from bot.errors import CorpusError, UsageError

PAIR = ["Hi there", "Hello"]


@pytest.mark.parametrize(
    ("name", "content", "source", "delimiter"),
    [
        ("a.jsonl", '{"turns": ["Hi there", "Hello"]}', "{}", ""),
        ("a.tsv", "Hi there\tHello", "{}", ""),
        ("a.TSV", "Hi there;Hello", "{}", ";"),
        ("a.csv", 'Hi there,"Hello"', "{}", ""),
        ("a.csv", "Hi there;Hello", "{}", ";"),
        ("a.txt", "Hi there\nHello", "{}", ""),
        ("a.txt", "Hi there|||Hello|||licence", "{}", "|||"),
        ("a.dat", "Hi there\tHello\tlicence", "{}", "\t"),
        ("a.dat", "Hi there\tHello\tlicence", "pairs:{}", ""),
        ("a.dat", "Hi there\tHello", "tsv:{}", ""),
        ("a.dat", "Hi there,Hello", "csv:{}", ""),
        ("a.dat", "Hi there\nHello", "lines:{}", ""),
        ("a.dat", '{"turns": ["Hi there", "Hello"]}', "jsonl:{}", ""),
        ("lines:a.dat", "Hi there\nHello", "lines:{}", ""),
    ],
)
def test_the_suffix_or_the_prefix_says_the_format(
    tmp_path: Path, name: str, content: str, source: str, delimiter: str
) -> None:
    path = tmp_path / name
    path.write_text(content + "\n")
    corpus = open_corpus(source.format(path), delimiter)
    assert [c.turns for c in corpus.conversations(ReadingLog())] == [PAIR]
    assert corpus.size_bytes == path.stat().st_size
    assert not corpus.prepared


def test_cornell_is_its_folder_or_either_of_its_files(tmp_path: Path) -> None:
    separator = " +++$+++ "
    lines = [["L1", "u0", "m0", "A", "Hi there"], ["L2", "u1", "m0", "B", "Hello"]]
    (tmp_path / "movie_lines.txt").write_text("".join(separator.join(x) + "\n" for x in lines))
    (tmp_path / "movie_conversations.txt").write_text(
        separator.join(["u0", "u1", "m0", "['L1', 'L2']"]) + "\n"
    )
    for source in (
        str(tmp_path),
        f"cornell:{tmp_path}",
        str(tmp_path / "movie_lines.txt"),
        str(tmp_path / "movie_conversations.txt"),
    ):
        assert [c.turns for c in open_corpus(source).conversations(ReadingLog())] == [PAIR]
    (tmp_path / "movie_lines.txt").unlink()
    with pytest.raises(CorpusError, match=r"has no movie_lines\.txt"):
        open_corpus(str(tmp_path))


@pytest.mark.parametrize("source", ["movies.docx", "mine", "xml:a.dat", "tsv:", "", "."])
def test_an_unknown_kind_of_corpus_is_a_usage_error(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is not known"):
        open_corpus(source)


def test_csv_has_a_delimiter_of_one_character(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a||b\n")
    with pytest.raises(UsageError, match="one character"):
        open_corpus(str(tmp_path / "a.csv"), "||")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "does not exist"),
        (b"", "has no line that can be used"),
        (b"no tab\nno tab\n", "line 1 has no prompt and reply"),
        (b"\xff\xfeH\0i\0\t\0H\0o\0\n\0", "line 1 holds a null byte"),
        (b"caf\xe9\tb\n", "line 1 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_at_all_is_an_error(
    tmp_path: Path, content: bytes | None, match: str
) -> None:
    path = tmp_path / "a.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=match):
        list(open_corpus(str(path)).conversations(ReadingLog()))


def test_a_folder_instead_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(CorpusError, match="not a file"):
        open_corpus(f"tsv:{tmp_path / 'a.tsv'}")


def test_a_preparation_that_was_cut_short_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"turns": ["a", "b"]}\n')
    with pytest.raises(CorpusError, match="cut short"):
        open_corpus(str(tmp_path))
