"""What ``train`` shows while it runs and when it ends, and how it is asked to stop."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from bot.training import trainer

LOG_EVERY = 100  # steps between lines where there is no terminal for a progress bar


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
def progress_of(console: Console, steps: int) -> "Iterator[trainer.OnStep]":
    """A progress bar on a terminal, a line now and then elsewhere."""
    if console.quiet:
        yield lambda progress: None
        return
    if not console.is_terminal:
        yield lambda p: _log_line(p, steps)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=steps)
        yield lambda p: bar.update(task, completed=p.step, description=_describe(p))


def _log_line(progress: "trainer.Progress", steps: int) -> None:
    if progress.step % LOG_EVERY == 0 or progress.step == steps:
        print(f"step {progress.step}: {_describe(progress)}", file=sys.stderr, flush=True)


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


def _describe(progress: "trainer.Progress") -> str:
    return f"loss {progress.nats_per_token:.3f}, {progress.tokens_per_s:,.0f} tokens/s"
