"""JSON Lines."""

from pathlib import Path

import pytest

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.json_lines import read_json_lines
from bot.data.corpora.lines import ReadingLog


def test_a_line_is_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"turns": ["Hi", "Hello", "Bye"], "topic": "x"}\n\n'
        '{"turns": ["a", "b", "c"], "first_reply": 2}\n'
    )
    assert list(read_json_lines(path, ReadingLog())) == [
        Conversation(["Hi", "Hello", "Bye"]),
        Conversation(["a", "b", "c"], first_reply=2),
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("{", '{"turn": []}', "[]", "7", "null", '{"turns": ["a", 1]}', '{"turns": "ab"}'),
        *('{"turns": ["a", "b"], "first_reply": "1"}', '{"turns": ["a", "b"], "first_reply": 0}'),
        *('{"turns": ["a", "b"], "first_reply": true}', "[" * 100_000),
        *('{"turns": []}', '{"turns": ["a"]}', '{"turns": ["a", "b"], "first_reply": 2}'),
    ],
)
def test_a_line_that_is_something_else_is_malformed(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"turns": ["a", "b"]}\n' + line + "\n")
    log = ReadingLog()
    assert list(read_json_lines(path, log)) == [Conversation(["a", "b"])]
    assert log.first_problem.startswith(f"{path}, line 2 ")
