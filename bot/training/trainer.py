"""Trains a model with teacher forcing, and can be stopped and resumed at any moment."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bot.errors import CheckpointError
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import PAD_ID
from bot.training import checkpoint
from bot.training.batches import collate, epoch_order
from bot.training.dataset import EncodedPairs
from bot.training.evaluation import batch_loss, held_out_loss


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    :param steps: optimiser steps in all
    :param batch_size: pairs a step
    :param learning_rate: at its highest, after the warm-up
    :param warmup_steps: the rate rises linearly over these, ...
    :param decay_share: ... and falls to zero over this last share of the steps
    :param weight_decay: of AdamW, on matrices only
    :param clip: the largest gradient norm
    :param evaluate_every: steps between evaluations on the validation split
    :param save_every_s: seconds between checkpoints
    :param bf16: compute in bfloat16 where autocast allows it; weights stay float32
    """

    steps: int = 20_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    decay_share: float = 0.4
    weight_decay: float = 0.01
    clip: float = 1.0
    evaluate_every: int = 1_000
    save_every_s: float = 60.0
    bf16: bool = False
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, plateau, linear decay: the plateau can be cut short by lowering ``steps``."""
        decay_steps = max(1, round(self.steps * self.decay_share))
        rise = (step + 1) / max(1, self.warmup_steps)
        fall = (self.steps - step) / decay_steps
        return self.learning_rate * min(1.0, rise, fall)


@dataclass(frozen=True)
class Progress:
    """What a run reports after each step.

    :param nats_per_token: moving average of the training loss
    :param tokens_per_s: target tokens a second since the run was started or resumed
    """

    step: int
    nats_per_token: float
    tokens_per_s: float


OnStep = Callable[[Progress], None]


class Trainer:
    """One training run in its folder.

    :param run: the folder; it exists and has the tokenizer
    :param splits: encoded pairs by split
    """

    def __init__(
        self,
        run: Path,
        model_config: ModelConfig,
        config: TrainingConfig,
        splits: dict[str, EncodedPairs],
        device: str = "cpu",
    ) -> None:
        self.run = run
        self.config = config
        self.splits = splits
        self.device = torch.device(device)
        torch.manual_seed(config.seed)
        self.model = Seq2Seq(model_config, PAD_ID).to(self.device)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.model.parameters() if p.dim() > 1]},
            {"params": [p for p in self.model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0
        self.epoch = 0
        self.batch_in_epoch = 0
        self.seconds = 0.0
        self._smoothed = math.nan

    def save(self) -> None:
        """Write the checkpoint."""
        checkpoint.save_atomically(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "epoch": self.epoch,
                "batch_in_epoch": self.batch_in_epoch,
                "seconds": self.seconds,
                "smoothed": self._smoothed,
                "random": torch.get_rng_state(),
            },
            self.run / checkpoint.CHECKPOINT_FILE,
        )

    def resume(self) -> None:
        """Continue where the checkpoint was written.

        If none was written yet that is the beginning: the weights of the run that this one
        fine-tunes, or random ones.

        :raises CheckpointError: if it cannot be read or is of a model of another shape
        """
        path = self.run / checkpoint.CHECKPOINT_FILE
        if not path.exists():
            self._take_base_weights(self.run / checkpoint.BASE_FILE)
            return
        state = checkpoint.load(path)
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.epoch = state["step"], state["epoch"]
            self.batch_in_epoch, self.seconds = state["batch_in_epoch"], state["seconds"]
            self._smoothed = state["smoothed"]
            torch.set_rng_state(state["random"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is of a model of another shape; use the run's own settings."
            ) from error

    def _take_base_weights(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            self.model.load_state_dict(checkpoint.load(path))
        except RuntimeError as error:
            raise CheckpointError(f"{path} is of a model of another shape.") from error

    def train(self, on_step: OnStep, stop: Callable[[], bool]) -> bool:
        """Train until the last step, or until ``stop`` says so, and write the checkpoint.

        :return: whether the last step was reached
        """
        started = saved = time.monotonic()
        seconds_before = self.seconds
        tokens_seen = 0
        for indices in self._remaining_batches():
            if self.step >= self.config.steps or stop():
                break
            loss, tokens = self._step(indices)
            self.batch_in_epoch += 1
            tokens_seen += tokens
            now = time.monotonic()
            self.seconds = seconds_before + now - started
            self._smoothed = (
                loss if math.isnan(self._smoothed) else 0.99 * self._smoothed + 0.01 * loss
            )
            on_step(Progress(self.step, self._smoothed, tokens_seen / (now - started)))
            if self.step % self.config.evaluate_every == 0 or self.step == self.config.steps:
                self._evaluate()
            if now - saved >= self.config.save_every_s:
                self.save()
                saved = now
        self.save()
        return self.step >= self.config.steps

    def _remaining_batches(self) -> Iterator[list[int]]:
        while True:
            batches = epoch_order(
                self.splits["train"], self.config.batch_size, self.config.seed, self.epoch
            )
            while self.batch_in_epoch < len(batches):
                yield batches[self.batch_in_epoch]
            self.epoch += 1
            self.batch_in_epoch = 0

    def _step(self, indices: list[int]) -> tuple[float, int]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(self.step)
        self.model.train()
        batch = collate(self.splits["train"], indices).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            total, tokens = batch_loss(self.model, batch)
        loss = total / tokens
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.step += 1
        return loss.item(), tokens

    def _evaluate(self) -> None:
        loss = held_out_loss(self.model, self.splits["valid"])
        line: dict[str, Any] = {
            "step": self.step,
            "epoch": self.epoch,
            "minutes": round(self.seconds / 60, 2),
            "train_nats_per_token": self._smoothed,
            "valid_nats_per_token": loss.nats_per_token,
            "valid_perplexity": loss.perplexity,
            "valid_bits_per_character": loss.bits_per_character,
        }
        with (self.run / checkpoint.LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
