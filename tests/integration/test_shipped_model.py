"""The model in the repository, as a plain clone has it."""

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch
from command import COMMAND, ROOT, bot, clean_environment, empty_folder

from bot.artifact.artifact import Artifact, search_batch
from bot.artifact.store import ModelStore
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.settings import MODEL_STORE
from bot.training.corpus import reserved_for_evaluation

SOURCES = 600
BATCH = 32


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(ModelStore(MODEL_STORE).resolve())


@pytest.fixture(scope="module")
def real_prompts() -> list[str]:
    """What people wrote in conversations that no model was trained on."""
    file = resources.files("chitchat_dataset").joinpath("dataset.json")
    prompts = [
        message["text"]
        for conversation_id, conversation in json.loads(file.read_text("utf-8")).items()
        if reserved_for_evaluation(conversation_id)
        for messages in conversation["messages"]
        for message in messages
    ]
    distinct = list(dict.fromkeys(prompts))
    assert len(distinct) >= SOURCES
    return distinct[:SOURCES]


def test_a_plain_clone_has_a_sound_active_model_of_at_most_30_mb() -> None:
    store = ModelStore(MODEL_STORE)
    assert not any(store.verify().values())
    assert sum(file.stat().st_size for file in store.resolve().iterdir()) <= 30e6


def test_the_searcher_writes_the_tokens_of_the_eager_module(
    artifact: Artifact, real_prompts: list[str]
) -> None:
    config = ModelConfig(**artifact.manifest.model)
    eager = GreedySearcher(Seq2Seq(config)).eval()
    eager.load_state_dict(
        torch.jit.load(ModelStore(MODEL_STORE).resolve() / "searcher.pt").state_dict()
    )
    eager.float()
    sources = [artifact.tokenizer.encode_source(prompt) for prompt in real_prompts]
    for start in range(0, len(sources), BATCH):
        batch = sources[start : start + BATCH]
        assert artifact.search(batch, 40) == search_batch(eager, batch, 40, "cpu")


def test_a_reply_does_not_depend_on_its_batch(artifact: Artifact, real_prompts: list[str]) -> None:
    sources = [artifact.tokenizer.encode_source(prompt) for prompt in real_prompts[:BATCH]]
    assert artifact.search(sources, 40) == [artifact.search([ids], 40)[0] for ids in sources]


def test_replies_read_like_written_language(artifact: Artifact, real_prompts: list[str]) -> None:
    sources = [artifact.tokenizer.encode_source(prompt) for prompt in real_prompts]
    replies = [
        artifact.tokenizer.decode(ids)
        for start in range(0, len(sources), BATCH)
        for ids in artifact.search(sources[start : start + BATCH], 40)
    ]
    written = [reply for reply in replies if re.fullmatch(r"[\"'(]?[A-Z0-9].*[.!?][\"')]?", reply)]
    assert len(written) >= 0.97 * len(replies)
    assert len(set(replies)) >= 0.3 * len(replies), "it says the same to everybody"


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


def test_the_model_card_has_provenance_figures_and_thirty_replies() -> None:
    card = (ModelStore(MODEL_STORE).resolve() / "MODEL_CARD.md").read_text("utf-8")
    for words in ("licence", "python -m bot train", "perplexity", "bits a character"):
        assert words in card
    table = card[card.index("| prompt |") :]
    assert len(re.findall(r"^\| ", table, re.MULTILINE)) == 1 + 30
    assert Path(MODEL_STORE).parent == ROOT
