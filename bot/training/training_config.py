"""How a model is trained: the numbers, and what follows from them."""

from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from bot.errors import UsageError
from bot.training.loss import Reduction

Precision = Literal["float32", "bf16", "fp16"]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
# PyTorch's generators take 64 bits, and what is made of the seed must fit too.
MAX_SEED = 2**32 - 1

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class TrainingConfig:
    """How a model is trained.

    :param steps: optimiser steps in all; ``None``: as many as ``minutes`` allow
    :param minutes: of training in all, the time before a resume included; ``None``: as many as
        ``steps`` take. With both, the run ends with the first of them
    :param batch_size: pairs a step and process
    :param learning_rate: at its highest, after the warm-up
    :param warmup_steps: the rate rises linearly over these, or over a tenth of the run if that is
        shorter, ...
    :param decay_share: ... and falls to zero over this last share of the run
    :param weight_decay: of AdamW, on matrices only; 0 makes it Adam
    :param clip: the largest gradient norm
    :param decoder_learning_ratio: the decoder's learning rate over the encoder's; each is clipped
        on its own then, and the embeddings, which belong to both, learn at the sum of their rates.
        ``None``: one rate and one norm for the whole model
    :param teacher_forcing: the share of the batches in which the decoder is fed gold tokens; in
        the others it is fed its own, step by step. It is decided once a batch, as in the tutorial
    :param loss: ``tokens`` or ``steps``, see ``loss.step_weights``
    :param evaluate_every: steps between evaluations on the validation split; ``None``: a
        twentieth of the run
    :param patience: stop after so many evaluations in a row that were no better than the best
        before them, and keep the best weights; ``None``: train to the last step
    :param save_every_s: seconds between checkpoints
    :param save_every: steps between checkpoints, instead of seconds
    :param precision: what is computed in where autocast allows it; weights stay float32
    :raises ValueError: if a value is of another type than its field, or out of its bounds
    """

    steps: Count | None = 20_000
    minutes: Rate | None = None
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 128
    learning_rate: Rate = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    decay_share: Share = 0.4
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Rate = 1.0
    decoder_learning_ratio: Annotated[float, Field(ge=0)] | None = None
    teacher_forcing: Share = 1.0
    loss: Reduction = "tokens"
    evaluate_every: Count | None = None
    patience: Count | None = None
    save_every_s: Rate = 60.0
    save_every: Count | None = None
    precision: Precision = "float32"
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ValueError("neither steps nor minutes say when the run ends")

    @classmethod
    def read(cls, values: dict[str, Any]) -> "TrainingConfig":
        """From the values in ``run.json``.

        :raises ValueError: if one of them is unknown or cannot be used
        """
        values = dict(values)
        if values.pop("bf16", False):  # as version 0.1.0 wrote it
            values["precision"] = "bf16"
        return cls(**values)

    def forces_at(self, step: int) -> bool:
        """Whether the decoder is fed gold tokens in this step, the same in every process."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return float(torch.rand((), generator=generator)) < self.teacher_forcing


def first_problem(error: Exception) -> str:
    """What is wrong with a value, in one line; pydantic takes several for it."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    return f"{name} is {problem['input']!r}: {problem['msg'].lower()}"


def check_precision(precision: str, device: str) -> None:
    """See whether a device can do it.

    :raises UsageError: for bfloat16 on a GPU that would only emulate it
    """
    if (
        device == "cuda"
        and precision == "bf16"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise UsageError("This GPU does not compute in bfloat16; use --precision fp16.")
