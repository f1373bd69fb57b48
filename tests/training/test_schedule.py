"""The schedule of a run."""

import pytest

from bot.training.schedule import learning_rate_at, share_at
from bot.training.training_config import TrainingConfig


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainingConfig(steps=100, warmup_steps=10, decay_share=0.5, learning_rate=1.0)
    rates = [learning_rate_at(config, step, share_at(config, step, 0.0)) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)


def test_a_short_run_rises_in_its_first_tenth_whatever_the_warm_up() -> None:
    config = TrainingConfig(steps=100, warmup_steps=500, decay_share=0.4, learning_rate=1.0)
    rates = [learning_rate_at(config, step, share_at(config, step, 0.0)) for step in range(100)]
    assert rates[5] == pytest.approx(0.5)
    assert rates[10:60] == [1.0] * 50


def test_a_budget_of_minutes_has_the_same_schedule_over_time() -> None:
    config = TrainingConfig(steps=None, minutes=10, warmup_steps=500, learning_rate=1.0)
    rates = [
        learning_rate_at(config, step, share_at(config, step, 6.0 * step)) for step in range(100)
    ]
    steps = TrainingConfig(steps=100, warmup_steps=500, learning_rate=1.0)
    assert rates == pytest.approx(
        [learning_rate_at(steps, step, share_at(steps, step, 0.0)) for step in range(100)]
    )


def test_of_two_budgets_the_first_to_be_used_up_ends_the_run() -> None:
    config = TrainingConfig(steps=100, minutes=1)
    assert share_at(config, 50, 6.0) == 0.5
    assert share_at(config, 10, 45.0) == 0.75
    assert share_at(config, 10, 61.0) == share_at(config, 101, 1.0) == 1.0
