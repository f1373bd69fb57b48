"""Timing of several things that take turns, so that a machine's noise meets all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """How long something took, over repetitions of the same items.

    :param median_ms: of all measurements
    :param p95_ms: their 95th percentile
    :param mean_ms: over the items, of each one's median over its repetitions: what an item costs,
        which a ratio of two things that need different times for different items is made of
    """

    median_ms: float
    p95_ms: float
    mean_ms: float

    @classmethod
    def of(cls, seconds: Seconds) -> "Timing":
        """Sum up measurements, (rounds, items)."""
        return cls(
            median_ms=float(np.median(seconds)) * 1e3,
            p95_ms=float(np.percentile(seconds, 95)) * 1e3,
            mean_ms=float(np.median(seconds, axis=0).mean()) * 1e3,
        )


def take_turns(
    subjects: Mapping[str, Callable[[int], object]],
    *,
    items: int,
    rounds: int,
    turn: int,
    on_turn: Callable[[], None] = lambda: None,
) -> dict[str, Seconds]:
    """Measure each subject on each item, (rounds, items), in seconds.

    A subject has its turn on so many items, then the next has the same ones: A B C A B C. A turn
    begins with a call that is not measured, because the one before it has emptied the caches; what
    has to be compiled first is warmed up by the caller.

    :param subjects: functions of an item's index
    :param turn: how many items
    :param on_turn: called after each
    """
    seconds = {name: np.empty((rounds, items)) for name in subjects}
    for round_ in range(rounds):
        for start in range(0, items, turn):
            for name, subject in subjects.items():
                subject(start)
                for item in range(start, min(start + turn, items)):
                    began = time.perf_counter()
                    subject(item)
                    seconds[name][round_, item] = time.perf_counter() - began
                on_turn()
    return seconds
