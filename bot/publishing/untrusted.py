"""Loads files of ``torch.save`` that strangers made, and runs nothing that they hold."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from bot.artifact.durable_files import check_regular
from bot.errors import CheckpointError


class Attributes:
    """What an allowed class becomes here: its attributes, and nothing that runs."""


def load_untrusted(path: Path, expected: str, *, allowed_class: str | None = None) -> Any:
    """``torch.load`` of tensors and plain values onto the CPU, in both of torch's file formats.

    :param expected: what the file should be, for the error
    :param allowed_class: a class, of whatever module, whose objects are read as ``Attributes``
    :raises CheckpointError: if the file is missing, cut short, something else, or asks for
        anything that is not a tensor or a plain value
    """
    stand_ins: list[Any] = []
    try:
        check_regular(path)
        if allowed_class is not None:
            # The way a pickle names a class: the letter c, the module and the name, a line each.
            named = re.findall(rb"c([\w.]+)\n%b\n" % allowed_class.encode(), path.read_bytes())
            stand_ins = [
                (Attributes, f"{module.decode()}.{allowed_class}") for module in set(named)
            ]
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore")  # of a foreign file, which is an error soon enough
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; give {expected}.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CheckpointError(f"{path} cannot be read ({reason}); give {expected}.") from error
    except Exception as error:
        # Torch takes any bytes for a zip or a pickle, and raises nearly anything.
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise CheckpointError(
                f"{path} was not loaded, and nothing in it was run: it asks for {refused[1]}, and"
                f" only tensors and plain values are safe; give {expected}."
            ) from error
        raise CheckpointError(
            f"{path} is cut short, or is something else than {expected}"
            f" ({type(error).__name__}); copy it again, or give another file."
        ) from error
