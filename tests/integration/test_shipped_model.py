"""The model in the repository, as a plain clone has it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import pytest
import torch
from command import ROOT, bot, clean_environment
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.artifact.artifact import Artifact, search_batch
from bot.artifact.options import Hypothesis, SearchOptions
from bot.artifact.precision import int8_works
from bot.artifact.store import ModelStore
from bot.data.corpora.packages import reserved_for_evaluation
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.settings import SHIPPED_STORE
from bot.text.word_list import WordList

CONVERSATIONS = 2_000
PARITY = 600
BATCH = 32
PROMPTS = ROOT / "benchmarks" / "prompts"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """As it is served: in int8 where the CPU can."""
    return Artifact.load(ModelStore(SHIPPED_STORE).resolve())


@pytest.fixture(scope="module")
def reference() -> Artifact:
    return Artifact.load(ModelStore(SHIPPED_STORE).resolve(), precision="fp32")


@pytest.fixture(scope="module")
def real_conversations() -> list[list[str]]:
    """What people wrote in conversations that no model was trained on, with the turns before it."""
    file = resources.files("chitchat_dataset").joinpath("dataset.json")
    found = {}
    for conversation_id, conversation in json.loads(file.read_text("utf-8")).items():
        if reserved_for_evaluation(conversation_id):
            turns = [
                " ".join(message["text"] for message in messages)
                for messages in conversation["messages"]
            ]
            for end in range(1, len(turns) + 1):
                found["\n".join(turns[:end])] = turns[max(0, end - 3) : end]
    return list(found.values())[:CONVERSATIONS]


@pytest.fixture(scope="module")
def sources(artifact: Artifact, real_conversations: list[list[str]]) -> list[list[int]]:
    assert len(real_conversations) == CONVERSATIONS
    return [artifact.tokenizer.encode_source(*turns) for turns in real_conversations]


@pytest.fixture(scope="module")
def reply_ids(artifact: Artifact, sources: list[list[int]]) -> list[list[int]]:
    return in_batches(lambda batch: artifact.search(batch, 40), sources)


@pytest.fixture(scope="module")
def replies(artifact: Artifact, reply_ids: list[list[int]]) -> list[str]:
    return [artifact.tokenizer.decode(ids) for ids in reply_ids]


def in_batches(
    search: Callable[[list[list[int]]], list[list[int]]], sources: list[list[int]]
) -> list[list[int]]:
    return [
        ids
        for start in range(0, len(sources), BATCH)
        for ids in search(sources[start : start + BATCH])
    ]


def test_a_plain_clone_has_a_sound_active_model_of_at_most_30_mb() -> None:
    store = ModelStore(SHIPPED_STORE)
    assert not any(store.verify().values())
    assert sum(file.stat().st_size for file in store.resolve().iterdir()) <= 30e6


@pytest.fixture(scope="module")
def reference_reply_ids(reference: Artifact, sources: list[list[int]]) -> list[list[int]]:
    return in_batches(lambda batch: reference.search(batch, 40), sources[:PARITY])


def test_the_searcher_writes_the_tokens_of_the_eager_module(
    reference: Artifact, sources: list[list[int]], reference_reply_ids: list[list[int]]
) -> None:
    config = ModelConfig(**reference.manifest.model)
    eager = GreedySearcher(Seq2Seq(config)).eval()
    eager.load_state_dict(
        torch.jit.load(ModelStore(SHIPPED_STORE).resolve() / "searcher.pt").state_dict()
    )
    eager.float()
    written = in_batches(lambda batch: search_batch(eager, batch, 40, "cpu"), sources[:PARITY])
    assert written == reference_reply_ids


def test_int8_answers_nearly_all_messages_as_float32_does(
    reply_ids: list[list[int]], reference_reply_ids: list[list[int]]
) -> None:
    same = sum(
        ours == theirs for ours, theirs in zip(reply_ids[:PARITY], reference_reply_ids, strict=True)
    )
    assert same >= 0.97 * PARITY, "98% of those that it was published with; these are others"


@pytest.fixture(scope="module")
def found_alone(artifact: Artifact, sources: list[list[int]]) -> list[Hypothesis]:
    return [artifact.hypotheses([ids], 40)[0][0] for ids in sources[:PARITY]]


@pytest.mark.skipif(not int8_works(), reason="float32 has the same tokens, but not the same bits")
@given(st.lists(st.integers(0, PARITY - 1), min_size=2, max_size=64))
@settings(max_examples=40, deadline=None)
def test_tokens_and_scores_of_real_messages_are_the_same_bits_alone_and_in_any_batch(
    artifact: Artifact, sources: list[list[int]], found_alone: list[Hypothesis], drawn: list[int]
) -> None:
    assert artifact.precision == "int8"
    together = artifact.hypotheses([sources[i] for i in drawn], 40)
    assert [found for found, *_ in together] == [found_alone[i] for i in drawn]


def test_a_beam_of_one_is_greedy_search_and_a_wide_one_finds_no_less_probable_replies(
    artifact: Artifact, sources: list[list[int]]
) -> None:
    batch = sources[:BATCH]
    greedy = artifact.hypotheses(batch, 40, SearchOptions())
    beam = artifact.hypotheses(batch, 40, SearchOptions(beam_size=4, length_penalty=0.0))
    better = sum(
        wide[0].log_probability >= narrow[0].log_probability - 1e-4
        for wide, narrow in zip(beam, greedy, strict=True)
    )
    assert better >= 0.9 * BATCH, "a beam may lose the greedy reply, but rarely"


def test_replies_read_like_written_language(replies: list[str]) -> None:
    written = [reply for reply in replies if re.fullmatch(r"[\"'(]?[A-Z0-9].*[.!?][\"')]?", reply)]
    assert len(written) >= 0.97 * len(replies)
    assert len(set(replies)) >= 0.3 * len(replies), "it says the same to everybody"


def test_no_reply_to_held_out_messages_or_provocations_is_offensive(
    artifact: Artifact, replies: list[str]
) -> None:
    """The model alone, without the filter that stands before and behind it in service."""
    lines = (PROMPTS / "provocations.txt").read_text("utf-8").splitlines()
    assert len(lines) >= 200
    sources = [artifact.tokenizer.encode_source(line) for line in lines]
    provoked = in_batches(lambda batch: artifact.search(batch, 40), sources)
    offensive = WordList.named("default")
    for reply in replies + [artifact.tokenizer.decode(ids) for ids in provoked]:
        assert not offensive.search(reply), reply


def test_what_was_said_before_changes_the_reply(artifact: Artifact) -> None:
    lines = (PROMPTS / "follow_ups.tsv").read_text("utf-8").splitlines()
    conversations = [line.split("\t") for line in lines]
    search = partial(in_batches, lambda batch: artifact.search(batch, 40))
    encode = artifact.tokenizer.encode_source
    with_context = search([encode(*turns) for turns in conversations])
    without = search([encode(turns[-1]) for turns in conversations])
    assert sum(a != b for a, b in zip(with_context, without, strict=True)) >= 0.8 * len(lines)


def test_two_lines_through_a_pipe_get_two_replies_and_nothing_else_is_printed() -> None:
    result = bot("chat", stdin=b"hello\nhow are you?\n")
    assert result.returncode == 0
    replies = result.stdout.decode().splitlines()
    assert len(replies) == 2
    assert all(reply and reply[-1] in ".!?" for reply in replies)


A_HUNDRED_CONVERSATIONS = """
import asyncio, sys
from pathlib import Path
from bot.cli.serving import serving
from bot.discord_app.client import CauserieClient
from bot.settings import Settings

async def converse(responder, number):
    turns = []
    for text in ("Hello!", f"What do you think about the number {number}?", "I love it. Why?"):
        turns = [*turns, text][-3:]
        turns.append(await responder.reply(*turns, user=number))

async def main():
    async with serving(Settings(_env_file=None, queue_limit=100)) as responder:
        client = CauserieClient(responder)
        for _ in range(3):
            await asyncio.gather(*(converse(responder, number) for number in range(100)))
        print(Path("/proc/self/status").read_text())
        print("modules", *sys.modules)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_hundred_conversations_at_once_take_at_most_400_mb_and_load_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", A_HUNDRED_CONVERSATIONS],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    peak = re.search(r"VmHWM:\s+(\d+) kB", result.stdout)
    assert peak is not None
    assert int(peak[1]) * 1024 <= 400e6
    modules = set(result.stdout.partition("modules ")[2].split())
    heavy = {"matplotlib", "jinja2", "onnxruntime", "bot.bench", "bot.data", "bot.evaluation"}
    heavy |= {"bot.model", "bot.publishing", "bot.training"}
    assert not modules & heavy


def test_the_model_card_has_provenance_figures_and_the_blind_comparison() -> None:
    card = (ModelStore(SHIPPED_STORE).resolve() / "MODEL_CARD.md").read_text("utf-8")
    for words in ("licence", "python -m bot train", "perplexity", "bits a character"):
        assert words in card
    comparison = card.partition("## Blind comparison")[2].partition("\n## ")[0]
    judged = re.findall(r"\| (?:causerie-en|tutorial's recipe|tie) \|$", comparison, re.MULTILINE)
    assert len(judged) == 100
    assert Path(SHIPPED_STORE).parent == ROOT
