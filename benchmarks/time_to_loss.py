"""How long we take to reach the held-out loss that the tutorial's recipe ends with.

    python benchmarks/time_to_loss.py --corpus FILE [--corpus FILE ...] --folder runs/compared

Both learn the same pairs with the same vocabulary, and are measured on the same validation split.

1. ``python -m bot train --recipe tutorial`` makes FOLDER/tutorial, for the loss it ends with. A run
   that is there already is taken as it is.
2. A model of our own trains in FOLDER/ours, until its held-out loss is as low. Its time is wall
   time, evaluations included.
3. The time of the tutorial is that of its step loop: its iterations times the median of steps that
   are measured meanwhile, on random batches of the same pairs. Its run in 1 is quicker, because
   our one call gives the same losses; its evaluations are not counted.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from tutorial_training_step import TutorialTrainer, longest_source_first

from bot.data.batches import collate
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import PAD_ID
from bot.training import checkpoint
from bot.training.progress import Progress
from bot.training.run import RunConfig, read_splits
from bot.training.trainer import Trainer
from bot.training.training_config import TrainingConfig


def train_tutorial(run: Path, arguments: argparse.Namespace) -> None:
    """Run the recipe, or go on with it."""
    command = [sys.executable, "-m", "bot", "train", "--run", str(run)]
    if (run / checkpoint.RUN_FILE).exists():
        command += ["--resume"]
    else:
        command += ["--recipe", "tutorial", "--steps", str(arguments.tutorial_steps)]
        command += ["--seed", str(arguments.seed)]
        command += [word for corpus in arguments.corpus for word in ("--corpus", corpus)]
    print("python", *command[1:], flush=True)
    subprocess.run(command, check=True)


def held_out_losses(run: Path) -> list[float]:
    """Nats per token of each evaluation."""
    path = run / checkpoint.LOG_FILE
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["valid_nats_per_token"] for line in lines]


class Measured:
    """Steps of the tutorial's loop between ours, and the time they took."""

    def __init__(self, trainer: Trainer, model: ModelConfig, batch_size: int, every: int) -> None:
        self.pairs = trainer.splits["train"]
        self.tutorial = TutorialTrainer(Seq2Seq(model, PAD_ID))
        self.tutorial.train(dropout=True)
        self.generator = torch.Generator().manual_seed(0)
        self.batch_size = batch_size
        self.every = every
        self.times: list[float] = []
        self.overhead = 0.0

    def after_step(self, progress: Progress) -> None:
        """Measure one now and then; the first warms up."""
        if (progress.step - 1) % self.every == 0:
            began = time.perf_counter()
            indices = torch.randint(
                len(self.pairs), (self.batch_size,), generator=self.generator
            ).tolist()
            batch = longest_source_first(collate(self.pairs, indices))
            started = time.perf_counter()
            self.tutorial.step(batch)
            ended = time.perf_counter()
            if progress.step > 1:
                self.times.append(ended - started)
            self.overhead += ended - began


def prepare_ours(run: Path, tutorial: Path, arguments: argparse.Namespace) -> None:
    """A run of our own model on the tutorial run's pairs and vocabulary."""
    if run.exists():
        sys.exit(f"error: {run} exists; remove it, so that its time is that of a whole run.")
    run.mkdir(parents=True)
    for name in (checkpoint.DATA_FILE, checkpoint.TOKENIZER_FILE):
        shutil.copyfile(tutorial / name, run / name)
    config = RunConfig.read(tutorial)
    model = ModelConfig(
        config.model.vocabulary_size,
        arguments.embedding,
        arguments.hidden,
        arguments.encoder_layers,
        arguments.decoder_layers,
        "general",
        arguments.dropout,
        tie_embeddings=True,
    )
    training = TrainingConfig(
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup,
        decay_share=arguments.decay_share,
        evaluate_every=arguments.evaluate_every,
        precision=arguments.precision,
        seed=arguments.seed,
    )
    replace(config, model=model, training=training).write(run)


def main() -> None:
    """Train both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", action="append", default=[], help="as train takes it")
    parser.add_argument("--folder", type=Path, default=Path("runs/compared"))
    parser.add_argument("--tutorial-run", type=Path, help="default: FOLDER/tutorial")
    parser.add_argument("--tutorial-steps", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure-every", type=int, default=50, help="of our steps")
    ours = parser.add_argument_group("our recipe")
    ours.add_argument("--steps", type=int, default=3000, help="at most")
    ours.add_argument("--batch-size", type=int, default=64)
    ours.add_argument("--learning-rate", type=float, default=2e-3)
    ours.add_argument("--warmup", type=int, default=200)
    ours.add_argument("--decay-share", type=float, default=0.6)
    ours.add_argument("--embedding", type=int, default=256)
    ours.add_argument("--hidden", type=int, default=512)
    ours.add_argument("--encoder-layers", type=int, default=1)
    ours.add_argument("--decoder-layers", type=int, default=2)
    ours.add_argument("--dropout", type=float, default=0.0)
    ours.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    ours.add_argument("--evaluate-every", type=int, default=100)
    arguments = parser.parse_args()

    tutorial_run = arguments.tutorial_run or arguments.folder / "tutorial"
    train_tutorial(tutorial_run, arguments)
    tutorial = RunConfig.read(tutorial_run)
    target = held_out_losses(tutorial_run)[-1]
    our_run = arguments.folder / "ours"
    prepare_ours(our_run, tutorial_run, arguments)

    torch.set_num_threads(arguments.threads)
    config = RunConfig.read(our_run)
    trainer = Trainer(our_run, config.model, config.training, read_splits(our_run))
    measured = Measured(
        trainer, tutorial.model, tutorial.training.batch_size, arguments.measure_every
    )
    print(f"training until the held-out loss is {target:.4f} nats per token ...", flush=True)
    began = time.perf_counter()
    trainer.train(measured.after_step, lambda: min(held_out_losses(our_run), default=9e9) <= target)
    our_s = time.perf_counter() - began - measured.overhead
    losses = held_out_losses(our_run)

    step_s = statistics.median(measured.times)
    tutorial_s = step_s * tutorial.training.steps
    print(
        f"\n{len(trainer.splits['train']):,} pairs, vocabulary {config.model.vocabulary_size:,};"
        f" torch {torch.__version__}, {arguments.threads} threads,"
        f" {platform.processor() or platform.machine()}\n"
        f"tutorial  {target:.4f} nats per token after {tutorial.training.steps:,} iterations of its"
        f" step loop, {step_s:.3f} s each (median of {len(measured.times)}): {tutorial_s:,.0f} s\n"
        f"ours      {losses[-1]:.4f} nats per token after {trainer.step:,} steps,"
        f" {arguments.precision}, wall time: {our_s:,.0f} s"
    )
    if min(losses) > target:
        sys.exit("error: we did not get there; give more --steps or another recipe.")
    print(f"ours takes {our_s / tutorial_s:.2f} of the tutorial's time")


if __name__ == "__main__":
    main()
