"""The optimiser: which parameters learn at which rate, and whose gradients are clipped together."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bot.model.seq2seq import Seq2Seq


class Side(NamedTuple):
    """Parameters that are clipped together, and their learning rate over the configured one."""

    parameters: list[Tensor]
    rate: float


def sides(model: Seq2Seq, decoder_learning_ratio: float | None) -> list[Side]:
    """The whole model; with a ratio encoder and decoder apart, and the embedding in both.

    The tutorial has an optimiser for each, and gives both the shared embedding.
    """
    if decoder_learning_ratio is None:
        return [Side(list(model.parameters()), 1.0)]
    embedding = model.embedding.weight
    decoder = [*model.decoder.parameters(), *model.output.parameters()]
    return [
        Side([embedding, *model.encoder.parameters()], 1.0),
        Side([embedding, *(p for p in decoder if p is not embedding)], decoder_learning_ratio),
    ]


class Optimizer:
    """AdamW over the sides of a model.

    What is on two sides learns at the sum of their rates: two Adam optimisers that see the same
    gradients have the same moments, so that their two steps are one step of the summed rate.

    :param weight_decay: on matrices only; at 0 this is Adam (Kingma and Ba, 2015)
    :param clip: the largest gradient norm of a side
    """

    def __init__(self, sides: Sequence[Side], weight_decay: float, clip: float) -> None:
        self._sides = sides
        self._clip = clip
        rates: dict[Tensor, float] = {}
        for side in sides:
            for parameter in side.parameters:
                rates[parameter] = rates.get(parameter, 0.0) + side.rate
        groups: dict[tuple[float, bool], list[Tensor]] = {}
        for is_vector in (False, True):
            for parameter, rate in rates.items():
                if (parameter.dim() <= 1) == is_vector:
                    groups.setdefault((rate, is_vector), []).append(parameter)
        self._rates = [rate for rate, _ in groups]
        decays = [0.0 if is_vector else weight_decay for _, is_vector in groups]
        self.adam = torch.optim.AdamW(
            [
                {"params": parameters, "weight_decay": decay}
                for parameters, decay in zip(groups.values(), decays, strict=True)
            ],
            fused=True,
        )

    def step(self, learning_rate: float, scaler: torch.amp.GradScaler) -> None:
        """Clip each side's gradients and move the parameters; the gradients are cleared.

        :param scaler: what the loss was scaled with
        """
        for group, rate in zip(self.adam.param_groups, self._rates, strict=True):
            group["lr"] = learning_rate * rate
        scaler.unscale_(self.adam)
        for side in self._sides:
            nn.utils.clip_grad_norm_(side.parameters, self._clip)
        scaler.step(self.adam)
        scaler.update()
        self.adam.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """The moments, to be saved."""
        return self.adam.state_dict()

    def take_over(self, moments: Mapping[Tensor, Mapping[str, Tensor]]) -> None:
        """Go on with the moments of another optimiser.

        :param moments: Adam's ``step``, ``exp_avg`` and ``exp_avg_sq`` of every parameter
        """
        state = self.adam.state_dict()
        for group, numbered in zip(self.adam.param_groups, state["param_groups"], strict=True):
            for parameter, number in zip(group["params"], numbered["params"], strict=True):
                # Copies: each parameter counts its own steps, and the fused kernel reads memory
                # as it lies.
                state["state"][number] = {
                    name: moment.clone(memory_format=torch.contiguous_format)
                    for name, moment in moments[parameter].items()
                }
        self.adam.load_state_dict(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take moments over.

        :raises ValueError: if they are of other parameters
        """
        self.adam.load_state_dict(state)
