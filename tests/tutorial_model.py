"""The PyTorch chatbot tutorial's model, and that of its ancestor, written anew for the tests.

What is imported is compared with this: a packed bidirectional GRU whose directions are summed, a
decoder that takes one step at a time, the three scores of Luong et al., greedy search. Everything
is time first, as there.
"""

import io
import random
import re
import sys
import unicodedata
import zipfile
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

TUTORIAL_SPECIALS = ("PAD", "SOS", "EOS")
ANCESTOR_SPECIALS = ("SOS", "EOS", "PAD")


def normalise(text: str) -> str:
    """Lower case, no accents, ``.!?`` split off, everything else that is no letter a space."""
    decomposed = unicodedata.normalize("NFD", text.lower().strip())
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    spaced = re.sub(r"([.!?])", r" \1", bare)
    return re.sub(r"\s+", " ", re.sub(r"[^a-zA-Z.!?]+", " ", spaced)).strip()


class Voc:
    """Words to numbers and back, with the attributes of the tutorial's class of that name."""

    def __init__(self, name: str, specials: tuple[str, ...], count_name: str) -> None:
        self.name = name
        self.word2index: dict[str, int] = {}
        self.word2count: dict[str, int] = {}
        self.index2word = dict(enumerate(specials))
        setattr(self, count_name, len(specials))
        if count_name == "num_words":
            self.trimmed = True
        for word in (word for pair in pairs() for text in pair for word in text.split()):
            self.word2count[word] = self.word2count.get(word, 0) + 1
            if word not in self.word2index:
                self.word2index[word] = len(self.index2word)
                self.index2word[len(self.index2word)] = word
        setattr(self, count_name, len(self.index2word))

    def id_of(self, symbol: str) -> int:
        return next(i for i, word in self.index2word.items() if word == symbol)


# As ``load.py`` of the ancestor has it: this is what its pickle asks for.
Voc.__module__ = "load"


@cache
def pairs() -> list[tuple[str, str]]:
    """Eighty short exchanges of small talk with different answers, normalised."""
    text = resources.files("bot.data.corpora").joinpath("smalltalk.tsv").read_text("utf-8")
    replies: dict[str, str] = {}
    for turns in (line.split("\t") for line in text.splitlines()):
        if len(turns) > 2:
            continue
        prompt, reply = map(normalise, turns)
        if len(prompt.split()) < 8 and len(reply.split()) < 8 and reply not in replies:
            replies[reply] = prompt
    found = [(prompt, reply) for reply, prompt in replies.items()]
    return random.Random(0).sample(found, 80)


class TutorialEncoder(nn.Module):
    def __init__(self, embedding: nn.Embedding, hidden: int, layers: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.gru = nn.GRU(hidden, hidden, layers, bidirectional=True)

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(self.embedding(ids), lengths, enforce_sorted=False)
        output, state = self.gru(packed)
        memory, _ = pad_packed_sequence(output)
        return memory[..., : self.gru.hidden_size] + memory[..., self.gru.hidden_size :], state


class TutorialAttention(nn.Module):
    """``linear`` is the ancestor's concat: a row vector ``v`` and no tanh."""

    def __init__(self, score: str, hidden: int, *, linear: bool) -> None:
        super().__init__()
        self.score, self.linear = score, linear
        if score == "general":
            self.attn = nn.Linear(hidden, hidden)
        elif score == "concat":
            self.attn = nn.Linear(2 * hidden, hidden)
            self.v = nn.Parameter(torch.rand((1, hidden) if linear else (hidden,)))

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Weights, (S, B), of a query, (1, B, H), over the memory, (S, B, H)."""
        if self.score == "dot":
            energies = (query * memory).sum(2)
        elif self.score == "general":
            energies = (query * self.attn(memory)).sum(2)
        else:
            both = self.attn(torch.cat((query.expand_as(memory), memory), 2))
            energies = (self.v * (both if self.linear else both.tanh())).sum(2)
        return energies.softmax(0)


class TutorialDecoder(nn.Module):
    def __init__(
        self, embedding: nn.Embedding, score: str, hidden: int, layers: int, *, linear: bool
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.gru = nn.GRU(hidden, hidden, layers)
        self.concat = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, embedding.num_embeddings)
        self.attn = TutorialAttention(score, hidden, linear=linear)

    def forward(self, ids: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """One step: ids, (1, B), to logits, (B, V)."""
        query, state = self.gru(self.embedding(ids), state)
        context = (self.attn(query, memory).unsqueeze(2) * memory).sum(0)  # (B, H)
        both = torch.cat((query.squeeze(0), context), 1)
        return self.out(torch.tanh(self.concat(both))), state


@dataclass
class TutorialModel:
    """A model and its vocabulary; ``train`` makes it say something."""

    score: str
    hidden: int
    encoder_layers: int
    decoder_layers: int
    ancestor: bool = False
    voc: Voc = field(init=False)
    steps: int = 0
    loss: float = 0.0

    def __post_init__(self) -> None:
        torch.manual_seed(1)
        specials = ANCESTOR_SPECIALS if self.ancestor else TUTORIAL_SPECIALS
        self.voc = Voc("small-talk", specials, "n_words" if self.ancestor else "num_words")
        self.embedding = nn.Embedding(len(self.voc.index2word), self.hidden)
        self.encoder = TutorialEncoder(self.embedding, self.hidden, self.encoder_layers)
        self.decoder = TutorialDecoder(
            self.embedding, self.score, self.hidden, self.decoder_layers, linear=self.ancestor
        )
        self.encoder_optimizer = torch.optim.Adam(self.encoder.parameters(), lr=1e-2)
        self.decoder_optimizer = torch.optim.Adam(self.decoder.parameters(), lr=1e-2)

    def ids(self, text: str) -> list[int]:
        """Ids of normalised text, ``EOS`` included; an unknown word is a KeyError, as there."""
        return [*(self.voc.word2index[word] for word in text.split()), self.voc.id_of("EOS")]

    @staticmethod
    def next_batch(size: int, rng: random.Random | None = None) -> list[tuple[str, str]]:
        """What ``train`` begins with."""
        return (rng or random.Random(2)).choices(pairs(), k=size)

    def train(self, steps: int, batch_size: int = 16) -> "TutorialModel":
        rng = random.Random(2)
        pad = self.voc.id_of("PAD")
        for _ in range(steps):
            batch = self.next_batch(batch_size, rng)
            sources = [torch.tensor(self.ids(prompt)) for prompt, _ in batch]
            targets = [torch.tensor(self.ids(reply)) for _, reply in batch]
            source = nn.utils.rnn.pad_sequence(sources, padding_value=pad)
            target = nn.utils.rnn.pad_sequence(targets, padding_value=pad)
            memory, state = self.encoder(source, torch.tensor([len(ids) for ids in sources]))
            state = state[: self.decoder_layers]
            previous = torch.full((1, batch_size), self.voc.id_of("SOS"))
            logits = []
            for gold in target:
                step_logits, state = self.decoder(previous, state, memory)
                logits.append(step_logits)
                previous = gold.unsqueeze(0)
            loss = nn.functional.cross_entropy(
                torch.cat(logits), target.flatten(), ignore_index=pad
            )
            self.encoder_optimizer.zero_grad()
            self.decoder_optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.encoder.parameters(), 50.0)
            nn.utils.clip_grad_norm_(self.decoder.parameters(), 50.0)
            self.encoder_optimizer.step()
            self.decoder_optimizer.step()
            self.loss = loss.item()
        self.steps += steps
        return self

    @torch.no_grad()
    def reply(self, text: str, max_length: int) -> list[str]:
        """Greedy search, ``max_length`` steps whatever comes, cut at the first ``EOS``."""
        ids = self.ids(text)
        memory, state = self.encoder(torch.tensor(ids).unsqueeze(1), torch.tensor([len(ids)]))
        state = state[: self.decoder_layers]
        token = torch.tensor([[self.voc.id_of("SOS")]])
        words = []
        for _ in range(max_length):
            logits, state = self.decoder(token, state, memory)
            token = logits.argmax(1, keepdim=True)
            words.append(self.voc.index2word[int(token)])
        return words[: words.index("EOS")] if "EOS" in words else words

    def checkpoint(self) -> dict[str, Any]:
        """What the tutorial saves; of the ancestor, without the vocabulary."""
        values = {
            "iteration": self.steps,
            "en": self.encoder.state_dict(),
            "de": self.decoder.state_dict(),
            "en_opt": self.encoder_optimizer.state_dict(),
            "de_opt": self.decoder_optimizer.state_dict(),
            "loss": self.loss,
        }
        if self.ancestor:
            return values | {"plt": [self.loss]}
        return values | {"voc_dict": vars(self.voc), "embedding": self.embedding.state_dict()}

    def save(self, path: Path, *, legacy: bool = False) -> Path:
        """Write the checkpoint, and the ancestor's ``voc.tar`` beside it.

        :param legacy: as torch before 1.6 wrote it
        """
        torch.save(self.checkpoint(), path, _use_new_zipfile_serialization=not legacy)
        if self.ancestor:
            save_voc(self.voc, path.with_name("voc.tar"), legacy=legacy)
        return path


def on_gpu(content: bytes) -> bytes:
    """A saved file as a machine with a GPU would have written it: its tensors are on ``cuda:0``."""

    def moved(pickled: bytes) -> bytes:
        cpu, cuda = (b"X" + len(d).to_bytes(4, "little") + d for d in (b"cpu", b"cuda:0"))
        assert cpu in pickled
        return pickled.replace(cpu, cuda)

    if not zipfile.is_zipfile(io.BytesIO(content)):
        return moved(content)
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(
                entry.filename, moved(data) if entry.filename.endswith("/data.pkl") else data
            )
    return result.getvalue()


def save_voc(voc: Any, path: Path, *, legacy: bool) -> None:
    """Save a ``Voc``, whose module, ``load``, is there only while it is pickled."""
    module = ModuleType("load")
    module.Voc = Voc  # type: ignore[attr-defined] # modules are open to new names
    sys.modules["load"] = module
    try:
        torch.save(voc, path, _use_new_zipfile_serialization=not legacy)
    finally:
        del sys.modules["load"]


@cache
def trained(
    score: str,
    hidden: int,
    encoder_layers: int,
    decoder_layers: int,
    *,
    ancestor: bool = False,
    steps: int = 100,
) -> TutorialModel:
    """A model that has learnt to answer, made once a test run."""
    return TutorialModel(score, hidden, encoder_layers, decoder_layers, ancestor).train(steps)
