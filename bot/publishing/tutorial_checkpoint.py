"""Reads checkpoints of the PyTorch chatbot tutorial and of its ancestor.

Both are a ``torch.save`` of a dict: ``en`` and ``de`` are the state dicts of encoder and decoder,
``iteration`` and ``loss`` say how far training was.

- The tutorial: https://pytorch.org/tutorials/beginner/chatbot_tutorial.html, "Run Training".
- Its ancestor: https://github.com/ywk991112/pytorch-chatbot, which keeps its vocabulary elsewhere
  and scores ``concat`` attention without the ``tanh``.
"""

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
    rows = encoder.get("embedding.weight", torch.empty(V)).size(0)
    if rows != V:
        raise CheckpointError(
            f"{path} has embeddings of {rows} words and its vocabulary has {V}; {SAVE_AGAIN}."
        )
    H = decoder.get("gru.weight_hh_l0", torch.empty(0, 0)).size(-1)  # noqa: N806 (as in bot.model)
    encoder_layers, decoder_layers = _layers(encoder), _layers(decoder)
    if not 1 <= decoder_layers <= 2 * encoder_layers:
        raise CheckpointError(
            f"{path} has {encoder_layers} encoder and {decoder_layers} decoder layers of GRU (gru.*"
            " in en and de); the tutorial's have 1 or more, and the decoder twice the encoder's at"
            " most."
        )
    embedding = {"embedding.weight": (V, H)}
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
        embedding | _gru_shapes(H, encoder_layers, directions=2),
    )
    _check_shapes(
        f"{path}: the decoder (de)",
        decoder,
        embedding | _gru_shapes(H, decoder_layers, directions=1) | out | of_attention,
    )
    if not torch.equal(encoder["embedding.weight"], decoder["embedding.weight"]):
        raise CheckpointError(
            f"{path} has other embeddings in its encoder than in its decoder; only models that"
            " share them, as the tutorial's do, can be imported."
        )
    iteration = values.get("iteration")
    loss = values.get("loss")
    if isinstance(loss, Tensor) and loss.numel() == 1:
        loss = loss.item()
    return TutorialCheckpoint(
        is_ancestor,
        vocabulary,
        encoder,
        decoder,
        encoder_layers,
        decoder_layers,
        attention,
        iteration if isinstance(iteration, int) else None,
        float(loss) if isinstance(loss, (int, float)) else None,
    )


def _tensors(values: Any, what: str) -> dict[str, Tensor]:
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{what} is no state dict; give {CHECKPOINT}.")
    tensors = {}
    for name, value in values.items():
        # A file can claim a tensor of any size that repeats one number.
        if (
            not isinstance(value, Tensor)
            or value.layout != torch.strided
            or value.device.type != "cpu"
            or not value.is_floating_point()
            or value.untyped_storage().nbytes() < value.numel() * value.element_size()
        ):
            raise CheckpointError(f"{what} has in {name} no tensor of weights; give {CHECKPOINT}.")
        if not value.isfinite().all():
            raise CheckpointError(
                f"{what} has NaN or infinite weights in {name}: its training diverged; give an"
                " earlier checkpoint."
            )
        tensors[str(name)] = value.detach().float()
    return tensors


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
