"""From corpora to token ids: mixing, thinning, splitting."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
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


# A message can come at any moment of a conversation: so often a pair that stands alone in its
# corpus is seen after two turns of another conversation.
UNRELATED_CONTEXT = 0.5
# And so often the turns before a message are left out.
FORGOTTEN_CONTEXT = 0.2


class Example(NamedTuple):
    """The last turns of a conversation, the newest last, and the reply to them."""

    turns: tuple[str, ...]
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

    :param max_source_turns: how many turns before a reply the model sees
    :param max_reply_words: longer replies are cut at a sentence, or dropped
    :param max_reply_count: how often the same reply may occur in one corpus; the rest is dropped
    :param max_prompt_count: the same for what is replied to, whatever its case and punctuation
    :param drop: a regular expression; examples in which it is found are dropped
    :param max_prompt_words: an example whose newest turn is longer is dropped; 0: no limit
    :param cut_replies: whether a long reply is cut at a sentence; else its example is dropped
    :param clean: whether replies are rewritten as written language, and dropped where that fails;
        else turns are taken as they are
    :param augment: whether training prompts are also seen as others might type them, without their
        context or after an unrelated one
    :param deduplicate: whether an example that occurred before in its corpus is dropped
    :param offensive: the list of words that no example may hold: ``default``, a path, or ``none``
    :param script: the scripts, such as ``Latin`` or ``Han,Hiragana,Katakana``, that all letters of
        an example belong to; empty: any
    :param reverse: whether conversations are read backwards, so that prompt and reply change places
    """

    max_source_turns: int = 3
    max_reply_words: int = 20
    max_reply_count: int = 40
    max_prompt_count: int = 40
    drop: str = ""
    seed: int = 0
    max_prompt_words: int = 0
    cut_replies: bool = True
    clean: bool = True
    augment: bool = True
    deduplicate: bool = True
    offensive: str = "default"
    script: str = ""
    reverse: bool = False


def split_of(conversation: Conversation) -> str:
    """``train``, ``valid`` or ``test``, by the content alone, so that no conversation is in two."""
    digest = sha256("\n".join(conversation.turns).encode("utf-8", "surrogatepass")).digest()
    bucket = int.from_bytes(digest[:8], "big") % 1000
    if bucket < HELD_OUT_PERMILLE:
        return "valid"
    return "test" if bucket < 2 * HELD_OUT_PERMILLE else "train"


def mix(
    corpora: Sequence[WeightedCorpus],
    config: MixConfig,
    on_corpus: Callable[[str, int], None] = lambda source, examples: None,
) -> dict[str, list[Example]]:
    """Read, clean, thin and weigh corpora.

    Training examples are repeated by their corpus' weight, each time as somebody else might have
    typed them. Held-out examples are neither weighted nor changed.

    :param on_corpus: called after each corpus with its name and how many examples it gave
    :raises CorpusError: if a corpus cannot be read
    """
    rng = random.Random(config.seed)
    splits: dict[str, list[Example]] = {name: [] for name in SPLITS}
    overheard: list[tuple[str, str]] = []  # pairs of turns from all conversations so far
    for corpus in corpora:
        kept = 0
        replies: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        prompts: Counter[str] = Counter()
        for split, example, alone in _clean_examples(corpus.source, config):
            if split != "train":
                splits[split].append(example)
                continue
            reply, source = example.reply.lower(), spoken("\n".join(example.turns))
            prompt = spoken(example.turns[-1])
            if (
                replies[reply] >= config.max_reply_count
                or sources[source] >= config.max_prompt_count
            ):
                continue
            replies[reply] += 1
            sources[source] += 1
            prompts[prompt] += 1
            copies = int(corpus.weight) + (rng.random() < corpus.weight % 1)
            for _ in range(copies):
                turns = _variant(example.turns, rng)
                # What is said to a frequent message, such as "Thank you!", depends on what was
                # said before: without that there is nothing to learn.
                if prompts[prompt] <= config.max_prompt_count and rng.random() < FORGOTTEN_CONTEXT:
                    turns = turns[-1:]
                elif alone and overheard and rng.random() < UNRELATED_CONTEXT:
                    turns = (*rng.choice(overheard), *turns)[-config.max_source_turns :]
                splits[split].append(Example(turns, example.reply))
            overheard.append((example.turns[-1], example.reply))
            kept += copies
        on_corpus(corpus.source, kept)
    return splits


def _clean_examples(source: str, config: MixConfig) -> Iterator[tuple[str, Example, bool]]:
    """Split, example, and whether its conversation has nothing else in it."""
    drop = re.compile(config.drop, re.IGNORECASE) if config.drop else None
    for conversation in read_conversations(source):
        split = split_of(conversation)
        turns = [tidy(turn) for turn in conversation.turns]
        fit = [
            not (unusable(turn) or OFFENSIVE.search(turn) or (drop and drop.search(turn)))
            for turn in turns
        ]
        well = [written(turn) for turn in turns]
        for index in range(conversation.first_reply, len(turns)):
            reply = shortened(well[index], config.max_reply_words)
            if not (fit[index - 1] and fit[index] and reply and well_written(reply)):
                continue
            first = index
            while first > max(0, index - config.max_source_turns) and fit[first - 1]:
                first -= 1
            # The turns of the one who replies look as the model writes them.
            context = tuple(
                well[i] if (index - i) % 2 == 0 and well[i] else turns[i].replace("\n", " ")
                for i in range(first, index)
            )
            yield split, Example(context, reply), len(turns) == 2


def _variant(turns: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """The turns with those of the other speaker as somebody else might have typed them.

    Half of the time they get other final marks, else they lose capitals and punctuation, and half
    of those their apostrophes too.
    """
    capitals = rng.random() < 0.5
    apostrophes = capitals or rng.random() < 0.5

    def typed(turn: str) -> str:
        if capitals:
            text = turn.rstrip(".!")
            if text and text[-1] != "?":
                text += rng.choice(("", ".", "!"))
        else:
            text = spoken(turn)
            if not apostrophes:
                text = text.replace("'", "")
        return text or turn

    theirs = len(turns) % 2  # the parity of the newest turn, counted from 1
    return tuple(
        typed(turn) if position % 2 == theirs else turn for position, turn in enumerate(turns, 1)
    )


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


def encode_examples(
    examples: Sequence[Example], tokenizer: Tokenizer, max_target_tokens: int
) -> EncodedPairs:
    """Tokenise examples; one whose reply has ``max_target_tokens`` or more is dropped.

    :raises CorpusError: if no example is left
    """
    texts = list({text: None for turns, reply in examples for text in (*turns, reply)})
    ids = dict(zip(texts, tokenizer.encode_batch(texts), strict=True))
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    characters: list[int] = []
    for turns, reply in examples:
        if len(ids[reply]) < max_target_tokens:
            sources.append(tokenizer.join_turns([ids[turn] for turn in turns]))
            targets.append([BOS_ID, *ids[reply], EOS_ID])
            characters.append(len(reply))
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
