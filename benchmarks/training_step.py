"""Our training step against the tutorial's, with the same weights on the same pairs.

    python benchmarks/training_step.py [--threads N] [--rounds N]

First it is checked, in float64 and without dropout, that losses and gradients are the same. Then
both train, with dropout, on batches from one pool of random pairs: the tutorial's step loop on
random ones, as it draws them; ours on the same random ones, then on its own, which hold pairs of
similar length, in float32 and in bfloat16. The four take turns; what is printed are medians.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from tutorial_training_step import (
    CLIP,
    DECODER_LEARNING_RATIO,
    DROPOUT,
    LEARNING_RATE,
    TutorialTrainer,
    longest_source_first,
)

from bot.data.batches import BATCHES_PER_POOL, Batch, collate, epoch_order
from bot.data.dataset import EncodedPairs
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, SPECIAL_SYMBOLS
from bot.training.loss import TrainingLoss, step_weights
from bot.training.optimizer import Optimizer, sides

LONGEST = 10  # the tutorial's MAX_LENGTH, EOS included
TOLERANCE = 1e-6  # relative, in float64; our step weights are float32


def synthetic_pairs(count: int, vocabulary: int, seed: int = 0) -> EncodedPairs:
    """Random words; every length from 2 to the tutorial's longest is as frequent, ``EOS`` counted.

    The lengths of a source and its target are independent.
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, LONGEST + 1, (2, count), generator=generator)

    def flat(lengths: Tensor, first: list[int]) -> tuple[Tensor, Tensor]:
        rows = [
            torch.cat(
                (
                    torch.tensor(first),
                    torch.randint(
                        len(SPECIAL_SYMBOLS), vocabulary, (length - 1,), generator=generator
                    ),
                    torch.tensor([EOS_ID]),
                )
            )
            for length in lengths.tolist()
        ]
        starts = torch.tensor([0, *(row.numel() for row in rows)]).cumsum(0)
        return torch.cat(rows).int(), starts

    return EncodedPairs(
        *flat(lengths[0], []), *flat(lengths[1], [BOS_ID]), torch.ones(count, dtype=torch.int64)
    )


class OurTrainer:
    """Our step as ``--recipe tutorial`` takes it, with ``--precision bf16`` or without."""

    def __init__(self, model: Seq2Seq, *, bf16: bool) -> None:
        self.bf16 = bf16
        self.model = model
        self.loss = TrainingLoss(model)
        self.optimizer = Optimizer(sides(model, DECODER_LEARNING_RATIO), 0.0, CLIP)
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)

    def step(self, batch: Batch) -> float:
        """One iteration; nats per token."""
        lengths = (batch.next_ids != PAD_ID).sum(dim=1)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
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
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        single = new_model(arguments).eval()
        rounded, _ = TrainingLoss(single)(batch, step_weights(lengths, "steps"), forced=True)
    print(
        f"loss {ours.item():.9f} (ours), {theirs.item():.9f} (tutorial's step loop), gradients"
        f" differ by {difference:.1e} of the largest at most;\n{rounded.item():.9f} in bfloat16;\n"
        f"{letter.loss(batch)[0].item():.9f} where, to the letter of the tutorial, attention also"
        f" falls on padding; {nats.item() / int(lengths.sum()):.4f} nats per token"
    )
    if abs(ours.item() / theirs.item() - 1) > TOLERANCE or difference > TOLERANCE:
        sys.exit("error: the two do not compute the same; the times below would mean nothing.")


def seconds(step: Callable[[Batch], float], batches: list[Batch]) -> float:
    """How long one iteration takes on average."""
    began = time.perf_counter()
    for batch in batches:
        step(batch)
    return (time.perf_counter() - began) / len(batches)


def main() -> None:
    """Check, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="of each kind in a round")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--hidden", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = arguments.batch_size
    print(
        f"batch {size}, hidden size {arguments.hidden}, 2 + 2 layers, vocabulary"
        f" {arguments.vocabulary}; torch {torch.__version__}, {arguments.threads} threads,"
        f" {platform.processor() or platform.machine()}"
    )
    # As many as our batches of similar length are cut from.
    pairs = synthetic_pairs(size * BATCHES_PER_POOL, arguments.vocabulary)
    drawn = [
        longest_source_first(collate(pairs, indices.tolist()))
        for indices in torch.randperm(len(pairs)).split(size)
    ][: arguments.steps]
    similar = [collate(pairs, indices) for indices in epoch_order(pairs, size, 0, 0)]
    similar = similar[: arguments.steps]  # they are in random order
    check(arguments, drawn[0])

    tutorial = TutorialTrainer(new_model(arguments))  # to the letter
    tutorial.train(dropout=True)
    ours = OurTrainer(new_model(arguments).train(), bf16=False)
    ours_bf16 = OurTrainer(new_model(arguments).train(), bf16=True)
    kinds: dict[str, tuple[Callable[[Batch], float], list[Batch]]] = {
        "tutorial's step loop": (tutorial.step, drawn),
        "ours, same batches": (ours.step, drawn),
        "ours, own batches": (ours.step, similar),
        "ours, own batches, bf16": (ours_bf16.step, similar),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for step, batches in kinds.values():
        step(batches[0])  # warms up
    for _ in range(arguments.rounds):
        for name, (step, batches) in kinds.items():
            times[name].append(seconds(step, batches))
    slow = statistics.median(times["tutorial's step loop"])
    print("seconds a step          minimum  median maximum   times as fast")
    for name, values in times.items():
        middle = statistics.median(values)
        print(
            f"{name:23} {min(values):7.3f} {middle:7.3f} {max(values):7.3f} {slow / middle:15.2f}"
        )


if __name__ == "__main__":
    main()
