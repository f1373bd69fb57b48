"""Reads checkpoints of the PyTorch chatbot tutorial and of its ancestor.

Both are a ``torch.save`` of a dict: ``en`` and ``de`` are the state dicts of encoder and decoder,
``iteration`` and ``loss`` say how far training was.

- The tutorial: https://pytorch.org/tutorials/beginner/chatbot_tutorial.html, "Run Training".
- Its ancestor: https://github.com/ywk991112/pytorch-chatbot, which keeps its vocabulary elsewhere
  and scores ``concat`` attention without the ``tanh``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bot.errors import CheckpointError, UsageError
from bot.publishing.tutorial_vocabulary import (
    CHECKPOINT,
    SAVE_AGAIN,
    Vocabulary,
    read_vocabulary,
    vocabulary_beside,
)
from bot.publishing.untrusted import load_untrusted

GRU_TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
# What float32 holds, or nearly; there is no arithmetic for most of the others.
WEIGHT_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# nn.DataParallel, DistributedDataParallel and torch.compile put these before their module's names.
WRAPPERS = ("module", "_orig_mod")


@dataclass(frozen=True)
class TutorialCheckpoint:
    """A checkpoint whose parts fit each other. V words, hidden size H, which is also E.

    :param is_ancestor: whether it has the ancestor's format
    :param encoder: float32 tensors by the tutorial's names, ``embedding.weight`` (V, H) and the
        two-directional ``gru.*``
    :param decoder: ``gru.*``, ``concat.*`` (H, 2 H), ``out.*`` (V, H), and ``attn.attn.*`` and
        ``attn.v`` as the score has them
    :param attention: ``dot``, ``general`` or ``concat``
    :param iteration: steps of training, ``None`` if it does not say
    :param loss: of the last iteration, nats a token, ``None`` if it does not say
    :param encoder_optimizer, decoder_optimizer: whatever stands for their state dicts, unchecked
    """

    is_ancestor: bool
    vocabulary: Vocabulary
    encoder: dict[str, Tensor]
    decoder: dict[str, Tensor]
    encoder_layers: int
    decoder_layers: int
    attention: str
    iteration: int | None
    loss: float | None
    encoder_optimizer: Any
    decoder_optimizer: Any

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.encoder["embedding.weight"].size(1)

    @classmethod
    def read(cls, path: Path, vocabulary_path: Path | None = None) -> "TutorialCheckpoint":
        """Read a checkpoint, on whatever device it was trained.

        :param vocabulary_path: the ancestor's ``voc.tar``; by default looked for beside the
            checkpoint and where the ancestor's scripts put it
        :raises CheckpointError: if a file is missing, malformed, something else, inconsistent, or
            would need code of its own to be loaded
        :raises UsageError: if there is a ``vocabulary_path`` and the checkpoint holds a vocabulary
        """
        values = load_untrusted(path, CHECKPOINT)
        if not isinstance(values, Mapping) or not {"en", "de"} <= values.keys():
            raise CheckpointError(
                f"{path} has no encoder and decoder, the entries en and de; give {CHECKPOINT}."
            )
        is_ancestor = "voc_dict" not in values
        if is_ancestor:
            vocabulary = read_vocabulary(vocabulary_path or vocabulary_beside(path))
        elif vocabulary_path is not None:
            raise UsageError(f"{path} holds its own vocabulary; leave --vocabulary out.")
        else:
            vocabulary = Vocabulary.of(values["voc_dict"], f"The vocabulary in {path}")
        return _checked(path, values, vocabulary, is_ancestor=is_ancestor)


def _checked(
    path: Path, values: Mapping[str, Any], vocabulary: Vocabulary, *, is_ancestor: bool
) -> TutorialCheckpoint:
    """Infer the sizes from the tensors, and check that every tensor has them."""
    V = len(vocabulary.words)  # noqa: N806 (shapes are named as in bot.model)
    encoder = _tensors(values["en"], f"{path}: the encoder (en)")
    decoder = _tensors(values["de"], f"{path}: the decoder (de)")
    embedding = encoder.get("embedding.weight")
    if embedding is None or embedding.dim() != 2 or not embedding.size(1):
        raise CheckpointError(
            f"{path} has no matrix embedding.weight in its encoder (en); give {CHECKPOINT}."
        )
    rows, H = embedding.shape  # noqa: N806 (as in bot.model)
    if rows != V:
        raise CheckpointError(
            f"{path} has embeddings of {rows} words and its vocabulary has {V}; {SAVE_AGAIN}."
        )
    encoder_layers, decoder_layers = _layers(encoder), _layers(decoder)
    if not 1 <= decoder_layers <= 2 * encoder_layers:
        raise CheckpointError(
            f"{path} has {encoder_layers} encoder and {decoder_layers} decoder layers of GRU (gru.*"
            " in en and de); the tutorial's have 1 or more, and the decoder twice the encoder's at"
            " most."
        )
    of_embedding = {"embedding.weight": (V, H)}
    attention = "dot"
    of_attention: dict[str, tuple[int, ...]] = {}
    if "attn.v" in decoder:
        attention = "concat"
        v_shape = (1, H) if decoder["attn.v"].dim() == 2 else (H,)
        of_attention = {"attn.attn.weight": (H, 2 * H), "attn.attn.bias": (H,), "attn.v": v_shape}
    elif "attn.attn.weight" in decoder:
        attention = "general"
        of_attention = {"attn.attn.weight": (H, H), "attn.attn.bias": (H,)}
    out = {"concat.weight": (H, 2 * H), "concat.bias": (H,), "out.weight": (V, H), "out.bias": (V,)}
    _check_shapes(
        f"{path}: the encoder (en)",
        encoder,
        of_embedding | _gru_shapes(H, encoder_layers, directions=2),
    )
    _check_shapes(
        f"{path}: the decoder (de)",
        decoder,
        of_embedding | _gru_shapes(H, decoder_layers, directions=1) | out | of_attention,
    )
    if not torch.equal(encoder["embedding.weight"], decoder["embedding.weight"]):
        raise CheckpointError(
            f"{path} has other embeddings in its encoder than in its decoder; only models that"
            " share them, as the tutorial's do, can be imported."
        )
    iteration = number(values.get("iteration"))
    return TutorialCheckpoint(
        is_ancestor,
        vocabulary,
        encoder,
        decoder,
        encoder_layers,
        decoder_layers,
        attention,
        None if iteration is None else int(iteration),
        number(values.get("loss")),
        values.get("en_opt"),
        values.get("de_opt"),
    )


def number(value: Any) -> float | None:
    """A finite number, also one in a tensor; ``None`` for anything else."""
    if isinstance(value, Tensor):
        if value.numel() != 1 or not is_plain(value):
            return None
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # Python's integers have no bounds
        return None


def _tensors(values: Any, what: str) -> dict[str, Tensor]:
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{what} is no state dict; give {CHECKPOINT}.")
    tensors = {}
    for wrapped, value in values.items():
        if not isinstance(wrapped, str):
            raise CheckpointError(f"{what} has names that are no text; give {CHECKPOINT}.")
        name = ".".join(part for part in wrapped.split(".") if part not in WRAPPERS)
        if name in tensors:
            raise CheckpointError(f"{what} has {name} twice, as {wrapped} too; give {CHECKPOINT}.")
        if not is_plain(value):
            raise CheckpointError(f"{what} has in {name} no tensor of weights; give {CHECKPOINT}.")
        if value.dtype not in WEIGHT_DTYPES:
            raise CheckpointError(
                f"{what} has in {name} numbers of {value.dtype}, which are no weights of the"
                f" tutorial's model; give {CHECKPOINT}."
            )
        tensors[name] = value.detach().float()
        if not tensors[name].isfinite().all():
            raise CheckpointError(
                f"{what} has NaN or infinite weights in {name}, or some too large for single"
                " precision: its training diverged; give an earlier checkpoint."
            )
    return tensors


def is_plain(value: Any) -> bool:
    """Whether this is a tensor, dense and in memory: one can claim any size and repeat a number."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _layers(state: Mapping[str, Tensor]) -> int:
    layer = 0
    while f"gru.weight_hh_l{layer}" in state:
        layer += 1
    return layer


def _gru_shapes(hidden: int, layers: int, *, directions: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        inputs = hidden if layer == 0 else directions * hidden
        of_layer = ((3 * hidden, inputs), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,))
        for suffix in ("", "_reverse")[:directions]:
            for name, shape in zip(GRU_TENSORS, of_layer, strict=True):
                shapes[f"gru.{name}_l{layer}{suffix}"] = shape
    return shapes


def _check_shapes(
    what: str, state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in expected.items():
        if name not in state:
            raise CheckpointError(f"{what} has no {name}; give {CHECKPOINT}.")
        if tuple(state[name].shape) != shape:
            raise CheckpointError(
                f"{what} has {name} in the shape {tuple(state[name].shape)} where the tutorial's"
                f" model would have {shape}; give {CHECKPOINT}."
            )
    for name in state:
        if name not in expected:
            raise CheckpointError(
                f"{what} has {name}, which the tutorial's model has not; give {CHECKPOINT}."
            )
