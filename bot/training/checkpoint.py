"""A training run on disk: what is needed to resume it and to export its model.

RUN/run.json         the corpora and every setting
RUN/tokenizer.json
RUN/data.pt          the encoded pairs of each split
RUN/valid.jsonl      the held-out examples as text, and RUN/test.jsonl likewise
RUN/base.pt          the weights, and perhaps moments of Adam, that a fine-tuned run starts from
RUN/checkpoint.pt    model, optimiser, schedule, position in the data, random state, best weights
RUN/log.jsonl        a line for each evaluation
"""

import json
import pickle
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bot.data.folders import cannot_be_written
from bot.errors import CauserieError, CheckpointError, DiskFullError
from bot.training.distributed import resume_command
from bot.training.files import replaced, write_atomically

RUN_FILE = "run.json"
TOKENIZER_FILE = "tokenizer.json"
DATA_FILE = "data.pt"
CHECKPOINT_FILE = "checkpoint.pt"
BASE_FILE = "base.pt"
LOG_FILE = "log.jsonl"
PREPARED_FILES = (TOKENIZER_FILE, DATA_FILE, "valid.jsonl", "test.jsonl", BASE_FILE)
FILES = (*PREPARED_FILES, RUN_FILE, CHECKPOINT_FILE, LOG_FILE)


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values; whoever is killed here leaves the old file whole.

    :raises DiskFullError: if there is no room for it; it tells what of the run is kept
    :raises UsageError: if it cannot be written for another reason
    """
    try:
        with replaced(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        # While torch closes its archive it raises an error of its own over the file's.
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        raise _not_written(path, reason) from error


def _not_written(path: Path, error: OSError) -> CauserieError:
    """What to raise about a file of a run: it tells what is kept and how to go on."""
    failure = cannot_be_written(path, error, "--run")
    run = path.parent
    if not (isinstance(failure, DiskFullError) and (run / RUN_FILE).exists()):
        return failure
    kept, processes = "no checkpoint was written yet", 1
    with suppress(CheckpointError, KeyError):
        state = load(run / CHECKPOINT_FILE)
        processes = process_count(state)
        kept = f"the checkpoint of step {state['step']} is kept"
    return DiskFullError(
        f"{path} cannot be written ({error.strerror}); {kept}, so free space and go on with:"
        f" {resume_command(run, processes)}"
    )


def load(path: Path) -> dict[str, Any]:
    """Read what ``save_atomically`` wrote; executes nothing that the file may hold.

    :raises CheckpointError: if the file is missing, cut short, or no such file
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} does not exist; give the folder of a training run, such as runs/mine."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}); start the run again."
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no checkpoint of Causerie; start the run again.")
    return state


def best_weights(state: dict[str, Any]) -> dict[str, Tensor]:
    """A checkpoint's weights: those of the lowest held-out loss if they were kept, else the last.

    :raises KeyError: if it is no checkpoint of a run
    """
    last, best = state["model"], state.get("best", {})  # version 0.1.0 kept no best
    weights = best.get("model") if isinstance(best, dict) else best
    if weights is None:
        weights = last
    if not isinstance(weights, dict):
        raise KeyError("best")
    return weights


def process_count(state: dict[str, Any]) -> int:
    """How many processes have written a checkpoint.

    :raises KeyError: if it is no checkpoint of a run
    """
    random = state["random"]
    if not isinstance(random, Tensor):
        raise KeyError("random")
    return len(torch.atleast_2d(random))  # version 0.1.0 kept the state of one, without a row


def all_finite(weights: Iterable[Tensor]) -> bool:
    """Whether no number in them is infinite or none at all."""
    return all(bool(weight.isfinite().all()) for weight in weights)


def append_log(path: Path, line: dict[str, Any]) -> None:
    """Add a line to the log.

    :raises DiskFullError: if there is no room for it; it tells what of the run is kept
    :raises UsageError: if it cannot be written for another reason
    """
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    except OSError as error:
        raise _not_written(path, error) from error


def cut_log(path: Path, step: int) -> None:
    """Forget what was logged after a step, and what is no whole line of a log."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    write_atomically(path, b"".join(kept))
