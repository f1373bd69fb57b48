"""Files of prompts and replies."""

import csv
from pathlib import Path

import pytest

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.pairs import read_adjacent_lines, read_columns
from bot.errors import CorpusError


@pytest.fixture
def log() -> ReadingLog:
    return ReadingLog()


def test_the_columns_of_a_line_are_turns_and_the_last_is_the_reply(
    tmp_path: Path, log: ReadingLog
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(
        "Hi\tHello\nÇa va ?\tTrès bien.\r\n\nI like rain.\tWhy?\tIt is so calm.\n", "utf-8"
    )
    assert list(read_columns(path, log, "\t")) == [
        Conversation(["Hi", "Hello"]),
        Conversation(["Ça va ?", "Très bien."]),
        Conversation(["I like rain.", "Why?", "It is so calm."], first_reply=2),
    ]


@pytest.mark.parametrize("delimiter", ["|", " ||| ", "=>", ","])
def test_any_delimiter_separates_columns(tmp_path: Path, log: ReadingLog, delimiter: str) -> None:
    path = tmp_path / "a.dat"
    path.write_text(f"How are you?{delimiter}Fine.\n")
    assert list(read_columns(path, log, delimiter)) == [Conversation(["How are you?", "Fine."])]


def test_translation_pairs_have_a_licence_column_that_is_ignored(
    tmp_path: Path, log: ReadingLog
) -> None:
    path = tmp_path / "fra.txt"
    path.write_text("Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org #2877272\n")
    assert list(read_columns(path, log, "\t", pairs_only=True)) == [Conversation(["Go.", "Va !"])]


def test_csv_columns_may_be_quoted(tmp_path: Path, log: ReadingLog) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"Hi, you","She said ""hello""."\nOne,Two\n"open,quote\n"a"b,c\n')
    assert list(read_columns(path, log, ",", quoted=True)) == [
        Conversation(["Hi, you", 'She said "hello".']),
        Conversation(["One", "Two"]),
    ]
    assert log.malformed == {str(path): 2}
    assert "line 3 is not CSV" in log.first_problem


def test_a_quoted_cell_of_a_csv_may_have_several_lines(tmp_path: Path, log: ReadingLog) -> None:
    path = tmp_path / "a.csv"
    rows = [["What\nis it?", "It."], ["Hi", "a,\n\nb"], ["One", "Two"]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert [c.turns for c in read_columns(path, log, ",", quoted=True)] == rows
    assert not log.malformed


@pytest.mark.parametrize("after", [1, 5000])
def test_a_quote_that_is_never_closed_costs_its_line_only(
    tmp_path: Path, log: ReadingLog, after: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\nlost,"open\n' + "c,d\n" * after + '"e","f"\n')
    rows = [["a", "b"], *[["c", "d"]] * after, ["e", "f"]]
    assert [c.turns for c in read_columns(path, log, ",", quoted=True)] == rows
    assert log.malformed == {str(path): 1}
    assert log.first_problem.startswith(f"{path}, line 2 is not CSV")


def test_a_cell_does_not_go_on_after_a_line_that_was_skipped(
    tmp_path: Path, log: ReadingLog
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'"What\n\0\nis it?",It.\nHi,Hello\n')
    turns = [c.turns for c in read_columns(path, log, ",", quoted=True)]
    assert turns[-1] == ["Hi", "Hello"]
    assert log.malformed[str(path)] == 2


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("question;answer\nHi, you;Hello, hm\nHi;Hello\n", ";"),
        ("Hi, you;Hello, hm\nHi;Hello\n", ";"),
        ('id;prompt;reply\n1;"Hi, you";"Hello, hm"\n2;Hi;Hello\n', ";"),
        ("Hi, you\tHello, hm\nHi\tHello\n", "\t"),
        ('"Hi, you","Hello, hm"\nHi,Hello\n', ","),
        ('"Hi, you","Hello, hm"\n"Hi",Hello\na;b,c;d\n', ","),
    ],
)
def test_the_delimiter_of_a_csv_is_the_one_that_fits_its_first_lines(
    tmp_path: Path, content: str, delimiter: str, log: ReadingLog, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    turns = [c.turns for c in read_columns(path, log, "", quoted=True)]
    assert turns[:2] == [["Hi, you", "Hello, hm"], ["Hi", "Hello"]]
    assert any("--delimiter" in message for message in caplog.messages) == (delimiter != ",")


def test_what_the_tutorial_wrote_with_csv_writer_is_unquoted(
    tmp_path: Path, log: ReadingLog
) -> None:
    path = tmp_path / "formatted_movie_lines.txt"
    rows = [["Hi there", 'She said "no".'], ['"Well."', "So?"], ['2" pipe', 'a""b']]
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)
        file.write('"As it is"\tsaid\n')
    assert [c.turns for c in read_columns(path, log, "\t")] == [*rows, ['"As it is"', "said"]]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("prompt,reply", "Hi,Hello"),
        ("id,Question , ANSWER,source_id", "7,Hi,Hello,x"),
        ("output,input", "Hello,Hi"),
        ("text,response,text", "Hi,Hello"),
        ("instruction,input,output", "Hi,,Hello"),
    ],
)
def test_a_header_says_where_prompt_and_reply_are(
    tmp_path: Path,
    log: ReadingLog,
    header: str,
    row: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"\n{header}\n{row}\nshort\n{row}\n")
    assert [c.turns for c in read_columns(path, log, ",", quoted=True)] == [["Hi", "Hello"]] * 2
    assert "line 2 is a header: prompts are in the column" in caplog.messages[0]
    assert log.malformed == {str(path): 1}


@pytest.mark.parametrize(
    ("header", "row"),
    [("\tquestion\tanswer", "0\tHi\tHello"), ("question\tanswer\t", "Hi\tHello\tmore")],
)
def test_a_column_without_a_name_is_ignored(
    tmp_path: Path, log: ReadingLog, header: str, row: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{header}\n{row}\n")
    assert [c.turns for c in read_columns(path, log, "\t")] == [["Hi", "Hello"]]
    path.write_text(f"{header}\n{row}\n".replace("\t", ","))
    assert [c.turns for c in read_columns(path, log, ",", quoted=True)] == [["Hi", "Hello"]]


@pytest.mark.parametrize(
    "header",
    ["id,utterance,speaker", "Tweet,Label", ",author,line", "tweet_id,in_response_to", "id,reply"],
)
def test_a_header_without_prompts_and_replies_is_an_error(
    tmp_path: Path, log: ReadingLog, header: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n" + ",".join(["Hi"] * (header.count(",") + 1)) + "\n")
    with pytest.raises(CorpusError, match=r"line 1 is a header .*rename two of them") as error:
        list(read_columns(path, log, ",", quoted=True))
    assert all(repr(name) in str(error.value) for name in header.split(",") if name)


def test_what_may_be_a_header_is_read_with_a_warning(
    tmp_path: Path, log: ReadingLog, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("speaker\tloudspeaker\nc\td\n")
    turns = [c.turns for c in read_columns(path, log, "\t")]
    assert turns == [["speaker", "loudspeaker"], ["c", "d"]]
    assert "line 1 may be a header" in caplog.messages[0]


def test_an_instruction_of_a_header_comes_with_its_input(tmp_path: Path, log: ReadingLog) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("instruction\tinput\toutput\nGreet.\tAnn\tHi Ann\n")
    assert [c.turns for c in read_columns(path, log, "\t")] == [["Greet.\nAnn", "Hi Ann"]]


@pytest.mark.parametrize("first", ["Hi\tHello", "The question\tThe answer", "a\tb", "reply\thm"])
def test_a_first_pair_is_no_header(tmp_path: Path, log: ReadingLog, first: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{first}\nc\td\n")
    assert [c.turns for c in read_columns(path, log, "\t")] == [first.split("\t"), ["c", "d"]]


@pytest.mark.parametrize("first", ["Hi\tHello", "Who?\tThe author", "author of it\tid est"])
def test_a_first_pair_gives_no_warning_of_a_header(
    tmp_path: Path, log: ReadingLog, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{first}\nc\td\n")
    assert [c.turns for c in read_columns(path, log, "\t")] == [first.split("\t"), ["c", "d"]]
    assert not caplog.messages


def test_a_line_of_one_column_is_malformed(tmp_path: Path, log: ReadingLog) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\nno tab\nc\td\n")
    assert [c.turns for c in read_columns(path, log, "\t")] == [["a", "b"], ["c", "d"]]
    assert log.first_problem == f"{path}, line 2 has no prompt and reply with a tab between them"


def test_each_second_line_is_the_reply_to_the_line_before_it(
    tmp_path: Path, log: ReadingLog
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hi\nhello\nhow are you\nfine\nbye\n")
    assert list(read_adjacent_lines(path, log)) == [
        Conversation(["hi", "hello"]),
        Conversation(["how are you", "fine"]),
    ]
    assert log.first_problem == f"{path}, line 5 has no line after it to be its reply"


def test_a_malformed_line_does_not_shift_those_after_it(tmp_path: Path, log: ReadingLog) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(
        b"hi\ncaf\xe9\nna\xefve\nlost\nhow are you\nfine\nx\ty\nlost\nwhy\nbecause\n\n"
    )
    assert [c.turns for c in read_adjacent_lines(path, log, "utf-8")] == [
        ["how are you", "fine"],
        ["why", "because"],
    ]
    assert log.malformed == {str(path): 3}
