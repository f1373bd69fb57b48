"""How to search for a reply, in what precision, and what a search finds: plain values, without
torch."""

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from bot.errors import UsageError

MAX_BEAM_SIZE = 64
MAX_TOKENS = 1_000_000  # more than a reply or a vocabulary has
PRECISIONS = ("auto", "fp32", "int8", "half")  # see bot/artifact/precision.py


def check_precision(precision: str) -> None:
    """Refuse what is no precision.

    :raises UsageError: if it is none of ``PRECISIONS``
    """
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is not a precision; use auto, fp32, int8 or half.")


class Option(NamedTuple):
    """What is said once of a search option: its checks and its place on the command line follow.

    :param help: a sentence for ``--help``
    :param least, most: the bounds of a number
    :param metavar: what ``--help`` calls its value; by default its type
    :param flag: on the command line; by default ``--`` and its name
    """

    help: str
    least: float | None = None
    most: float | None = None
    metavar: str | None = None
    flag: str | None = None


@dataclass(frozen=True)
class SearchOptions:
    """How a reply is searched for. The defaults are greedy search, which takes the most probable
    token at each step.

    This is where search options are declared: ``chat`` and ``run`` take each that has an
    ``Option``. What one means is up to ``find_hypotheses``.

    :param banned_ids: ids that are never written
    :raises UsageError: if a value is out of its range, or two do not go together
    """

    beam_size: Annotated[
        int,
        Option(
            "Keep the K best beginnings of a reply while searching; 1 is greedy search.",
            metavar="K",
            least=1,
            most=MAX_BEAM_SIZE,
            flag="--beam",
        ),
    ] = 1
    length_penalty: Annotated[
        float,
        # Alpha of Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 7.
        Option(
            "How much a beam favours long replies; 0: not at all.", metavar="X", least=0, most=10
        ),
    ] = 0.6
    temperature: Annotated[
        float,
        Option(
            "Draw tokens by chance: 1 as probable as the model finds them, 0.7 for safer replies;"
            " 0: never.",
            metavar="X",
            least=0,
        ),
    ] = 0.0
    top_k: Annotated[
        int,
        Option(
            "Draw among the K most probable tokens; 0: all.",
            metavar="K",
            least=0,
            most=MAX_TOKENS,
        ),
    ] = 0
    seed: Annotated[
        int | None,
        Option(
            "The same seed and source give the same reply. Default: another seed each time.",
            metavar="N",
        ),
    ] = None
    no_repeat_ngram: Annotated[
        int,
        Option(
            "No N tokens in a row occur twice in a reply; 0: they may.",
            metavar="N",
            least=0,
            most=MAX_TOKENS,
        ),
    ] = 0
    min_length: Annotated[
        int, Option("The fewest tokens of a reply.", metavar="N", least=0, most=MAX_TOKENS)
    ] = 0
    banned_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for declared in declared_options():
            declared.check(getattr(self, declared.name))
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
        return all(
            getattr(self, field.name) == field.default
            for field in fields(self)
            if field.name not in MEAN_NOTHING_ALONE
        )


# They say how a beam or chance works, if there is any.
MEAN_NOTHING_ALONE = ("length_penalty", "top_k", "seed")


class DeclaredOption(NamedTuple):
    """A field of ``SearchOptions`` that has an ``Option``."""

    name: str
    type: Any
    default: Any
    option: Option

    def check(self, value: Any) -> None:
        """Refuse a value that is out of bounds.

        :raises UsageError: if it is
        """
        least, most = self.option.least, self.option.most
        if least is None or (least <= value < math.inf and (most is None or value <= most)):
            return
        kind = "number" if self.type is float else "whole number"
        up_to = "up" if most is None else f"to {most}"
        raise UsageError(f"{self.name} is {value}; it must be a {kind} from {least} {up_to}.")


@cache
def declared_options() -> tuple[DeclaredOption, ...]:
    """The search options that the command line has, in the order of their declaration."""
    declared = []
    for field in fields(SearchOptions):
        if get_origin(field.type) is Annotated:
            type_, option = get_args(field.type)
            declared.append(DeclaredOption(field.name, type_, field.default, option))
    return tuple(declared)


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
