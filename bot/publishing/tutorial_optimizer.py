"""The moments of the Adam optimisers that a tutorial checkpoint has, ``en_opt`` and ``de_opt``."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bot.publishing.tutorial_checkpoint import (
    WEIGHT_DTYPES,
    TutorialCheckpoint,
    is_plain,
    number,
)
from bot.publishing.tutorial_weights import by_our_names

AVERAGES = ("exp_avg", "exp_avg_sq")


def moments_of(checkpoint: TutorialCheckpoint) -> dict[str, dict[str, Tensor]] | None:
    """Adam's state of each parameter of our model, by its name.

    Both of the tutorial's optimisers have the embedding, and saw the same gradients of it.

    :return: ``None`` if there is none, it is another optimiser's, or does not fit the weights
    """
    of_encoder = _by_tensor(checkpoint.encoder_optimizer, checkpoint.encoder)
    of_decoder = _by_tensor(checkpoint.decoder_optimizer, checkpoint.decoder)
    if of_encoder is None or of_decoder is None:
        return None
    first, second = (
        by_our_names(
            checkpoint,
            {name: state[average] for name, state in of_encoder.items()},
            {name: state[average] for name, state in of_decoder.items()},
        )
        for average in AVERAGES
    )
    if any(bool((average < 0).any()) for average in second.values()):
        return None
    step = of_encoder["embedding.weight"]["step"]
    return {
        name: {"step": step, "exp_avg": first[name], "exp_avg_sq": second[name]} for name in first
    }


def _by_tensor(
    optimizer: Any, tensors: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]] | None:
    """The state of each tensor: an optimiser numbers parameters in the order of the state dict."""
    try:
        (group,) = optimizer["param_groups"]
        states = [optimizer["state"][number] for number in group["params"]]
        return {
            name: {
                "step": torch.tensor(_steps(state["step"])),
                **{average: _like(tensor, state[average]) for average in AVERAGES},
            }
            for (name, tensor), state in zip(tensors.items(), states, strict=True)
        }
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _steps(value: Any) -> float:
    """
    :raises ValueError: if this is no number of steps
    """
    steps = number(value)
    if steps is None or steps < 1:
        raise ValueError("no steps")
    return steps


def _like(tensor: Tensor, average: Any) -> Tensor:
    """
    :raises ValueError: if the average is not one of such a tensor
    """
    if not is_plain(average) or average.dtype not in WEIGHT_DTYPES or average.shape != tensor.shape:
        raise ValueError("no such average")
    values: Tensor = average.detach().float()
    if not values.isfinite().all():
        raise ValueError("not finite")
    return values
