import numpy as np
import pytest

from bot.bench.timing import Timing, take_turns


def test_subjects_take_turns_on_the_same_items_each_after_an_unmeasured_call() -> None:
    calls: list[tuple[str, int]] = []
    seconds = take_turns(
        {"a": lambda i: calls.append(("a", i)), "b": lambda i: calls.append(("b", i))},
        items=3,
        rounds=2,
        turn=2,
    )
    first = [("a", 0), ("a", 0), ("a", 1), ("b", 0), ("b", 0), ("b", 1)]
    second = [("a", 2), ("a", 2), ("b", 2), ("b", 2)]
    assert calls == (first + second) * 2
    assert {name: times.shape for name, times in seconds.items()} == {"a": (2, 3), "b": (2, 3)}


def test_the_mean_is_of_each_items_median_and_the_percentiles_are_of_all() -> None:
    seconds = np.array([[1.0, 3.0], [1.0, 5.0], [100.0, 4.0]]) / 1e3
    timing = Timing.of(seconds)
    assert timing.mean_ms == pytest.approx((1 + 4) / 2)
    assert timing.median_ms == pytest.approx(3.5)
    assert timing.p95_ms == pytest.approx(np.percentile([1, 1, 3, 4, 5, 100], 95))
