"""What a training configuration takes."""

import pytest

from bot.training.training_config import TrainingConfig


def test_a_run_that_would_never_end_or_begin_is_refused() -> None:
    with pytest.raises(ValueError, match="neither steps nor minutes"):
        TrainingConfig(steps=None)
    with pytest.raises(ValueError, match="minutes\n"):
        TrainingConfig(minutes=0)
    with pytest.raises(ValueError, match="steps\n  Input should be greater"):
        TrainingConfig(steps=-1)
