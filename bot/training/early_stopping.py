"""Early stopping: the weights of the lowest held-out loss, and for how long it has not fallen."""

import copy
import math
from typing import Any

from torch import nn


class EarlyStopping:
    """Watches the held-out loss; does nothing without patience.

    :param patience: training stops after so many evaluations in a row that were no better than the
        best before them
    """

    def __init__(self, patience: int | None) -> None:
        self._patience = patience
        self._best: dict[str, Any] = {"step": 0, "nats_per_token": math.inf, "model": None}
        self._evaluations_since_best = 0

    @property
    def best_step(self) -> int:
        """The step whose held-out loss was lowest so far."""
        step: int = self._best["step"]
        return step

    @property
    def is_due(self) -> bool:
        """Whether the loss has not fallen for as long as the patience lasts."""
        return self._patience is not None and self._evaluations_since_best >= self._patience

    def watch(self, step: int, nats_per_token: float, model: nn.Module) -> None:
        """Take note of an evaluation, and keep the weights if they are the best so far."""
        if self._patience is None:
            return
        self._evaluations_since_best += 1
        if nats_per_token < self._best["nats_per_token"]:
            self._evaluations_since_best = 0
            self._best = {
                "step": step,
                "nats_per_token": nats_per_token,
                "model": copy.deepcopy(model.state_dict()),
            }

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, under the checkpoint's own names."""
        return {"best": self._best, "evaluations_since_best": self._evaluations_since_best}

    def load_state_dict(self, checkpoint: dict[str, Any]) -> None:
        """Take over what a checkpoint kept; those of version 0.1.0 kept nothing."""
        self._best = {**self._best, **checkpoint.get("best", {})}
        self._evaluations_since_best = checkpoint.get("evaluations_since_best", 0)
