"""Which vocabulary a run learns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bot.text.tokenizer import Tokenizer, train_bpe, train_word_level, word_level
from bot.training.cleaning import count_words


@dataclass(frozen=True)
class VocabularyConfig:
    """How text becomes tokens.

    :param kind: byte-level BPE, or the tutorial's words
    :param size: tokens to learn at most, special symbols included
    :param min_count: rarer words are left out (``word`` only)
    :param drop_unknown: whether examples whose prompt or reply holds a word that is not in the
        vocabulary are dropped, held-out ones too (``word`` only); the tutorial's
        ``trimRareWords``
    """

    kind: Literal["bpe", "word"] = "bpe"
    size: int = 6000
    min_count: int = 1
    drop_unknown: bool = False

    def __post_init__(self) -> None:
        if self.kind == "bpe" and (self.min_count > 1 or self.drop_unknown):
            raise ValueError("byte-level BPE knows every word; rare words are for kind word")

    def learn(
        self, texts: Iterable[str], max_source_tokens: int, max_source_turns: int
    ) -> Tokenizer:
        """Learn the vocabulary from texts."""
        if self.kind == "word":
            return train_word_level(
                texts, self.min_count, self.size, max_source_tokens, max_source_turns
            )
        return train_bpe(texts, self.size, max_source_tokens, max_source_turns)

    def word_counter(self) -> Callable[[str], int]:
        """Counts the words of a text, for the limits of length.

        The words of a word-level vocabulary are those that the tutorial's ``MAX_LENGTH`` counts:
        ``.``, ``!`` and ``?`` are words too, and ``don't`` is two.
        """
        if self.kind == "bpe":
            return count_words
        tokenizer = word_level({}, 1)
        return lambda text: len(tokenizer.encode(text))
