"""From corpora to token ids: mixing, thinning, splitting."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from bot.errors import CorpusError, UsageError
from bot.text.tokenizer import BOS_ID, EOS_ID, Tokenizer
from bot.training.cleaning import (
    OFFENSIVE,
    shortened,
    spoken,
    tidy,
    unusable,
    well_written,
    written,
)
from bot.training.corpus import Conversation, read_conversations

SPLITS = ("train", "valid", "test")
HELD_OUT_PERMILLE = 10  # each of valid and test


class Pair(NamedTuple):
    """A prompt and the reply to it."""

    prompt: str
    reply: str


@dataclass(frozen=True)
class WeightedCorpus:
    """A corpus and how often each of its pairs is seen in an epoch (0.5: every other pair)."""

    source: str
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "WeightedCorpus":
        """Read ``SOURCE`` or ``SOURCE@WEIGHT``.

        :raises UsageError: if the weight is no positive number
        """
        match = re.fullmatch(r"(.+)@(-?[0-9.]*)", text)
        if match is None:
            return cls(text)
        try:
            parsed = cls(match[1], float(match[2]))
        except ValueError:
            parsed = cls(match[1], 0.0)
        if not 0 < parsed.weight < 1000:
            raise UsageError(
                f"The weight in {text!r} must be a number above 0, such as {match[1]}@2."
            )
        return parsed


@dataclass(frozen=True)
class MixConfig:
    """How pairs are chosen.

    :param max_reply_words: longer replies are cut at a sentence, or dropped
    :param max_reply_count: how often the same reply may occur in one corpus; the rest is dropped
    :param max_prompt_count: the same for prompts, whatever their case and punctuation: what is
        said to "Thank you!" depends on turns that the model does not see
    :param drop: a regular expression; pairs in which it is found are dropped
    """

    max_reply_words: int = 20
    max_reply_count: int = 40
    max_prompt_count: int = 40
    drop: str = ""
    seed: int = 0


def split_of(conversation: Conversation) -> str:
    """``train``, ``valid`` or ``test``, by the content alone, so that no conversation is in two."""
    digest = sha256("\n".join(conversation).encode("utf-8", "surrogatepass")).digest()
    bucket = int.from_bytes(digest[:8], "big") % 1000
    if bucket < HELD_OUT_PERMILLE:
        return "valid"
    return "test" if bucket < 2 * HELD_OUT_PERMILLE else "train"


def mix(
    corpora: Sequence[WeightedCorpus],
    config: MixConfig,
    on_corpus: Callable[[str, int], None] = lambda source, pairs: None,
) -> dict[str, list[Pair]]:
    """Read, clean, thin and weigh corpora.

    Training pairs are repeated by their corpus' weight, each time with the prompt as somebody else
    might have typed it. Held-out pairs are neither weighted nor changed.

    :param on_corpus: called after each corpus with its name and how many pairs it gave
    :raises CorpusError: if a corpus cannot be read
    """
    rng = random.Random(config.seed)
    splits: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    for corpus in corpora:
        kept = 0
        replies: Counter[str] = Counter()
        prompts: Counter[str] = Counter()
        for split, pair in _clean_pairs(corpus.source, config):
            if split != "train":
                splits[split].append(pair)
                continue
            reply, prompt = pair.reply.lower(), spoken(pair.prompt)
            if (
                replies[reply] < config.max_reply_count
                and prompts[prompt] < config.max_prompt_count
            ):
                replies[reply] += 1
                prompts[prompt] += 1
                copies = int(corpus.weight) + (rng.random() < corpus.weight % 1)
                splits[split].extend(_variant(pair, rng) for _ in range(copies))
                kept += copies
        on_corpus(corpus.source, kept)
    return splits


def _clean_pairs(source: str, config: MixConfig) -> Iterator[tuple[str, Pair]]:
    drop = re.compile(config.drop, re.IGNORECASE) if config.drop else None
    for conversation in read_conversations(source):
        split = split_of(conversation)
        for prompt, raw_reply in pairwise(conversation):
            prompt, raw_reply = tidy(prompt).replace("\n", " "), tidy(raw_reply)
            if unusable(prompt) or unusable(raw_reply) or OFFENSIVE.search(prompt):
                continue
            if drop and (drop.search(prompt) or drop.search(raw_reply)):
                continue
            reply = shortened(written(raw_reply), config.max_reply_words)
            if reply and well_written(reply):
                yield split, Pair(prompt, reply)


def _variant(pair: Pair, rng: random.Random) -> Pair:
    """The pair with its prompt as somebody else might have typed it.

    Half of the prompts get another final mark; the others lose capitals and punctuation, and half
    of those their apostrophes too.
    """
    if rng.random() < 0.5:
        prompt = pair.prompt.rstrip(".!")
        if prompt and prompt[-1] != "?":
            prompt += rng.choice(("", ".", "!"))
    else:
        prompt = spoken(pair.prompt)
        if rng.random() < 0.5:
            prompt = prompt.replace("'", "")
    return Pair(prompt or pair.prompt, pair.reply)


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as token ids, flat; the i-th source is ``sources[starts[i]:starts[i + 1]]``.

    :param sources: int32, every source (with ``EOS``) after the other
    :param source_starts: int64, (N + 1,)
    :param targets: int32, every target (``BOS`` … ``EOS``) after the other
    :param target_starts: int64, (N + 1,)
    :param characters: int64, (N,), of the reply as text, for bits per character
    """

    sources: Tensor
    source_starts: Tensor
    targets: Tensor
    target_starts: Tensor
    characters: Tensor

    def __len__(self) -> int:
        return self.characters.numel()

    def source(self, index: int) -> Tensor:
        """Ids of a source, int32, (S,)."""
        return self.sources[self.source_starts[index] : self.source_starts[index + 1]]

    def target(self, index: int) -> Tensor:
        """Ids of a target with ``BOS`` and ``EOS``, int32, (T + 1,)."""
        return self.targets[self.target_starts[index] : self.target_starts[index + 1]]


def encode_pairs(
    pairs: Sequence[Pair], tokenizer: Tokenizer, max_target_tokens: int
) -> EncodedPairs:
    """Tokenise pairs; a reply of more than ``max_target_tokens``, ``EOS`` included, is dropped.

    :raises CorpusError: if no pair is left
    """
    prompts = tokenizer.encode_batch([pair.prompt for pair in pairs])
    replies = tokenizer.encode_batch([pair.reply for pair in pairs])
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    characters: list[int] = []
    for pair, prompt, reply in zip(pairs, prompts, replies, strict=True):
        if len(reply) < max_target_tokens:
            sources.append(tokenizer.close_source(prompt))
            targets.append([BOS_ID, *reply, EOS_ID])
            characters.append(len(pair.reply))
    if not sources:
        raise CorpusError(
            "The corpora leave too little to train on and to hold out; give more dialogue, with"
            f" replies of fewer than {max_target_tokens} tokens."
        )
    return EncodedPairs(
        *_flat(sources), *_flat(targets), torch.tensor(characters, dtype=torch.int64)
    )


def _flat(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    starts = torch.zeros(len(rows) + 1, dtype=torch.int64)
    starts[1:] = torch.tensor([len(row) for row in rows]).cumsum(0)
    return torch.tensor([i for row in rows for i in row], dtype=torch.int32), starts
