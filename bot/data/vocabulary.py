"""Which vocabulary a run learns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.errors import CorpusError
from bot.text.tokenizer import (
    SPECIAL_SYMBOLS,
    Tokenizer,
    train_bpe,
    train_whitespace,
    train_word_level,
    word_level,
)
from bot.text.words import count_words

SAMPLED_TEXTS = 1000  # enough to see whether a vocabulary fits the texts


@dataclass(frozen=True)
class VocabularyConfig:
    """How text becomes tokens.

    :param kind: byte-level BPE, the tutorial's words, or what stands between white space
    :param size: tokens to learn at most, special symbols included
    :param min_count: rarer words are left out (not of ``bpe``)
    :param drop_unknown: whether examples whose prompt or reply holds a word that is not in the
        vocabulary are dropped, held-out ones too (not of ``bpe``); the tutorial's
        ``trimRareWords``
    """

    kind: Literal["bpe", "word", "whitespace"] = "bpe"
    size: int = 6000
    min_count: int = 1
    drop_unknown: bool = False

    def __post_init__(self) -> None:
        if self.kind == "bpe" and (self.min_count > 1 or self.drop_unknown):
            raise ValueError(
                "byte-level BPE knows every word; rare words are for kind word or whitespace"
            )

    def learn(
        self, pairs: Iterable[tuple[str, str]], max_source_tokens: int, max_source_turns: int
    ) -> Tokenizer:
        """Learn the vocabulary from pairs of a prompt and its reply.

        :raises CorpusError: if most prompts, or most replies, would have no word that is learnt
        """
        if self.kind == "bpe":
            texts = (text for pair in pairs for text in pair)
            return train_bpe(texts, self.size, max_source_tokens, max_source_turns)
        pairs = list(pairs)
        texts = (text for pair in pairs for text in pair)
        train = train_word_level if self.kind == "word" else train_whitespace
        tokenizer = train(texts, self.min_count, self.size, max_source_tokens, max_source_turns)
        self._check_words(tokenizer, "prompts", [prompt for prompt, _ in pairs])
        self._check_words(tokenizer, "replies", [reply for _, reply in pairs])
        return tokenizer

    def _check_words(self, tokenizer: Tokenizer, what: str, texts: Sequence[str]) -> None:
        """See whether there is something to learn: a text of nothing but marks says nothing."""
        sample = texts[:: len(texts) // SAMPLED_TEXTS + 1]
        no_words = {*range(len(SPECIAL_SYMBOLS)), *tokenizer.encode(".!?")}
        known = sum(not no_words.issuperset(ids) for ids in tokenizer.encode_batch(sample))
        if 2 * known < len(sample):
            words = tokenizer.vocabulary_size - len(no_words)
            lower = "lower --min-count, or " if self.min_count > 1 else ""
            of_latin = " of Latin letters" if self.kind == "word" else ""
            raise CorpusError(
                f"More than half of the {what} have none of the {words:,} words{of_latin}"
                f" that would be learnt with --min-count {self.min_count}; {lower}give"
                " --vocabulary-kind bpe, which knows every script."
            )

    def word_counter(self) -> Callable[[str], int]:
        """Counts the words of a text, for the limits of length.

        The words of a word-level vocabulary are those that the tutorial's ``MAX_LENGTH`` counts:
        ``.``, ``!`` and ``?`` are words too, and ``don't`` is two.
        """
        if self.kind == "bpe":
            return count_words
        if self.kind == "whitespace":
            return lambda text: len(text.split())
        tokenizer = word_level({}, 1)
        return lambda text: len(tokenizer.encode(text))
