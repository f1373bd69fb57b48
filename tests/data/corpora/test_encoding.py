"""Which encoding a file is in."""

from functools import cache
from pathlib import Path

import pytest

from bot.data.corpora.encoding import Encoding, detect, named
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import read_chatterbot
from bot.data.corpora.text_file import first_text
from bot.errors import UsageError


@cache
def lines_of(language: str) -> list[str]:
    conversations = read_chatterbot(language, ReadingLog())
    turns = [turn.replace("\n", " ") for conversation in conversations for turn in conversation[0]]
    return turns[:200]


@pytest.mark.parametrize(
    ("language", "codec"),
    [
        ("english", "cp1252"),
        ("french", "cp1252"),
        ("german", "cp1252"),
        ("turkish", "cp1254"),
        ("russian", "cp1251"),
        ("russian", "koi8-r"),
        ("ukrainian", "cp1251"),
        ("chinese", "gb18030"),
        ("traditionalchinese", "big5"),
        ("japanese", "cp932"),
        ("korean", "cp949"),
        ("thai", "cp874"),
        ("chinese", "utf-16"),
        ("chinese", "utf-16-le"),
        ("english", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("count", [20, 200])
def test_text_that_is_not_utf8_is_decoded_as_it_was_written(
    language: str, codec: str, count: int
) -> None:
    # What the codec has no character for is not in the file either.
    text = "".join(f"{line}\n" for line in lines_of(language)[:count])
    content = text.encode(codec, "ignore")
    found = detect([content])
    assert content.decode(found.fallback or found.name).lstrip("\ufeff") == content.decode(codec)


def test_utf8_is_utf8_wherever_its_blocks_end() -> None:
    content = "Привет, 你好, naïve café\n".encode() * 3
    for size in (1, 2, 3, 5, 7, 1000):
        blocks = [content[at : at + size] for at in range(0, len(content), size)]
        assert detect(blocks) == Encoding()
    assert detect([]) == Encoding()


def test_what_comes_late_in_a_file_is_seen() -> None:
    blocks = [b"All of this is ASCII.\n" * 3000] * 5 + ["Привет, как дела?\n".encode("cp1251") * 20]
    assert detect(blocks).fallback == "cp1251"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"I\x92ll go \x96 now.", "I’ll go \N{EN DASH} now."),  # noqa: RUF001 (as films write it)
        (b"In a caf\xe9.", "In a café."),
        (b"Na\xc3\xafve?", "Naïve?"),
        (b"un\x81defined", "undefined"),
    ],
)
def test_some_lines_may_be_windows_1252_and_others_utf8(line: bytes, text: str) -> None:
    found = detect([b"I\x92ll be there\nNa\xc3\xafve?\n", line])
    assert str(found) == "cp1252 where it is not UTF-8"
    assert found.guessed
    assert found.decoded(line.decode("utf-8", "surrogateescape")) == text


@pytest.mark.parametrize(
    "others",
    [b"", "Naïve?\n".encode() * 20, b"In a caf\xe9.\n"],
)
def test_one_line_may_be_of_both_utf8_and_windows_1252(others: bytes) -> None:
    line = "It\u2019s a caf\udce9 \u2013 na\udcefve".encode("utf-8", "surrogateescape")
    found = detect([others, b"All of this is ASCII.\n", line])
    assert str(found) == "cp1252 where it is not UTF-8"
    assert found.decoded(line.decode("utf-8", "surrogateescape")) == "It\u2019s a café \u2013 naïve"


def test_what_is_utf8_by_accident_is_windows_1252_where_the_file_is() -> None:
    text = "“Até amanhã”, disse ele.\nÀs três não há ninguém.\n" * 20 + "“ATÉ AMANHÃ”\n"
    found = detect([text.encode("cp1252")])
    for line in text.splitlines():
        assert found.decoded(line.encode("cp1252").decode("utf-8", "surrogateescape")) == line


def test_a_broken_line_does_not_make_chinese_utf8_another_encoding() -> None:
    content = "你好 很高兴认识你\n".encode() * 50
    found = detect([content, content[:-3], b"\n", content])
    assert found == Encoding()
    assert found.decoded(content[:8].decode("utf-8", "surrogateescape")) is None


def test_the_first_text_of_a_long_file_ends_before_what_is_cut_in_two(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("你好 很高兴认识你\n" * 9_000, "utf-8")
    assert set(first_text(path).split("\n")) == {"你好 很高兴认识你", "你好 "}
    path.write_bytes(b"In a caf\xe9")
    assert first_text(path) == "In a café"


@pytest.mark.parametrize("content", [bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_text_is_no_encoding_but_utf8(content: bytes) -> None:
    assert detect([content]) == Encoding()


def test_an_encoding_has_any_name_that_python_knows_for_text() -> None:
    assert named("Windows-1251").name == "cp1251"
    assert named("GBK").name == "gbk"
    assert named("utf8") == named("utf-8-sig") == Encoding()
    for name in ("klingon", "hex", "", "undefined", "a\0b"):
        with pytest.raises(UsageError, match=r"--encoding .* is not known"):
            named(name)
