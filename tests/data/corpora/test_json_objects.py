"""JSON: a conversation an object."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from bot.data.corpora.conversation import Conversation
from bot.data.corpora.json_objects import read_json
from bot.data.corpora.lines import ReadingLog


def test_a_line_is_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"turns": ["Hi", "Hello", "Bye"], "topic": "x"}\n\n'
        '{"turns": ["a", "b", "c"], "first_reply": 2}\n'
    )
    assert list(read_json(path, ReadingLog())) == [
        Conversation(["Hi", "Hello", "Bye"]),
        Conversation(["a", "b", "c"], first_reply=2),
    ]


def said(*messages: tuple[str, str | None]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


@pytest.mark.parametrize(
    ("value", "conversation"),
    [
        (
            said(("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")),
            Conversation(["Hi", "Hello", "Bye"], both_reply=False),
        ),
        (
            said(("assistant", "Welcome"), ("user", "Hi"), ("assistant", "Hello")),
            Conversation(["Welcome", "Hi", "Hello"], 2, both_reply=False),
        ),
        (
            said(("user", "Hi"), ("user", "you"), ("assistant", "a"), ("assistant", "b")),
            Conversation(["Hi\nyou", "a\nb"], both_reply=False),
        ),
        (
            said(("user", "Time?"), ("assistant", None), ("tool", "12"), ("assistant", "Noon.")),
            Conversation(["Time?", "Noon."], both_reply=False),
        ),
        (
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]},
            Conversation(["Hi", "Yo"], both_reply=False),
        ),
        ({"instruction": "Greet.", "output": "Hi"}, Conversation(["Greet.", "Hi"])),
        (
            {"instruction": "Greet.", "input": "Ann", "output": "Hi Ann"},
            Conversation(["Greet.\nAnn", "Hi Ann"]),
        ),
        (
            {"instruction": "Greet.", "input": "", "output": "Hi", "id": 7},
            Conversation(["Greet.", "Hi"]),
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Who"},
                            {"type": "image_url", "image_url": {"url": "a.png"}},
                            {"type": "input_text", "text": "is it?"},
                        ],
                    },
                    {"role": "assistant", "content": [{"type": "tool_use", "name": "look"}]},
                    {"role": "assistant", "content": [{"type": "output_text", "text": "Ann."}]},
                ]
            },
            Conversation(["Who\nis it?", "Ann."], both_reply=False),
        ),
        ({"": "7", "question": "Why?", "answer": "So."}, Conversation(["Why?", "So."])),
        ({"Question": "Why?", "Answer": "So."}, Conversation(["Why?", "So."])),
        ({"prompt": "a", "completion": "b"}, Conversation(["a", "b"])),
    ],
)
def test_an_object_may_have_messages_or_a_prompt_and_a_reply(
    tmp_path: Path, value: dict[str, Any], conversation: Conversation
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(value) + "\n")
    assert list(read_json(path, ReadingLog())) == [conversation]


@pytest.mark.parametrize(
    "line",
    [
        *("{", '{"turn": []}', "[]", "7", "null", '{"turns": ["a", 1]}', '{"turns": "ab"}'),
        *('{"turns": ["a", "b"], "first_reply": "1"}', '{"turns": ["a", "b"], "first_reply": 0}'),
        *('{"turns": ["a", "b"], "first_reply": true}', "[" * 100_000),
        *('{"turns": []}', '{"turns": ["a"]}', '{"turns": ["a", "b"], "first_reply": 2}'),
        *('{"messages": "hi"}', '{"messages": [7]}', '{"messages": []}', '{"prompt": "a"}'),
        *('{"prompt": "a", "reply": null}', '{"instruction": "a", "input": 7, "output": "b"}'),
        json.dumps(said(("user", "a"), ("assistant", "b"), ("moderator", "c"))),
        json.dumps(said(("user", "a"), ("system", "b"))),
        '{"messages": [{"role": "user", "content": [{"text": "a"}]}]}',
        '{"messages": [{"role": {}, "content": "a"}]}',
        json.dumps(said(("user", "a"), ("assistant", "b")))[:-2]
        + ', {"role": "user", "content": [7]}]}',
        json.dumps(said(("user", "a"), ("assistant", "b")))[:-2]
        + ', {"role": "user", "content": [{"type": "text", "text": 7}]}]}',
    ],
)
def test_a_line_that_is_something_else_is_malformed(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"turns": ["a", "b"]}\n' + line + "\n")
    log = ReadingLog()
    assert list(read_json(path, log)) == [Conversation(["a", "b"])]
    assert log.first_problem.startswith(f"{path}, line 2 ")


@pytest.mark.parametrize("indent", [None, 0, 4])
def test_an_array_of_objects_is_read_as_the_lines_are(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "a.json"
    pairs = [
        [f"What is {n}?", 'A brace } in a "string", and 你好. ' * (n % 50)] for n in range(999)
    ]
    path.write_text("\n " + json.dumps([{"turns": pair} for pair in pairs], indent=indent))
    log = ReadingLog()
    assert [c.turns for c in read_json(path, log)] == pairs
    assert not log.malformed


def test_what_is_wrong_in_an_array_has_the_line_that_it_begins_in(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n{"turns": ["a", "b"]},\n{"turns":\n["a"]},\n7,\n{"turns": ["c", "d"]}]')
    log = ReadingLog()
    assert [c.turns for c in read_json(path, log)] == [["a", "b"], ["c", "d"]]
    assert log.malformed == {str(path): 2}
    assert f"{path}, line 3 has no reply" in log.first_problem


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (',\n{"turns": ["c', "line 2 is not JSON, so no more"),
        (",\n{'turns': 7}]", "line 2 is not JSON, so no more"),
        (",\n" + "[" * 100_000, "line 2 is not JSON, so no more"),
        (",\n", "line 2 is the last, but its array goes on"),
    ],
)
def test_of_an_array_that_breaks_off_what_comes_before_is_read(
    tmp_path: Path, rest: str, problem: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"turns": ["a", "b"]}' + rest)
    log = ReadingLog()
    assert [c.turns for c in read_json(path, log)] == [["a", "b"]]
    assert problem in log.first_problem


def test_an_array_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"turns": ["Hi there", "Hello. " * 99]}] * 4000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_json(path, ReadingLog())) == 4000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 2
    finally:
        tracemalloc.stop()


def test_an_element_that_is_not_utf8_is_malformed_and_those_after_it_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"turns": ["a", "b\xe9"]},\n{"turns": ["c", "d"]}]')
    log = ReadingLog()
    assert [c.turns for c in read_json(path, log, "utf-8")] == [["c", "d"]]
    assert log.first_problem == f"{path}, line 1 is not UTF-8"
