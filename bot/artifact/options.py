"""How to search for a reply, in what precision, and what a search finds: plain values, without
torch."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from bot.errors import UsageError

MAX_BEAM_SIZE = 64
PRECISIONS = ("auto", "fp32", "int8", "half")  # see bot/artifact/precision.py


def check_precision(precision: str) -> None:
    """Refuse what is no precision.

    :raises UsageError: if it is none of ``PRECISIONS``
    """
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is not a precision; use auto, fp32, int8 or half.")


@dataclass(frozen=True)
class SearchOptions:
    """How a reply is searched for. The defaults are greedy search, which takes the most probable
    token at each step.

    :param beam_size: how many beginnings are kept at each step; 1 is greedy search
    :param length_penalty: alpha of Wu et al., 2016 (https://arxiv.org/abs/1609.08144, section 7):
        how much a beam favours long replies; 0 not at all
    :param min_length: the fewest tokens of a reply
    :param no_repeat_ngram: no n tokens in a row occur twice in a reply; 0 allows it
    :param banned_ids: ids that are never written
    :param temperature: draw tokens by chance: 1 as probable as the model finds them, less for
        safer replies; 0 takes the most probable
    :param top_k: draw among the k most probable tokens; 0 among all
    :param seed: the same seed and source give the same reply; ``None`` is another seed each time
    :raises UsageError: if a value is out of its range, or two do not go together
    """

    beam_size: int = 1
    length_penalty: float = 0.6
    min_length: int = 0
    no_repeat_ngram: int = 0
    banned_ids: tuple[int, ...] = ()
    temperature: float = 0.0
    top_k: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.beam_size <= MAX_BEAM_SIZE:
            raise UsageError(
                f"beam_size is {self.beam_size}; it must be a whole number from 1 to"
                f" {MAX_BEAM_SIZE}."
            )
        for name in ("length_penalty", "temperature"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} is {value}; it must be a number from 0 up.")
        for name in ("min_length", "no_repeat_ngram", "top_k"):
            value = getattr(self, name)
            if value < 0:
                raise UsageError(f"{name} is {value}; it must be a whole number from 0 up.")
        if self.temperature == 0 and self.top_k > 1:
            raise UsageError(
                f"top_k is {self.top_k} and the temperature is 0, which takes the most probable"
                " token; give a temperature above 0, such as 0.7."
            )
        if self.temperature == 0 and self.seed is not None:
            raise UsageError(
                f"seed is {self.seed} and the temperature is 0, which leaves nothing to chance;"
                " give a temperature above 0, such as 0.7."
            )
        if self.temperature > 0 and self.beam_size > 1:
            raise UsageError(
                "A beam search leaves nothing to chance; use a beam size of 1 or a temperature of"
                " 0."
            )

    @property
    def is_greedy(self) -> bool:
        """Whether nothing but the most probable token is asked for at each step."""
        return (
            self.beam_size == 1
            and self.temperature == 0
            and not (self.min_length or self.no_repeat_ngram or self.banned_ids)
        )


GREEDY = SearchOptions()


@dataclass(frozen=True)
class Hypothesis:
    """A reply that a search found.

    :param token_ids: without ``EOS``
    :param log_probability: of these tokens, and of ``EOS`` if the reply ended by itself, in nats
    :param score: what replies are compared by: the log-probability, divided by a power of the
        length that the search's ``length_penalty`` says
    :param ended: whether the reply ended by itself, with ``EOS``, before its maximum length
    """

    token_ids: list[int]
    log_probability: float
    score: float
    ended: bool


class Attention(NamedTuple):
    """Where a model looked while it wrote a reply.

    :param source: S tokens, legible
    :param reply: T tokens, legible
    :param weights: T rows of S weights that sum to 1
    """

    source: list[str]
    reply: list[str]
    weights: list[list[float]]
