"""What a run reports while it trains: how far it is, how fast, and how long it will take."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.training.held_out import HeldOutLoss


@dataclass(frozen=True)
class Progress:
    """What a run reports after each step.

    :param nats_per_token: moving average of the training loss
    :param tokens_per_s: target tokens a second since the run was started or resumed
    :param steps_per_s: likewise, evaluations included
    :param share: of the run that is over, from 0 to 1
    :param seconds: of training so far, the time before a resume included
    :param seconds_left: to the end of the run, at the speed since it was started or resumed
    """

    step: int
    nats_per_token: float
    tokens_per_s: float
    steps_per_s: float
    share: float
    seconds: float
    seconds_left: float


OnStep = Callable[[Progress], None]
OnEvaluation = Callable[[HeldOutLoss], None]


class Pace:
    """How fast a run has been since it was started or resumed.

    :param step: steps taken until then
    :param share: of the run that was over then
    :param seconds: of training until then
    """

    def __init__(self, step: int, share: float, seconds: float) -> None:
        self._step = step
        self._share = share
        self._seconds = seconds
        self._tokens = 0

    def after(
        self, step: int, share: float, seconds: float, tokens: int, nats_per_token: float
    ) -> Progress:
        """What to report after a step.

        :param tokens: target tokens of this step
        """
        self._tokens += tokens
        elapsed = seconds - self._seconds
        return Progress(
            step,
            nats_per_token,
            self._tokens / elapsed,
            (step - self._step) / elapsed,
            share,
            seconds,
            (1 - share) * elapsed / (share - self._share),
        )
