"""Text files of whole dialogues."""

from pathlib import Path

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.dialogues import read_eou, read_numbered
from bot.data.corpora.lines import ReadingLog


def test_a_line_of_dailydialog_is_a_dialogue_whose_every_turn_is_a_reply(tmp_path: Path) -> None:
    path = tmp_path / "dialogues_text.txt"
    path.write_text(
        "Say , Jim , how about a beer ? __eou__ You know that is tempting . __eou__ Why ? __eou__\n"
        "alone __eou__\n"
        "\n"
        "Hi __eou__ Hello\n"
    )
    log = ReadingLog()
    assert list(read_eou(path, log)) == [
        Conversation(["Say , Jim , how about a beer ?", "You know that is tempting .", "Why ?"]),
        Conversation(["Hi", "Hello"]),
    ]
    assert log.malformed == {str(path): 1}
    assert log.first_problem == f"{path}, line 2 has no two turns with __eou__ after each"


def test_the_numbers_and_personas_of_personachat_are_no_part_of_its_turns(tmp_path: Path) -> None:
    path = tmp_path / "train_self_original.txt"
    turns = [f"turn {n}" for n in range(24)]
    path.write_text(
        "1 your persona: i like to remodel homes.\n"
        "2 partner's persona: i like rain.\n"
        + "".join(f"{n + 3} {turns[2 * n]}\t{turns[2 * n + 1]}\t\ta|b|c\n" for n in range(12))
        + "1 your persona: i am an artist.\n"
        "2 __SILENCE__\thello\t\ta|b\n"
        "3 10 years ?\tyes\n"
    )
    log = ReadingLog()
    assert list(read_numbered(path, log)) == [
        Conversation(turns),
        Conversation(["hello", "10 years ?", "yes"]),
    ]
    assert not log.malformed


def test_numbered_lines_without_tabs_are_turns_until_the_numbers_begin_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1 hello\n2 hi\n3 bye\n1 alone\n1 hello\nno number\n2 hey\n")
    log = ReadingLog()
    assert [c.turns for c in read_numbered(path, log)] == [["hello", "hi", "bye"], ["hello", "hey"]]
    assert log.malformed == {str(path): 2}
    assert log.first_problem == f"{path}, line 4 begins a dialogue of one turn"
