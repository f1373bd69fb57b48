"""What depends on how much of a run is over: the learning rate, and when the model is measured."""

import math

from bot.training.training_config import TrainingConfig

EVALUATIONS = 20  # a run, unless ``evaluate_every`` says otherwise
MAX_WARMUP_SHARE = 0.1  # a short run, or one on a slow machine, has few steps in all


def share_at(config: TrainingConfig, step: int, seconds: float) -> float:
    """How much of the run is over, from 0 to 1.

    :param step: steps taken so far
    :param seconds: of training so far
    """
    of_steps = step / config.steps if config.steps is not None else 0.0
    of_time = seconds / (60 * config.minutes) if config.minutes is not None else 0.0
    return min(1.0, max(of_steps, of_time))


def learning_rate_at(config: TrainingConfig, step: int, share: float) -> float:
    """Warm-up, plateau, linear decay: the plateau can be cut short by a smaller budget.

    :param share: of the run that is over
    """
    rise = max((step + 1) / max(1, config.warmup_steps), share / MAX_WARMUP_SHARE)
    fall = (1 - share) / config.decay_share if config.decay_share else 1.0
    return config.learning_rate * min(1.0, rise, fall)


def evaluates_at(config: TrainingConfig, step: int, share_before: float, share: float) -> bool:
    """Whether the model is measured after a step.

    :param share_before: of the run that was over before it
    :param share: of the run that is over now
    """
    if config.evaluate_every is not None:
        return step % config.evaluate_every == 0 or share == 1
    return math.floor(EVALUATIONS * share) > math.floor(EVALUATIONS * share_before)
