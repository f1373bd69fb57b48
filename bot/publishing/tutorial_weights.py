"""The tensors of a tutorial checkpoint by the names of our model: weights, or moments of Adam."""

from collections.abc import Mapping

import torch
from torch import Tensor

from bot.publishing.tutorial_checkpoint import GRU_TENSORS, TutorialCheckpoint
from bot.publishing.tutorial_vocabulary import SPECIAL_COUNT
from bot.text.tokenizer import SPECIAL_SYMBOLS

# Below any logit, and finite in half precision too.
NEVER = -1e4
# tanh(x) is x, to float32's precision, for an x this small; a power of two scales without rounding.
LINEAR_SCALE = 2.0**-14


def by_our_names(
    checkpoint: TutorialCheckpoint,
    encoder: Mapping[str, Tensor],
    decoder: Mapping[str, Tensor],
    never: float = 0.0,
) -> dict[str, Tensor]:
    """The state dict of a ``Seq2Seq``.

    :param encoder, decoder: by the tutorial's names
    :param never: the bias of the symbols that the tutorial has not
    """
    weights = {
        "embedding.weight": _with_our_symbols(checkpoint, encoder["embedding.weight"], 0.0),
        "decoder.combine.weight": decoder["concat.weight"],
        "decoder.combine.bias": decoder["concat.bias"],
        "output.weight": _with_our_symbols(checkpoint, decoder["out.weight"], 0.0),
        "output.bias": _with_our_symbols(checkpoint, decoder["out.bias"], never),
    }
    for tensor in GRU_TENSORS:
        for layer in range(checkpoint.encoder_layers):
            theirs = f"gru.{tensor}_l{layer}"
            weights[f"encoder.forwards.{layer}.{tensor}_l0"] = encoder[theirs]
            weights[f"encoder.backwards.{layer}.{tensor}_l0"] = encoder[f"{theirs}_reverse"]
        for layer in range(checkpoint.decoder_layers):
            weights[f"decoder.gru.{tensor}_l{layer}"] = decoder[f"gru.{tensor}_l{layer}"]
    attention = _of_attention(decoder, checkpoint.attention, checkpoint.hidden_size)
    return weights | {f"decoder.attention.{name}": tensor for name, tensor in attention.items()}


def _with_our_symbols(checkpoint: TutorialCheckpoint, rows: Tensor, value: float) -> Tensor:
    """Rows by the checkpoint's ids, (V, ...), as rows by ours, (V + 2, ...).

    ``PAD``, ``BOS`` and ``EOS`` come first, then ``UNK`` and ``SEP``, which the tutorial has not,
    filled with ``value``.
    """
    special = rows[checkpoint.vocabulary.special_ids]
    ours = rows.new_full((len(SPECIAL_SYMBOLS) - SPECIAL_COUNT, *rows.shape[1:]), value)
    return torch.cat((special, ours, rows[SPECIAL_COUNT:]))


def _of_attention(decoder: Mapping[str, Tensor], score: str, hidden: int) -> dict[str, Tensor]:
    """The tutorial's ``attn.*`` by the names of ``LuongAttention``."""
    if score == "dot":
        return {}
    weight, bias = decoder["attn.attn.weight"], decoder["attn.attn.bias"]
    if score == "general":
        return {"memory_projection.weight": weight, "memory_projection.bias": bias}
    of_query, of_memory = weight[:, :hidden], weight[:, hidden:]
    v = decoder["attn.v"]
    if v.dim() == 2:
        # The ancestor's, (1, H), has no tanh: v · (W [query; memory] + b). What does not depend on
        # the memory is the same for each source token and changes no weight.
        return {
            "query_projection.weight": torch.zeros_like(of_query),
            "memory_projection.weight": of_memory * LINEAR_SCALE,
            "memory_projection.bias": torch.zeros_like(bias),
            "energy.weight": v / LINEAR_SCALE,
        }
    return {
        "query_projection.weight": of_query,
        "memory_projection.weight": of_memory,
        "memory_projection.bias": bias,
        "energy.weight": v.unsqueeze(0),
    }
