"""Measures of a published model: how well it predicts replies, how varied its own are.

Everything is counted on the raw text, so that models with other vocabularies compare.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.artifact.artifact import Artifact
from bot.data.selection import Example
from bot.text.tokenizer import EOS_ID
from bot.text.words import unit_of, words_and_marks

# Padded target tokens a batch: their logits, tokens x V, stay below 100 MB.
TOKENS_PER_BATCH = 1024


@dataclass(frozen=True)
class Likelihood:
    """How probable a model finds given replies.

    :param targets: how many replies
    :param tokens: of the model's own vocabulary, each reply's ``EOS`` included
    :param characters: of the replies' raw text, ends of replies not counted
    :param nats: the cross-entropy of all tokens together
    """

    targets: int
    tokens: int
    characters: int
    nats: float

    @property
    def perplexity(self) -> float:
        """exp of the mean cross-entropy per token; compares models of one vocabulary only."""
        if not self.tokens:
            return math.nan
        nats_per_token = self.nats / self.tokens
        return math.exp(nats_per_token) if nats_per_token < 700 else math.inf

    @property
    def bits_per_character(self) -> float:
        """The total cross-entropy in bits, ``EOS`` included, over the raw text's characters.

        Compares models of any vocabularies, but favours one that normalises: what lower case and
        dropped characters carry, it need not predict and is counted all the same.
        """
        return self.nats / math.log(2) / self.characters if self.characters else math.nan


@dataclass(frozen=True)
class HeldOutLikelihood:
    """Over all replies, and over those that the vocabulary can spell.

    An unknown word is predicted as ``UNK``, or, by a vocabulary without one, left out; either is
    too easy. A byte-level vocabulary knows every reply.
    """

    every: Likelihood
    known: Likelihood


def likelihood(
    artifact: Artifact,
    examples: Sequence[Example],
    on_batch: Callable[[int], None] = lambda targets: None,
) -> HeldOutLikelihood:
    """Measure a model on the replies of examples, whatever it would have said itself.

    The artifact's tokenizer encodes turns and reply; no reply is left out or cut.

    :param on_batch: called after each batch with how many replies it held
    :raises SearcherError: if the artifact was exported before searchers could score
    """
    encode = artifact.tokenizer
    targets = [[*ids, EOS_ID] for ids in encode.encode_batch([e.reply for e in examples])]
    by_length = sorted(range(len(examples)), key=lambda i: len(targets[i]))
    nats = [0.0] * len(examples)
    for batch in _batches(by_length, [len(ids) for ids in targets]):
        sources = [encode.encode_source(*examples[i].turns) for i in batch]
        rows = artifact.target_scores(sources, [targets[i] for i in batch])
        for i, row in zip(batch, rows, strict=True):
            nats[i] = -math.fsum(row)
        on_batch(len(batch))

    def total(chosen: Sequence[int]) -> Likelihood:
        return Likelihood(
            targets=len(chosen),
            tokens=sum(len(targets[i]) for i in chosen),
            characters=sum(len(examples[i].reply) for i in chosen),
            nats=math.fsum(nats[i] for i in chosen),
        )

    everything = range(len(examples))
    return HeldOutLikelihood(
        total(everything), total([i for i in everything if encode.knows(examples[i].reply)])
    )


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Consecutive indices whose padded targets fit together; one that alone does not is alone."""
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * lengths[i] <= TOKENS_PER_BATCH:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def distinct(replies: Sequence[str], n: int) -> float:
    """Distinct-n: how many different n-grams of words there are, over the number of all words.

    Where no space parts words, as in Chinese, they are n-grams of characters.

    Li et al., 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models",
    https://arxiv.org/abs/1510.03055. It falls with the number of replies: compare equal numbers.
    """
    tokens = [words_and_marks(reply) for reply in replies]
    ngrams = {tuple(row[i : i + n]) for row in tokens for i in range(len(row) - n + 1)}
    return len(ngrams) / max(1, sum(map(len, tokens)))


@dataclass(frozen=True)
class Variety:
    """How varied replies are.

    :param replies: how many
    :param distinct_1: different words over all words, or characters, see ``distinct``
    :param distinct_2: different pairs of adjacent ones over all of them
    :param most_frequent: the replies that occur most often, with their shares of all replies
    :param mean_length: words a reply, punctuation marks not counted
    :param unit: what is counted: ``words``, or ``characters`` where no space parts words
    """

    replies: int
    distinct_1: float
    distinct_2: float
    most_frequent: tuple[tuple[str, float], ...]
    mean_length: float
    unit: str

    @classmethod
    def of(cls, replies: Sequence[str], most_frequent: int = 10) -> "Variety":
        """Measure replies: at least one."""
        counts = Counter(replies).most_common(most_frequent)
        spoken = sum(word[0].isalnum() for reply in replies for word in words_and_marks(reply))
        return cls(
            len(replies),
            distinct(replies, 1),
            distinct(replies, 2),
            tuple((reply, count / len(replies)) for reply, count in counts),
            spoken / len(replies),
            unit_of(replies),
        )
