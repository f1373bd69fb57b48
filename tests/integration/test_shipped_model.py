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
from command import COMMAND, ROOT, bot, clean_environment, empty_folder

from bot.artifact.artifact import Artifact, search_batch
from bot.artifact.options import SearchOptions
from bot.artifact.store import ModelStore
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.settings import MODEL_STORE
from bot.text.word_list import WordList
from bot.training.corpora.packages import reserved_for_evaluation

CONVERSATIONS = 2_000
PARITY = 600
BATCH = 32
PROMPTS = ROOT / "benchmarks" / "prompts"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(ModelStore(MODEL_STORE).resolve())


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
    store = ModelStore(MODEL_STORE)
    assert not any(store.verify().values())
    assert sum(file.stat().st_size for file in store.resolve().iterdir()) <= 30e6


def test_the_searcher_writes_the_tokens_of_the_eager_module(
    artifact: Artifact, sources: list[list[int]], reply_ids: list[list[int]]
) -> None:
    config = ModelConfig(**artifact.manifest.model)
    eager = GreedySearcher(Seq2Seq(config)).eval()
    eager.load_state_dict(
        torch.jit.load(ModelStore(MODEL_STORE).resolve() / "searcher.pt").state_dict()
    )
    eager.float()
    written = in_batches(lambda batch: search_batch(eager, batch, 40, "cpu"), sources[:PARITY])
    assert written == reply_ids[:PARITY]


def test_a_reply_does_not_depend_on_its_batch(
    artifact: Artifact, sources: list[list[int]], reply_ids: list[list[int]]
) -> None:
    alone = [artifact.search([ids], 40)[0] for ids in sources[:BATCH]]
    assert alone == reply_ids[:BATCH]


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


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_chat_stays_under_420_mb_resident() -> None:
    with subprocess.Popen(
        [*COMMAND, "chat"],
        cwd=empty_folder(),
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(50):
            process.stdin.write(f"What do you think about the number {number}?\n")
            process.stdin.flush()
            assert process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) * 1024 < 420e6


def test_the_model_card_has_provenance_figures_and_the_blind_comparison() -> None:
    card = (ModelStore(MODEL_STORE).resolve() / "MODEL_CARD.md").read_text("utf-8")
    for words in ("licence", "python -m bot train", "perplexity", "bits a character"):
        assert words in card
    comparison = card.partition("## Blind comparison")[2].partition("\n## ")[0]
    judged = re.findall(r"\| (?:causerie-en|tutorial's recipe|tie) \|$", comparison, re.MULTILINE)
    assert len(judged) == 100
    assert Path(MODEL_STORE).parent == ROOT
