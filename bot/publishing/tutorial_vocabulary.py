"""The vocabulary of a checkpoint of the PyTorch chatbot tutorial or of its ancestor.

Both keep the attributes of an object of a class ``Voc``: the tutorial as ``voc_dict`` in the
checkpoint, its ancestor as the object itself in a file of its own, ``voc.tar``.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import CheckpointError
from bot.publishing.untrusted import Attributes, load_untrusted

# Both number their special symbols from 0 to 2, in different orders.
SPECIAL_COUNT = 3
VOCABULARY_FILE = "voc.tar"

# For errors.
CHECKPOINT = "a checkpoint of the PyTorch chatbot tutorial, such as 4000_checkpoint.tar"
VOCABULARY = "the voc.tar that pytorch-chatbot saved with the checkpoint"
SAVE_AGAIN = "save the checkpoint again with the vocabulary that it was trained with"


@dataclass(frozen=True)
class Vocabulary:
    """The words of a checkpoint.

    :param name: of the corpus it was made from
    :param words: the words by id; the first ``SPECIAL_COUNT`` are special symbols
    """

    name: str
    words: tuple[str, ...]

    @property
    def special_ids(self) -> list[int]:
        """The ids of ``PAD``, ``SOS`` and ``EOS``."""
        return [self.words.index(symbol) for symbol in ("PAD", "SOS", "EOS")]

    @classmethod
    def of(cls, values: Any, what: str) -> "Vocabulary":
        """Check the attributes of a ``Voc``.

        :param what: what they are from, for the error
        :raises CheckpointError: if they are not those of a vocabulary, or do not fit each other
        """
        index2word = values.get("index2word") if isinstance(values, Mapping) else None
        word2index = values.get("word2index") if isinstance(values, Mapping) else None
        if not isinstance(index2word, dict) or not isinstance(word2index, dict):
            raise CheckpointError(
                f"{what} has no index2word and word2index; give {CHECKPOINT}, or with --vocabulary"
                f" {VOCABULARY}."
            )
        numbered = [index2word.get(i) for i in range(len(index2word))]
        words = tuple(word for word in numbered if isinstance(word, str))
        if len(words) < len(numbered):
            raise CheckpointError(
                f"{what} does not number its words from 0 to {len(numbered) - 1}; {SAVE_AGAIN}."
            )
        if sorted(words[:SPECIAL_COUNT]) != ["EOS", "PAD", "SOS"]:
            raise CheckpointError(
                f"{what} begins with {reprlib.repr(words[:SPECIAL_COUNT])} and not with PAD, SOS"
                f" and EOS; {SAVE_AGAIN}."
            )
        if len(words) == SPECIAL_COUNT:
            raise CheckpointError(f"{what} holds no word; {SAVE_AGAIN}.")
        for number, word in enumerate(words[SPECIAL_COUNT:], SPECIAL_COUNT):
            index = word2index.get(word)
            if not isinstance(index, int) or index != number:
                raise CheckpointError(
                    f"{what} has {reprlib.repr(word)} as word {number} in index2word and as"
                    f" {reprlib.repr(index)} in word2index; {SAVE_AGAIN}."
                )
        for name in ("num_words", "n_words"):
            count = values.get(name)
            if isinstance(count, int) and count != len(words):
                raise CheckpointError(
                    f"{what} has {len(words)} words and says it has {reprlib.repr(count)};"
                    f" {SAVE_AGAIN}."
                )
        name = values.get("name")
        return cls(name if isinstance(name, str) else "", words)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the ancestor's ``voc.tar``.

    :raises CheckpointError: as ``load_untrusted`` and ``Vocabulary.of`` do
    """
    values = load_untrusted(path, VOCABULARY, allowed_class="Voc")
    attributes = vars(values) if isinstance(values, Attributes) else values
    return Vocabulary.of(attributes, f"The vocabulary {path}")


def vocabulary_beside(path: Path) -> Path:
    """The ancestor's vocabulary: in the same folder, or as its scripts lay out theirs.

    They write ``save/model/CORPUS/SIZES/CHECKPOINT`` and ``save/training_data/CORPUS/voc.tar``.

    :raises CheckpointError: if it is in neither
    """
    folders = list(path.absolute().parents)
    candidates = [folders[0] / VOCABULARY_FILE]
    if len(folders) > 3:
        corpus = folders[1].name
        candidates.append(folders[3] / "training_data" / corpus / VOCABULARY_FILE)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        f"{path} holds no vocabulary, voc_dict, and there is no {VOCABULARY_FILE} beside"
        f" it; put {VOCABULARY} there, or name it to import-checkpoint with --vocabulary."
    )
