"""A searcher and a tokenizer, tiny and untrained: what the artifact needs is their contract."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bot.artifact.manifest import (
    INT8_SEARCHER_FILE,
    MODEL_CARD_FILE,
    SEARCHER_FILE,
    TOKENIZER_FILE,
)
from bot.artifact.store import ModelStore
from bot.text.tokenizer import word_level

WORDS = ["hello", "there", "how", "are", "you", "fine", "thanks", "i", "am", ".", "?", "!"]
VOCABULARY_SIZE = 5 + len(WORDS)


class TinySearcher(nn.Module):
    """The contract's simplest searcher: the last state of the source, decoded greedily."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, 8)
        self.encoder = nn.GRU(8, 16, batch_first=True)
        self.decoder = nn.GRU(8, 16, num_layers=2, batch_first=True)
        self.output = nn.Linear(16, VOCABULARY_SIZE)

    def forward(
        self, source_ids: Tensor, source_lengths: Tensor, max_length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        memory = self.encoder(self.embedding(source_ids))[0]  # (B, S, H)
        batch_size = source_ids.size(0)
        last = (source_lengths - 1).view(batch_size, 1, 1).expand(batch_size, 1, 16)
        state = memory.gather(1, last).transpose(0, 1).repeat(2, 1, 1)
        token = torch.full((batch_size, 1), 1, dtype=torch.long, device=source_ids.device)
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        for _ in range(max_length):
            output, state = self.decoder(self.embedding(token), state)
            score, token = self.output(output.squeeze(1)).log_softmax(1).max(dim=1, keepdim=True)
            tokens.append(token)
            scores.append(score)
        token_ids = torch.cat(tokens, dim=1)
        lengths = ((token_ids == 2).cumsum(dim=1) == 0).sum(dim=1)
        return token_ids, torch.cat(scores, dim=1), lengths


class TinyInt8Searcher(TinySearcher):
    """What the artifact needs of the int8 variant: ``pack``, and that its buffers stay as they are.

    It ends each reply at once, which tells it from the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(4, dtype=torch.int8))
        self.register_buffer("scales", torch.ones(4, dtype=torch.float16))
        self.packed = False

    @torch.jit.export
    def pack(self) -> None:
        assert not self.packed
        self.packed = True

    def forward(
        self, source_ids: Tensor, source_lengths: Tensor, max_length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert self.packed
        token_ids = torch.full((source_ids.size(0), 1), 2)
        return token_ids, torch.zeros(token_ids.size()), torch.zeros_like(source_lengths)


def torchscript(module: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def half_rounded_searcher() -> TinySearcher:
    """The float32 module whose weights are those of ``files``' half-precision searcher."""
    torch.manual_seed(5)
    searcher = TinySearcher().eval()
    for parameter in searcher.parameters():
        nn.init.normal_(parameter)  # lively enough that different sources have different replies
    return searcher.half().float()


@pytest.fixture(scope="session")
def files(half_rounded_searcher: TinySearcher) -> dict[str, bytes]:
    tokenizer = word_level({word: 5 + i for i, word in enumerate(WORDS)}, max_source_tokens=12)
    half = TinySearcher()
    half.load_state_dict(half_rounded_searcher.state_dict())
    return {
        SEARCHER_FILE: torchscript(half.half()),
        TOKENIZER_FILE: tokenizer.to_json().encode(),
        MODEL_CARD_FILE: b"# A model card\n",
    }


@pytest.fixture(scope="session")
def files_with_int8(files: dict[str, bytes]) -> dict[str, bytes]:
    return {**files, INT8_SEARCHER_FILE: torchscript(TinyInt8Searcher())}


@pytest.fixture(scope="session")
def fields() -> dict[str, Any]:
    """What ``publish`` wants to know beside the name and the files."""
    return {
        "torch_version": torch.__version__,
        "language": "en",
        "description": "A tiny model.",
        "model": {"hidden_size": 16, "attention": "none"},
        "max_source_tokens": 12,
    }


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def published(store: ModelStore, files: dict[str, bytes], fields: dict[str, Any]) -> Path:
    return store.publish("tiny", files, **fields, activate=True)
