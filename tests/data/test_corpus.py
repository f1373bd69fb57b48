"""What a corpus is called, and who reads it."""

import gzip
import re
from pathlib import Path

import pytest

from bot.data.corpora.lines import ReadingLog
from bot.data.corpus import NAMES, open_corpus
from bot.data.formats import FORMATS, format_of
from bot.errors import CorpusError, UsageError

PAIR = ["Hi there", "Hello"]
GUIDE = Path(__file__).parents[2] / "docs" / "train.md"


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


def documented() -> list[tuple[str, str]]:
    """The names and the contents of the files in the guide's table of corpora."""
    rows = re.findall(
        r"^\| `(F\w+[./][^`]*)`[^|]*\| (`.*?`) \|", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    return [
        (name, "\n".join(re.findall(r"`(.*?)`", example)).replace("<TAB>", "\t") + "\n")
        for name, example in rows
    ]


@pytest.mark.parametrize(("name", "content"), documented())
@pytest.mark.parametrize("compressed", [False, True])
def test_each_example_of_the_guide_is_read(
    tmp_path: Path, name: str, content: str, compressed: bool
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if compressed:
        path = path.with_name(f"{path.name}.gz")
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content)
    folder = [path.parent] if path.parent != tmp_path else []
    for source in (path, *folder):
        corpus = open_corpus(str(source))
        assert [c.turns for c in corpus.conversations(ReadingLog())] == [["Hi!", "Hello."]]
        assert corpus.size_bytes == path.stat().st_size


def test_the_guide_has_an_example_of_each_format_and_names_it() -> None:
    found = {format_of(Path(name), text=content) for name, content in documented()}
    assert found == {format_.name for format_ in FORMATS}
    guide = GUIDE.read_text("utf-8")
    assert all(f"`{name}:`" in guide for name in NAMES)


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("formatted_movie_lines.txt", "Hi\tHello\n" * 9, "pairs"),
        ("a.txt", "Hi\tHello\n" + "Hi\nHello\n" * 9, "lines"),
        ("dialogues", "Hi __eou__ Hello __eou__\n", "eou"),
        ("a.txt", "1 Hi\n2 Hello\n3 Bye\n1 Hi\n2 Hello\n", "numbered"),
        ("a.tsv", "1 Hi\tHello\n2 Bye\tBye\n1 Hi\tHello\n", "numbered"),
        ("a.tsv", "1 apple\t2 apples\n5 pears\t6 pears\n", "tsv"),
        ("a.txt", "1 apple\n2 apples\n4 apples\n8 apples\n", "lines"),
        ("a.txt", "7\n8\n", "lines"),
        ("a.txt", '{"turns": ["Hi", "Hello"]}\n', "jsonl"),
        ("a.txt", "[Music]\nWhat?\n", "lines"),
        ("a.JSONL.GZ", "", "jsonl"),
        ("a.json", '[{"id": "L1", "reply_to": null, "text": "Hi"}]', "convokit"),
        ("a.json", '[{"id": "L1", "text": "Hi", "reply": "Hello"}]', "jsonl"),
        ("a.txt", "", "lines"),
        ("a", "Hi\nHello\n", ""),
        ("a.tar.gz", "", ""),
    ],
)
def test_a_format_is_known_by_its_look_where_the_suffix_leaves_it_open(
    name: str, content: str, format_: str
) -> None:
    assert format_of(Path(name), text=content) == format_


def test_a_named_encoding_is_taken_for_files_and_checked_for_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("你好\t你好吗\n".encode("big5", "ignore"))
    corpus = open_corpus(str(path), encoding="big5")
    assert [c.turns for c in corpus.conversations(ReadingLog())] == [["你好", "你好"]]
    with pytest.raises(UsageError, match="--encoding"):
        open_corpus("smalltalk", encoding="klingon")


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
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n", "line 1 is not UTF-8"),
        (b"H\0i\0\0\0\n", "line 1 holds a null byte"),
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
