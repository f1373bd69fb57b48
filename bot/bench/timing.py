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
    :param mean_ms: the mean over the items of each item's median. Ratios are made of it, because
        a median over the items would ignore those that take long
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

    One subject takes some items, then the next takes the same ones: A B C A B C. Each turn begins
    with a call that is not measured, because the subject before has emptied the caches. The caller
    warms up what has to be compiled first.

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
