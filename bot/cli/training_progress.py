"""What ``train`` shows while it runs and when it ends, and how it is asked to stop."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from bot.printable import printable

if TYPE_CHECKING:
    from bot.text.tokenizer import Tokenizer
    from bot.training.held_out import HeldOutLoss
    from bot.training.progress import OnStep
    from bot.training.progress import Progress as StepProgress
    from bot.training.trainer import Trainer

# Where there is no terminal for a progress bar, a line comes after so many steps, or so many
# seconds if that is sooner.
LOG_EVERY = 100
LOG_EVERY_S = 30.0
# The end of the run is foretold after so many steps, or so many seconds.
MEASURED_STEPS = 10
MEASURED_S = 10.0


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM instead of dying of them."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda received_number, _: received.append(received_number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress_of(console: Console) -> "Iterator[OnStep]":
    """A progress bar on a terminal, a line now and then elsewhere."""
    if console.quiet:
        yield lambda progress: None
        return
    if not console.is_terminal:
        yield ProgressLines(console)
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda p: bar.update(
            task, completed=p.share, description=f"step {p.step}, {_describe(p)}"
        )


class ProgressLines:
    """Called after each step, it prints a line now and then, and early on when the run will end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._first: StepProgress | None = None
        self._line_at = 0.0
        self._foretold = False

    def __call__(self, progress: "StepProgress") -> None:
        """Print what there is to say after a step."""
        p = progress
        if self._first is None:
            self._first, self._line_at = p, p.seconds
        measured = p.step - self._first.step, p.seconds - self._first.seconds
        if not self._foretold and (measured[0] >= MEASURED_STEPS or measured[1] >= MEASURED_S):
            self._foretold = True
            self._console.print(
                f"The run ends in about {duration(p.seconds_left)}, at step"
                f" {p.step + round(p.seconds_left * p.steps_per_s):,} or so."
            )
        due = p.step % LOG_EVERY == 0 or p.share == 1 or p.seconds - self._line_at >= LOG_EVERY_S
        if due:
            self._line_at = p.seconds
            self._console.print(f"step {p.step}: {_describe(p)}")


def duration(seconds: float) -> str:
    """A time to wait, as one says it: ``2 h 5 min``."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def show_what_is_trained(console: Console, trainer: "Trainer") -> None:
    """The sizes of the model and of what it learns and is measured on."""
    splits = trainer.splits
    size = sum(parameter.numel() for parameter in trainer.model.parameters())
    console.print(
        f"{size:,} parameters; {len(splits['train']):,} pairs to train on,"
        f" {len(splits['valid']):,} to validate on, {len(splits['test']):,} to test on;"
        f" {trainer.run}"
    )
    if not len(splits["valid"]):
        console.print(
            "warning: the validation split is empty: no held-out loss is logged, and --patience"
            " cannot be used."
        )
    if not len(splits["test"]):
        console.print(
            "warning: the test split is empty: the report and the model card have no held-out loss."
        )


def show_evaluation(
    console: Console, trainer: "Trainer", loss: "HeldOutLoss", tokenizer: "Tokenizer"
) -> None:
    """The held-out loss, and what the model says so far.

    As practical-pytorch's ``evaluate_randomly``: ``>`` what is said, ``=`` the reply there is,
    ``<`` the model's.
    """
    from bot.training.held_out import sample_replies

    console.print(
        f"step {trainer.step}: held-out loss {loss.nats_per_token:.3f}, perplexity"
        f" {loss.perplexity:.2f}"
    )
    for sample in sample_replies(trainer.model, trainer.splits["valid"]):
        for mark, ids in (("> ", sample.source), ("= ", sample.target), ("< ", sample.reply)):
            console.print(Text(mark + _legible(tokenizer, ids)))


def _legible(tokenizer: "Tokenizer", ids: Sequence[int]) -> str:
    """Turns with a bar between them, and nothing that moves a terminal's cursor."""
    from bot.text.tokenizer import SEP_ID

    turns: list[list[int]] = [[]]
    for token_id in ids:
        if token_id == SEP_ID:
            turns.append([])
        else:
            turns[-1].append(token_id)
    text = " | ".join(tokenizer.decode(turn) for turn in turns)
    return printable(text)


def held_out(run: Path, *, lowest: bool) -> str:
    """The held-out loss of the weights that will be exported, as it was logged."""
    from bot.evaluation.pictures import read_log
    from bot.training.checkpoint import LOG_FILE
    from bot.training.held_out import HeldOutLoss

    log = read_log(run / LOG_FILE)
    if not log:
        return "No held-out loss was logged."
    line = min(log, key=lambda line: line.valid) if lowest else log[-1]
    perplexity = HeldOutLoss(line.valid, 0.0).perplexity
    return (
        f"The held-out loss at step {line.step} is {line.valid:.3f} nats a token, a perplexity of"
        f" {perplexity:.2f}."
    )


def _describe(progress: "StepProgress") -> str:
    return (
        f"loss {progress.nats_per_token:.3f}, {progress.tokens_per_s:,.0f} tokens/s,"
        f" {duration(progress.seconds_left)} left"
    )
