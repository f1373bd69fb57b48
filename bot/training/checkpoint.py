"""A training run on disk: what is needed to resume it and to export its model.

RUN/run.json         the corpora and every setting
RUN/tokenizer.json
RUN/data.pt          the encoded pairs of each split
RUN/base.pt          the weights that a fine-tuned run starts from
RUN/checkpoint.pt    model, optimiser, position in the data, random state
RUN/log.jsonl        a line for each evaluation
"""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from bot.errors import CheckpointError

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
