"""Blind comparison of two models."""

import json
from pathlib import Path

import pytest

from bot.artifact.artifact import Artifact
from bot.errors import UsageError
from bot.evaluation.comparison import Judgement, Pair, compare, judge, key_json, read_prompts, sheet
from bot.text.tokenizer import Tokenizer

PROMPTS = [(f"Please, number {i}, tell me about the {animal}.",) for i, animal in enumerate(
    ["cat", "dog", "horse", "duck", "goat", "mouse", "owl", "fox"] * 5
)]  # fmt: skip


class Shouting(Tokenizer):
    """Decodes in capitals, so that the second model's replies are known by sight."""

    def __init__(self, quiet: Tokenizer) -> None:
        super().__init__(quiet._backend, quiet.max_source_tokens, quiet.max_source_turns)

    def decode(self, ids: object) -> str:
        return super().decode(ids).upper()  # type: ignore[arg-type] # as its base


@pytest.fixture
def shouting(animal_artifact: Artifact) -> Artifact:
    return Artifact(
        animal_artifact.manifest,
        Shouting(animal_artifact.tokenizer),
        animal_artifact._searcher,
        "cpu",
    )


def test_the_order_is_random_and_the_seed_gives_it_again(
    animal_artifact: Artifact, shouting: Artifact
) -> None:
    orders = [
        [pair.a_first for pair in compare(animal_artifact, shouting, PROMPTS, seed)]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert 10 < sum(orders[0]) < 30, "of forty coins"


def test_the_sheet_hides_who_wrote_what_and_the_key_tells(
    animal_artifact: Artifact, shouting: Artifact, tmp_path: Path
) -> None:
    pairs = compare(animal_artifact, shouting, PROMPTS)
    text = sheet(pairs)
    assert "animals" not in text
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    assert len(rows) == len(PROMPTS)
    # Whoever prefers capitals prefers the second model, in whichever column it is.
    judged = [[*row[:4], "1" if row[2].isupper() else "2"] for row in rows]
    lines = [text.splitlines()[0], *("\t".join(row) for row in judged)]
    (tmp_path / "sheet.tsv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "key.json").write_text(key_json(pairs, animal_artifact, shouting, 0), "utf-8")
    judgement = judge(tmp_path / "sheet.tsv", tmp_path / "key.json")
    assert judgement.count("b") == len(PROMPTS)
    assert judgement.p_value == pytest.approx(2 / 2**40)
    assert "| Please, number 0, tell me about the cat. | The cat says meow. |" in (
        judgement.to_markdown()
    )


def test_equal_replies_are_a_tie_beforehand(animal_artifact: Artifact) -> None:
    rows = sheet(compare(animal_artifact, animal_artifact, PROMPTS[:3])).splitlines()[1:]
    assert [row.split("\t")[-1] for row in rows] == ["tie"] * 3


AWKWARD = [
    Pair(("Say \"x\"", "what?"), '"Quoted', "a | b", a_first=True),
    Pair(("Hello",), "Hi", "", a_first=False),
    Pair(("=1+1",), "2", "'", a_first=False),
]  # fmt: skip


def written(
    folder: Path, pairs: list[Pair], artifact: Artifact, verdicts: list[str]
) -> tuple[Path, Path]:
    text = sheet(pairs)
    head, *rows = text.splitlines()
    filled = [
        row[: row.rindex("\t") + 1] + verdict for row, verdict in zip(rows, verdicts, strict=True)
    ]
    (folder / "sheet.tsv").write_text("\n".join([head, *filled]) + "\n", "utf-8")
    (folder / "key.json").write_text(key_json(pairs, artifact, artifact, 0), "utf-8")
    return folder / "sheet.tsv", folder / "key.json"


def test_quotes_and_bars_survive_the_sheet(animal_artifact: Artifact, tmp_path: Path) -> None:
    judgement = judge(*written(tmp_path, AWKWARD, animal_artifact, ["1", " TIE ", ""]))
    assert list(judgement.pairs) == AWKWARD
    assert judgement.verdicts == ("a", "tie", "")
    assert r"a \| b" in judgement.to_markdown()


def test_a_byte_order_mark_and_a_missing_last_column_are_read(
    animal_artifact: Artifact, tmp_path: Path
) -> None:
    sheet_path, key_path = written(tmp_path, AWKWARD, animal_artifact, ["2", "2", ""])
    text = sheet_path.read_text("utf-8").rstrip("\n\t")
    sheet_path.write_text(text.replace("\n", "\r\n"), "utf-8-sig", newline="")
    assert judge(sheet_path, key_path).verdicts == ("b", "a", "")


def test_a_verdict_of_another_kind_is_named(animal_artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"number 2: the verdict is 'both'"):
        judge(*written(tmp_path, AWKWARD, animal_artifact, ["1", "both", ""]))


def test_a_sheet_and_the_key_of_another_are_refused(
    animal_artifact: Artifact, tmp_path: Path
) -> None:
    sheet_path, key_path = written(tmp_path, AWKWARD, animal_artifact, ["1", "2", "1"])
    values = json.loads(key_path.read_text("utf-8"))
    values["pairs"][0]["a_first"] = False
    key_path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(UsageError, match="do not belong together"):
        judge(sheet_path, key_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\xff\xfe", b"{}", b"number\tprompt\n", b"[1]", b"[" * 100_000],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_sheet_or_key_is_a_usage_error(
    content: bytes, animal_artifact: Artifact, tmp_path: Path
) -> None:
    sheet_path, key_path = written(tmp_path, AWKWARD, animal_artifact, ["1", "2", "1"])
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(UsageError, match="save it as tab-separated") as refused:
        judge(tmp_path / "other", key_path)
    assert "unpack" not in str(refused.value)
    with pytest.raises(UsageError, match="cannot be read as the key"):
        judge(sheet_path, tmp_path / "other")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("pair", "turns", [1]),
        ("pair", "turns", "abc"),
        ("pair", "a", None),
        ("pair", "b", ["b"]),
        ("pair", "a_first", 1),
        ("model", "model", 5),
    ],
)
def test_a_key_with_a_value_of_another_type_is_a_usage_error(
    part: str, name: str, value: object, animal_artifact: Artifact, tmp_path: Path
) -> None:
    sheet_path, key_path = written(tmp_path, AWKWARD, animal_artifact, ["1", "2", "1"])
    values = json.loads(key_path.read_text("utf-8"))
    (values["pairs"][0] if part == "pair" else values["a"])[name] = value
    key_path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(UsageError, match="cannot be read as the key"):
        judge(sheet_path, key_path)


@pytest.mark.parametrize(
    ("verdicts", "p_value"),
    [
        ([], 1.0),
        (["tie"] * 5, 1.0),
        (["a"] * 5 + ["tie"], 2 / 32),
        (["a"] * 9 + ["b"], 2 * 11 / 1024),
        (["b"] * 5 + ["a"] * 5, 1.0),
    ],
)
def test_the_sign_test_leaves_ties_out(verdicts: list[str], p_value: float) -> None:
    assert Judgement("x/1", "y/1", (), tuple(verdicts)).p_value == pytest.approx(p_value)


def test_prompts_may_have_turns_before_them(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeffHello!\n\n  \nI have a dog.\tNice.\t Why? \n", "utf-8")
    assert read_prompts(path) == [("Hello!",), ("I have a dog.", "Nice.", "Why?")]


@pytest.mark.parametrize("content", [b"", b"\n \t\n", b"\xff\xff"])
def test_a_file_without_prompts_is_a_usage_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    with pytest.raises(UsageError, match=r"prompts\.txt"):
        read_prompts(tmp_path / "prompts.txt")
