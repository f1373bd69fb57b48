"""What ``train`` prints while it runs."""

import io

import pytest
from rich.console import Console

from bot.cli.training_progress import ProgressLines, duration
from bot.training.progress import Progress


def lines_of(steps: int, seconds_a_step: float, total: int) -> list[str]:
    """What is printed of the first steps of a run."""
    told = io.StringIO()
    lines = ProgressLines(Console(file=told, soft_wrap=True))
    for step in range(1, steps + 1):
        left = (total - step) * seconds_a_step
        lines(
            Progress(
                step, 3.0, 2000.0, 1 / seconds_a_step, step / total, step * seconds_a_step, left
            )
        )
    return told.getvalue().splitlines()


def test_the_end_is_foretold_after_a_few_steps_and_again_in_each_line() -> None:
    assert lines_of(120, 0.02, 20_000) == [
        "The run ends in about 7 min, at step 20,000 or so.",
        "step 100: loss 3.000, 2,000 tokens/s, 7 min left",
    ]


def test_a_slow_run_prints_a_line_every_thirty_seconds() -> None:
    first, *others = lines_of(60, 2.3, 20_000)
    assert first == "The run ends in about 12 h 46 min, at step 20,000 or so."
    assert [line.partition(":")[0] for line in others] == [
        "step 15",
        "step 29",
        "step 43",
        "step 57",
    ]


def test_where_a_step_takes_minutes_each_is_a_line() -> None:
    lines = lines_of(3, 100.0, 1000)
    assert [line.partition(":")[0] for line in lines] == [
        *("The run ends in about 27 h 43 min, at step 1,000 or so.", "step 2", "step 3")
    ]


def test_the_last_step_is_told_of() -> None:
    assert lines_of(7, 0.1, 7) == ["step 7: loss 3.000, 2,000 tokens/s, 0 s left"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3570, "1 h 0 min"), (46_800, "13 h 0 min")],
)
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
