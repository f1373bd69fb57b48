"""What a fine-tuned run starts from."""

from dataclasses import dataclass

from torch import Tensor

from bot.data.vocabulary import VocabularyConfig
from bot.model.seq2seq import ModelConfig
from bot.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Base:
    """A model that a run goes on from, with its vocabulary and sizes.

    :param name: for people: the run, the published version or the file
    :param weights: of a ``Seq2Seq``, by its names
    :param moments: Adam's ``step``, ``exp_avg`` and ``exp_avg_sq`` of each parameter, by the same
        names; ``None`` where the optimiser starts anew
    """

    name: str
    model: ModelConfig
    vocabulary: VocabularyConfig
    tokenizer: Tokenizer
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]] | None = None
