"""Our training step against the tutorial's, with the same weights on the same batch.

    python benchmarks/training_step.py [--threads N] [--repeats N]

Both train with dropout; the times are medians of runs that take turns. First it is checked, in
float64 and without dropout, that the two losses and gradients are the same.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tutorial import (
    CLIP,
    DECODER_LEARNING_RATIO,
    DROPOUT,
    LEARNING_RATE,
    TutorialTrainer,
    longest_source_first,
)

from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, SPECIAL_SYMBOLS
from bot.training.batches import Batch
from bot.training.loss import TrainingLoss, step_weights
from bot.training.optimizer import Optimizer, sides

LONGEST = 10  # the tutorial's MAX_LENGTH, EOS included
TOLERANCE = 1e-6  # relative, in float64; our step weights are float32


def synthetic_batch(size: int, vocabulary: int, seed: int = 0) -> Batch:
    """Random words; lengths are spread as those of the tutorial's pairs are, six or so at most."""
    generator = torch.Generator().manual_seed(seed)

    def sentence() -> Tensor:
        length = 2 + int(torch.randint(0, LONGEST - 1, (), generator=generator))  # 2 to 10
        words = torch.randint(len(SPECIAL_SYMBOLS), vocabulary, (length - 1,), generator=generator)
        return torch.cat((words, torch.tensor([EOS_ID])))

    sources = [sentence() for _ in range(size)]
    targets = [sentence() for _ in range(size)]
    next_ids = pad_sequence(targets, batch_first=True, padding_value=PAD_ID)
    previous_ids = torch.cat((torch.full((size, 1), BOS_ID), next_ids[:, :-1]), dim=1)
    return longest_source_first(
        Batch(
            pad_sequence(sources, batch_first=True, padding_value=PAD_ID),
            torch.tensor([len(source) for source in sources]),
            previous_ids,
            next_ids,
        )
    )


class OurTrainer:
    """Our step as ``--recipe tutorial`` takes it."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model
        self.loss = TrainingLoss(model)
        self.optimizer = Optimizer(sides(model, DECODER_LEARNING_RATIO), 0.0, CLIP)
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)

    def step(self, batch: Batch) -> float:
        """One iteration; nats per token."""
        lengths = (batch.next_ids != PAD_ID).sum(dim=1)
        loss, nats = self.loss(batch, step_weights(lengths, "steps"), forced=True)
        loss.backward()
        self.optimizer.step(LEARNING_RATE, self.scaler)
        return nats.item() / int(lengths.sum())


def new_model(arguments: argparse.Namespace) -> Seq2Seq:
    """A model of the tutorial's shape."""
    torch.manual_seed(0)
    hidden = arguments.hidden
    config = ModelConfig(
        arguments.vocabulary, hidden, hidden, 2, 2, "dot", DROPOUT, dropout_everywhere=False
    )
    return Seq2Seq(config, PAD_ID)


def check(arguments: argparse.Namespace, batch: Batch) -> None:
    """Compare losses and gradients."""
    model = new_model(arguments).double().eval()
    lengths = (batch.next_ids != PAD_ID).sum(dim=1)
    ours, nats = TrainingLoss(model)(batch, step_weights(lengths, "steps"), forced=True)
    ours.backward()
    tutorial = TutorialTrainer(model, mask_padding=True)
    tutorial.train(dropout=False)
    theirs, _ = tutorial.loss(batch)
    theirs.backward()
    gradients = tutorial.named_weights()
    difference = max(
        float((p.grad - gradients[name].grad).abs().max() / gradients[name].grad.abs().max())
        for name, p in model.named_parameters()
    )
    letter = TutorialTrainer(model)
    letter.train(dropout=False)
    print(
        f"loss {ours.item():.9f} (ours), {theirs.item():.9f} (tutorial's step loop), gradients"
        f" differ by {difference:.1e} of the largest at most;\n"
        f"{letter.loss(batch)[0].item():.9f} where, to the letter of the tutorial, attention also"
        f" falls on padding; {nats.item() / int(lengths.sum()):.4f} nats per token"
    )
    if abs(ours.item() / theirs.item() - 1) > TOLERANCE or difference > TOLERANCE:
        sys.exit("error: the two do not compute the same; the times below would mean nothing.")


def seconds(step: Callable[[Batch], float], batch: Batch) -> float:
    """How long one iteration takes."""
    began = time.perf_counter()
    step(batch)
    return time.perf_counter() - began


def main() -> None:
    """Check, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--hidden", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"batch {arguments.batch_size}, hidden size {arguments.hidden}, 2 + 2 layers, vocabulary"
        f" {arguments.vocabulary}; torch {torch.__version__}, {arguments.threads} threads,"
        f" {platform.processor() or platform.machine()}"
    )
    batch = synthetic_batch(arguments.batch_size, arguments.vocabulary)
    check(arguments, batch)

    model = new_model(arguments)
    tutorial = TutorialTrainer(model)  # to the letter
    tutorial.train(dropout=True)
    ours = OurTrainer(model.train())
    steps = {"tutorial's step loop": tutorial.step, "ours, in one call": ours.step}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(arguments.repeats + 1):
        for name, step in steps.items():
            elapsed = seconds(step, batch)
            if repeat > 0:  # the first warms up
                times[name].append(elapsed)
    for name, values in times.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:21} {low:7.3f} {middle:7.3f} {high:7.3f} s a step   (min, median, max)")
    slow, fast = (statistics.median(values) for values in times.values())
    print(f"ratio of the medians  {slow / fast:7.2f}")


if __name__ == "__main__":
    main()
