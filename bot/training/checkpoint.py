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
import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bot.errors import CheckpointError
from bot.training.files import write_atomically

RUN_FILE = "run.json"
TOKENIZER_FILE = "tokenizer.json"
DATA_FILE = "data.pt"
CHECKPOINT_FILE = "checkpoint.pt"
BASE_FILE = "base.pt"
LOG_FILE = "log.jsonl"


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values; whoever is killed here leaves the old file whole."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


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
    """Add a line to the log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def cut_log(path: Path, step: int) -> None:
    """Forget what was logged after a step, and what is no whole line of a log."""
    if not path.exists():
        return
    kept = []
    for text in path.read_text("utf-8").splitlines(keepends=True):
        try:
            if json.loads(text)["step"] <= step:
                kept.append(text)
        except (ValueError, KeyError, TypeError):
            continue
    write_atomically(path, "".join(kept).encode())
