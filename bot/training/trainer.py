"""Trains a model, and can be stopped, killed and resumed at any moment."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from bot.data.batches import collate, epoch_order
from bot.data.dataset import EncodedPairs
from bot.errors import CheckpointError, DivergenceError
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import PAD_ID
from bot.training import checkpoint
from bot.training.distributed import Processes, resume_command
from bot.training.early_stopping import EarlyStopping
from bot.training.held_out import HeldOutLoss, held_out_loss
from bot.training.loss import TrainingLoss, step_weights
from bot.training.optimizer import Optimizer, sides
from bot.training.progress import OnEvaluation, OnStep, Pace
from bot.training.schedule import evaluates_at, learning_rate_at, share_at
from bot.training.training_config import AUTOCAST, TrainingConfig


class Trainer:
    """One training run in its folder.

    :param run: the folder; it exists and has the tokenizer
    :param splits: encoded pairs by split
    :param processes: those that share the work, and the device of this one
    """

    def __init__(
        self,
        run: Path,
        model_config: ModelConfig,
        config: TrainingConfig,
        splits: dict[str, EncodedPairs],
        processes: Processes | None = None,
    ) -> None:
        self.run = run
        self.config = config
        self.splits = splits
        self.processes = processes or Processes()
        device = self.processes.device
        torch.manual_seed(config.seed)
        self.model = Seq2Seq(model_config, PAD_ID).to(device)
        self.optimizer = Optimizer(
            sides(self.model, config.decoder_learning_ratio), config.weight_decay, config.clip
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self._loss = self.processes.wrap(TrainingLoss(self.model))
        if not self.processes.is_main:
            torch.manual_seed(config.seed + self.processes.rank)  # other dropout masks
        self._target_lengths = splits["train"].target_starts.diff() - 1  # (N,), EOS included
        self.step = 0
        self.epoch = 0
        self.batch_in_epoch = 0
        self.seconds = 0.0
        self._smoothed = math.nan
        self.early_stopping = EarlyStopping(config.patience)

    @property
    def share(self) -> float:
        """How much of the run is over, from 0 to 1."""
        return share_at(self.config, self.step, self.seconds)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.share == 1 or self.early_stopping.is_due

    def save(self) -> None:
        """Write the checkpoint; every process must call it, the main one writes.

        :raises DivergenceError: if a weight is not finite; the checkpoint before stays
        :raises DiskFullError: if there is no room for it; the checkpoint before stays
        """
        if not checkpoint.all_finite(self.model.parameters()):
            self._diverged("A weight")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "batch_in_epoch": self.batch_in_epoch,
            "seconds": self.seconds,
            "smoothed": self._smoothed,
            **self.early_stopping.state_dict(),
            # A row for each process; Python's and NumPy's generators are not used in training.
            "random": self.processes.gather(torch.get_rng_state()),
        }
        if self.processes.device.type == "cuda":
            state["cuda_random"] = self.processes.gather(
                torch.cuda.get_rng_state(self.processes.device)
            )
        path = self.run / checkpoint.CHECKPOINT_FILE
        self.processes.first(lambda: checkpoint.save_atomically(state, path))

    def resume(self) -> None:
        """Continue where the checkpoint was written.

        If none was written yet that is the beginning: the weights of the model that this run
        fine-tunes, or random ones. What was logged after the checkpoint will be logged again, and
        is forgotten.

        :raises CheckpointError: if it cannot be read, is of a model of another shape, or of
            another number of processes
        """
        path = self.run / checkpoint.CHECKPOINT_FILE
        if path.exists():
            self._take_over(checkpoint.load(path), path)
        else:
            self._take_base_weights(self.run / checkpoint.BASE_FILE)
        if self.processes.is_main:
            checkpoint.cut_log(self.run / checkpoint.LOG_FILE, self.step)

    def _take_over(self, state: dict[str, Any], path: Path) -> None:
        try:
            # Version 0.1.0 kept the state of one process, and neither "scaler" nor "best".
            random = torch.atleast_2d(state["random"])
            writers = checkpoint.process_count(state)
            if writers != self.processes.size:
                raise self.processes.failure(
                    CheckpointError(
                        f"{path} was written by another number of processes ({writers}, now"
                        f" {self.processes.size}); resume it with:"
                        f" {resume_command(self.run, writers)}"
                    )
                )
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state.get("scaler", {}))
            self.step, self.epoch = state["step"], state["epoch"]
            self.batch_in_epoch, self.seconds = state["batch_in_epoch"], state["seconds"]
            self._smoothed = state["smoothed"]
            self.early_stopping.load_state_dict(state)
            # Copies: torch crashes on a row of a larger tensor.
            torch.set_rng_state(random[self.processes.rank].clone())
            if self.processes.device.type == "cuda" and "cuda_random" in state:
                torch.cuda.set_rng_state(
                    state["cuda_random"][self.processes.rank].clone(), self.processes.device
                )
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} is of a model of another shape; use the run's own settings."
            ) from error

    def _take_base_weights(self, path: Path) -> None:
        if not path.exists():
            return
        state = checkpoint.load(path)
        try:
            self.model.load_state_dict(state["model"])
            if state["moments"] is not None:
                self.optimizer.take_over(
                    {
                        parameter: state["moments"][name]
                        for name, parameter in self.model.named_parameters()
                    }
                )
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path} is of a model of another shape.") from error

    def train(
        self,
        on_step: OnStep,
        stop: Callable[[], bool],
        on_evaluation: OnEvaluation = lambda loss: None,
    ) -> bool:
        """Train until there is nothing left to do, or until ``stop`` says so, and save.

        :param stop: when it says so in one process, all of them stop
        :param on_evaluation: called in the main process after each evaluation
        :return: whether there is nothing left to do
        :raises DivergenceError: if a loss or a weight is no longer finite
        :raises DiskFullError: if there is no room for a checkpoint or the log
        """
        started = saved = time.monotonic()
        seconds_before = self.seconds
        pace = Pace(self.step, self.share, self.seconds)
        for indices in self._remaining_batches():
            if self.processes.agree(self.finished or stop()):
                break
            share = self.share
            loss, tokens = self._step(indices)
            if not math.isfinite(loss):
                self._diverged("The loss")
            self.batch_in_epoch += 1
            now = time.monotonic()
            self.seconds = seconds_before + self._agreed(now - started)
            self._smoothed = (
                loss if math.isnan(self._smoothed) else 0.99 * self._smoothed + 0.01 * loss
            )
            on_step(pace.after(self.step, self.share, self.seconds, tokens, self._smoothed))
            due = evaluates_at(self.config, self.step, share, self.share)
            if due and len(self.splits["valid"]):
                self._evaluate(on_evaluation)
            if self._save_is_due(now - saved):
                self.save()
                saved = now
        self.save()
        return self.finished

    def _agreed(self, seconds: float) -> float:
        """The main process' time, if the schedule goes by it: all processes must keep to one."""
        if self.config.minutes is None:
            return seconds
        return self.processes.total(seconds if self.processes.is_main else 0.0)

    def _save_is_due(self, seconds: float) -> bool:
        if self.config.save_every is not None:
            return self.step % self.config.save_every == 0
        return self.processes.agree(seconds >= self.config.save_every_s)

    def _remaining_batches(self) -> Iterator[list[int]]:
        """Batches of all processes together, the same in each."""
        batch_size = self.config.batch_size * self.processes.size
        while True:
            batches = epoch_order(self.splits["train"], batch_size, self.config.seed, self.epoch)
            while self.batch_in_epoch < len(batches):
                yield batches[self.batch_in_epoch]
            self.epoch += 1
            self.batch_in_epoch = 0

    def _step(self, indices: list[int]) -> tuple[float, int]:
        """One step of the optimiser.

        :param indices: of the pairs of the whole batch
        :return: nats per token, and how many target tokens the whole batch has
        """
        device = self.processes.device
        lengths = self._target_lengths[indices]
        # Gradients are averaged over the processes, and the loss is a sum over all of them.
        weights = step_weights(lengths, self.config.loss) * self.processes.size
        share = self.processes.share(indices)
        if not share:  # this process computes with the others, and adds nothing
            weights = torch.zeros_like(weights)
        batch = collate(self.splits["train"], share or indices[:1]).to(device)
        self.model.train()
        with torch.autocast(
            device.type,
            AUTOCAST.get(self.config.precision),
            enabled=self.config.precision in AUTOCAST,
        ):
            loss, nats = self._loss(
                batch, weights.to(device), forced=self.config.forces_at(self.step)
            )
        scaled: Tensor = self.scaler.scale(loss)
        scaled.backward()
        self.optimizer.step(learning_rate_at(self.config, self.step, self.share), self.scaler)
        self.step += 1
        tokens = int(lengths.sum())
        return self.processes.total(nats.item() if share else 0.0) / tokens, tokens

    def _evaluate(self, on_evaluation: OnEvaluation) -> None:
        """Measure the model on the validation split, and log it; the main process works for all."""
        loss = HeldOutLoss(0.0, 0.0)
        if self.processes.is_main:
            loss = held_out_loss(self.model, self.splits["valid"])
        nats_per_token = self.processes.total(loss.nats_per_token)
        if not math.isfinite(HeldOutLoss(nats_per_token, 0.0).perplexity):
            self._diverged("The held-out loss")
        line = {
            "step": self.step,
            "epoch": self.epoch,
            "minutes": round(self.seconds / 60, 2),
            "train_nats_per_token": self._smoothed,
            "valid_nats_per_token": nats_per_token,
            "valid_perplexity": loss.perplexity,
            "valid_bits_per_character": loss.bits_per_character,
        }
        path = self.run / checkpoint.LOG_FILE
        self.processes.first(lambda: checkpoint.append_log(path, line))
        if self.processes.is_main:
            on_evaluation(loss)
        self.early_stopping.watch(self.step, nats_per_token, self.model)

    def _diverged(self, what: str) -> NoReturn:
        """Give up, in every process; what is on disk stays as it is."""
        path = self.run / checkpoint.CHECKPOINT_FILE
        kept = f"; {path} is kept as it was before" if path.exists() else ""
        raise self.processes.failure(
            DivergenceError(
                f"{what} is no finite number after step {self.step}; train in a new folder, with a"
                f" lower --learning-rate or --clip{kept}."
            )
        )
