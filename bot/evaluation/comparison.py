"""Blind comparison of two models: a sheet to fill in, and a key that tells which is which.

The sheet is tab-separated, so that a spreadsheet or an editor opens it; the key is JSON.
"""

import csv
import io
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from bot.artifact.artifact import Artifact
from bot.artifact.durable_files import read_regular
from bot.artifact.manifest import SEARCHER_FILE
from bot.errors import UsageError
from bot.evaluation.artifact_evaluation import OnProgress
from bot.publishing.export import MAX_REPLY_TOKENS

COLUMNS = ("number", "prompt", "reply 1", "reply 2", "verdict")
VERDICTS = ("1", "2", "tie")
BETWEEN_TURNS = " / "


@dataclass(frozen=True)
class Pair:
    """Both models' replies to a prompt.

    :param turns: the prompt, after the turns before it
    :param a, b: the replies of the first and of the second model
    :param a_first: whether the first model's reply is shown as reply 1
    """

    turns: tuple[str, ...]
    a: str
    b: str
    a_first: bool

    @property
    def prompt(self) -> str:
        """The turns on one line."""
        return BETWEEN_TURNS.join(self.turns)

    @property
    def shown(self) -> tuple[str, str]:
        """Reply 1 and reply 2."""
        return (self.a, self.b) if self.a_first else (self.b, self.a)


def read_prompts(path: Path) -> list[tuple[str, ...]]:
    """A prompt a line; tab-separated columns before it are the turns before it.

    :raises UsageError: if the file cannot be read or has no prompt
    """
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The prompts {path} cannot be read ({error}); give a UTF-8 file with a prompt a line."
        ) from error
    columns = ([" ".join(turn.split()) for turn in line.split("\t")] for line in lines)
    prompts = [tuple(filter(None, turns)) for turns in columns]
    prompts = [turns for turns in prompts if turns]
    if not prompts:
        raise UsageError(f"{path} holds no prompt; write one a line.")
    return prompts


def compare(
    a: Artifact,
    b: Artifact,
    prompts: Sequence[tuple[str, ...]],
    seed: int = 0,
    on_progress: OnProgress = lambda what, done, total: None,
) -> list[Pair]:
    """Both models' greedy replies; for each prompt a coin that the seed tosses orders them.

    :param on_progress: called after each prompt with what is done, how much of it, of how much
    """
    coin = random.Random(seed)
    pairs = []
    for turns in prompts:
        pairs.append(Pair(turns, _reply(a, turns), _reply(b, turns), coin.random() < 0.5))
        on_progress("replying", len(pairs), len(prompts))
    return pairs


def _reply(artifact: Artifact, turns: tuple[str, ...]) -> str:
    (ids,) = artifact.search([artifact.tokenizer.encode_source(*turns)], MAX_REPLY_TOKENS)
    return " ".join(artifact.tokenizer.decode(ids).split())


def sheet(pairs: Sequence[Pair]) -> str:
    """What the judge gets; where both replies are the same, the verdict is filled in."""
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, pair in enumerate(pairs, 1):
        verdict = "tie" if pair.a == pair.b else ""
        writer.writerow([number, pair.prompt, *pair.shown, verdict])
    return text.getvalue()


def key_json(pairs: Sequence[Pair], a: Artifact, b: Artifact, seed: int) -> str:
    """What the judge does not get, as JSON: which model wrote which reply."""
    values = {
        "a": _identity(a),
        "b": _identity(b),
        "seed": seed,
        "pairs": [
            {"turns": pair.turns, "a": pair.a, "b": pair.b, "a_first": pair.a_first}
            for pair in pairs
        ],
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _identity(artifact: Artifact) -> dict[str, str]:
    manifest = artifact.manifest
    return {
        "model": f"{manifest.name}/{manifest.version}",
        "searcher_sha256": manifest.files[SEARCHER_FILE].sha256,
    }


@dataclass(frozen=True)
class Judgement:
    """A sheet with its verdicts, opened with its key.

    :param a, b: the models, ``name/version``
    :param verdicts: of each pair ``a``, ``b``, ``tie``, or empty where nothing was filled in
    """

    a: str
    b: str
    pairs: tuple[Pair, ...]
    verdicts: tuple[str, ...]

    def count(self, verdict: str) -> int:
        """How many verdicts are this one."""
        return self.verdicts.count(verdict)

    @property
    def p_value(self) -> float:
        """Of the two-sided sign test: how probable so lopsided a count is by chance; ties left out.

        1 if there is nothing but ties.
        """
        wins = sorted((self.count("a"), self.count("b")))
        judged = sum(wins)
        tail = sum(math.comb(judged, k) for k in range(wins[0] + 1))
        return min(1.0, 2 * tail / (1 << judged))

    def to_markdown(self) -> str:
        """A table of prompts, replies under their models' names, and verdicts, to publish."""
        names = {"a": self.a, "b": self.b}
        rows = [
            f"| {_cell(pair.prompt)} | {_cell(pair.a)} | {_cell(pair.b)} |"
            f" {names.get(verdict, verdict)} |"
            for pair, verdict in zip(self.pairs, self.verdicts, strict=True)
        ]
        head = [f"| prompt | {self.a} | {self.b} | verdict |", "|---|---|---|---|"]
        return "\n".join([*head, *rows]) + "\n"


class _Model(BaseModel):
    model: str


class _Key(BaseModel):
    """What of a key is needed to open its sheet."""

    a: _Model
    b: _Model
    pairs: list[Pair]


def judge(sheet_path: Path, key_path: Path) -> Judgement:
    """Open a filled-in sheet with its key.

    :raises UsageError: if one of them cannot be read, they do not belong together, or a verdict is
        not 1, 2, tie or empty
    """
    a, b, pairs = _read_key(key_path)
    rows = _read_sheet(sheet_path)
    if [row[1:4] for row in rows] != [[pair.prompt, *pair.shown] for pair in pairs]:
        raise UsageError(
            f"{sheet_path} and {key_path} do not belong together: prompts or replies differ; give"
            " the key that was written with the sheet, and change nothing but verdicts."
        )
    verdicts = []
    for row, pair in zip(rows, pairs, strict=True):
        verdict = row[4].strip().lower()
        if verdict and verdict not in VERDICTS:
            raise UsageError(
                f"{sheet_path}, number {row[0]}: the verdict is {row[4]!r}; write 1, 2 or tie."
            )
        won = {"1": "a", "2": "b"} if pair.a_first else {"1": "b", "2": "a"}
        verdicts.append(won.get(verdict, verdict))
    return Judgement(a, b, tuple(pairs), tuple(verdicts))


def _read_key(path: Path) -> tuple[str, str, list[Pair]]:
    try:
        key = _Key.model_validate_json(read_regular(path), strict=True)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as the key of a comparison ({type(error).__name__}); give the"
            " file that compare wrote with --key."
        ) from error
    return key.a.model, key.b.model, key.pairs


def _read_sheet(path: Path) -> list[list[str]]:
    try:
        text = io.StringIO(read_regular(path).decode("utf-8-sig"), newline="")
        header, *rows = list(csv.reader(text, dialect="excel-tab")) or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{path} cannot be read as a sheet of compare ({error}); save it as tab-separated"
            " text in UTF-8."
        ) from error
    if tuple(header) != COLUMNS:
        raise UsageError(
            f"{path} does not begin with the columns {', '.join(COLUMNS)}; save it as"
            " tab-separated text."
        )
    # A spreadsheet or an editor may leave the empty last column out.
    return [[*row, ""][: len(COLUMNS)] for row in rows if row]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
