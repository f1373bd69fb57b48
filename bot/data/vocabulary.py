"""Which vocabulary a run learns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.data.cleaning import count_words
from bot.errors import CorpusError
from bot.text.tokenizer import SPECIAL_SYMBOLS, Tokenizer, train_bpe, train_word_level, word_level

SAMPLED_TEXTS = 1000  # enough to see whether a vocabulary fits the texts


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
        """Learn the vocabulary from texts.

        :raises CorpusError: if most texts would have no word that is learnt
        """
        if self.kind == "word":
            texts = list(texts)
            tokenizer = train_word_level(
                texts, self.min_count, self.size, max_source_tokens, max_source_turns
            )
            self._check_words(tokenizer, texts)
            return tokenizer
        return train_bpe(texts, self.size, max_source_tokens, max_source_turns)

    def _check_words(self, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
        """See whether there is something to learn: a text of nothing but marks says nothing."""
        sample = texts[:: len(texts) // SAMPLED_TEXTS + 1]
        no_words = {*range(len(SPECIAL_SYMBOLS)), *tokenizer.encode(".!?")}
        known = sum(not no_words.issuperset(ids) for ids in tokenizer.encode_batch(sample))
        if 2 * known < len(sample):
            words = tokenizer.vocabulary_size - len(no_words)
            lower = "lower --min-count, or " if self.min_count > 1 else ""
            raise CorpusError(
                f"More than half of the turns have none of the {words:,} words that would be learnt"
                f" with --min-count {self.min_count}; {lower}give --vocabulary-kind bpe, which"
                " knows every script."
            )

    def word_counter(self) -> Callable[[str], int]:
        """Counts the words of a text, for the limits of length.

        The words of a word-level vocabulary are those that the tutorial's ``MAX_LENGTH`` counts:
        ``.``, ``!`` and ``?`` are words too, and ``don't`` is two.
        """
        if self.kind == "bpe":
            return count_words
        tokenizer = word_level({}, 1)
        return lambda text: len(tokenizer.encode(text))
