"""Text to token ids and back, in the Hugging Face ``tokenizers`` JSON format.

Two kinds share one interface. New models use byte-level byte-pair encoding (Sennrich et al.,
2016, https://arxiv.org/abs/1508.07909, on bytes as in GPT-2): every Unicode string has an
encoding and case, punctuation and apostrophes survive. Models made from the PyTorch chatbot
tutorial use its word-level vocabulary and its normalisation (lower case, no accents, ``.!?``
split off, everything else dropped).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from bot.errors import TokenizerError
from bot.printable import printable, without_unprintable

PAD, BOS, EOS, UNK, SEP = "<pad>", "<bos>", "<eos>", "<unk>", "<sep>"
SPECIAL_SYMBOLS = (PAD, BOS, EOS, UNK, SEP)
PAD_ID, BOS_ID, EOS_ID, UNK_ID, SEP_ID = range(len(SPECIAL_SYMBOLS))

# Longer text is cut before it is tokenised, so that the work is bounded by the model and not by
# the sender. English averages four characters a token; no word is near this long.
CHARACTERS_PER_TOKEN = 16

MAX_BYTES_A_CHARACTER = 4  # in UTF-8
EOS_LABEL = "\N{END OF PROOF}"
SEP_LABEL = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"


class Tokenizer:
    """Normalises text, cuts it into tokens and maps them to ids.

    :param backend: the tokenizer that does the work
    :param max_source_tokens: the longest source, ``EOS`` included, that ``encode_source`` makes
    :param max_source_turns: how many turns of a conversation, the newest included, it reads
    """

    def __init__(self, backend: Backend, max_source_tokens: int, max_source_turns: int = 1) -> None:
        if max_source_tokens < 1:
            raise ValueError(f"max_source_tokens is {max_source_tokens}; it must be at least 1")
        if max_source_turns < 1:
            raise ValueError(f"max_source_turns is {max_source_turns}; it must be at least 1")
        for index, symbol in enumerate(SPECIAL_SYMBOLS):
            if backend.token_to_id(symbol) != index:
                raise TokenizerError(
                    f"The tokenizer has {symbol} at id {backend.token_to_id(symbol)} instead of"
                    f" {index}; use a tokenizer.json that Causerie made."
                )
        # A user who types "<eos>" means five characters.
        backend.encode_special_tokens = True
        self._backend = backend
        self.max_source_tokens = max_source_tokens
        self.max_source_turns = max_source_turns

    @classmethod
    def from_json(cls, text: str, max_source_tokens: int, max_source_turns: int = 1) -> "Tokenizer":
        """Read the contents of a ``tokenizer.json``.

        :raises TokenizerError: if the text is not a tokenizer, or not one with our special symbols
        """
        try:
            backend = Backend.from_str(text)
        except Exception as error:  # the library raises plain Exception for malformed JSON
            raise TokenizerError(
                f"tokenizer.json cannot be read ({error}); restore it or export the model again."
            ) from error
        return cls(backend, max_source_tokens, max_source_turns)

    def to_json(self) -> str:
        """The contents of a ``tokenizer.json`` that ``from_json`` reads back."""
        return self._backend.to_str(pretty=False)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, special symbols included."""
        return self._backend.get_vocab_size()

    @property
    def kind(self) -> Literal["bpe", "word", "whitespace"]:
        """Byte-level BPE, the tutorial's words, or what stands between white space."""
        if not isinstance(self._backend.model, models.WordLevel):
            return "bpe"
        return "word" if self.normalise("a,b") == "a b" else "whitespace"

    def normalise(self, text: str) -> str:
        """The text as the tokenizer sees it: what survives of it."""
        normalizer = self._backend.normalizer
        text = well_formed(text)
        return text if normalizer is None else normalizer.normalize_str(text)

    def encode(self, text: str) -> list[int]:
        """Ids of any string, without special symbols around them."""
        return _without_pad(self._backend.encode(well_formed(text), add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` for many texts, on all cores."""
        encodings = self._backend.encode_batch(
            [well_formed(text) for text in texts], add_special_tokens=False
        )
        return [_without_pad(encoding.ids) for encoding in encodings]

    def knows(self, text: str) -> bool:
        """Whether the vocabulary has every token of the text, as normalised."""
        return not self.unknown_among([text])

    def unknown_among(self, texts: Sequence[str]) -> set[str]:
        """The texts that hold a token which the vocabulary has not, on all cores."""
        encodings = self._backend.encode_batch(
            [well_formed(text) for text in texts], add_special_tokens=False
        )
        return {
            text
            for text, encoding in zip(texts, encodings, strict=True)
            if {UNK_ID, PAD_ID}.intersection(encoding.ids)  # PAD: what is to be left out
        }

    def encode_source(self, *turns: str) -> list[int]:
        """The ids that the encoder reads when a reply is to be written.

        The last ``max_source_turns`` turns, ``SEP`` between them; of more than
        ``max_source_tokens`` the end, because that is where the newest turn asks its question.
        Never raises and never returns an empty list: ``EOS`` closes the source.

        :param turns: the conversation so far, the newest turn last
        """
        characters = self.max_source_tokens * CHARACTERS_PER_TOKEN
        tails = [turn.strip()[-characters:] for turn in turns[-self.max_source_turns :]]
        return self.join_turns([self.encode(tail) for tail in tails])

    def join_turns(self, turns: Sequence[list[int]]) -> list[int]:
        """The source of turns that are encoded already, in training and in serving.

        Training calls this after ``encode_batch``, serving through ``encode_source``: both see a
        conversation alike.
        """
        ids: list[int] = []
        for turn in turns[-self.max_source_turns :]:
            if ids:
                ids.append(SEP_ID)
            ids.extend(turn)
        return [*ids[max(0, len(ids) - self.max_source_tokens + 1) :], EOS_ID]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids; special symbols, broken bytes and what is unprintable leave no
        trace."""
        text = self._backend.decode(list(ids), skip_special_tokens=True)
        return without_unprintable(text).replace("\N{REPLACEMENT CHARACTER}", "").strip()

    def labels(self, ids: Sequence[int]) -> list[str]:
        """A legible text for each token, for pictures and tables.

        ``EOS`` and ``SEP`` become marks. Where a character is spread over several tokens, the last
        of them has it and the others have an ellipsis.
        """
        marks = {EOS_ID: EOS_LABEL, SEP_ID: SEP_LABEL}
        labels: list[str] = []
        pending: list[int] = []  # tokens whose bytes do not end a character yet
        for token_id in ids:
            if token_id < len(SPECIAL_SYMBOLS):
                labels.append(marks.get(token_id, SPECIAL_SYMBOLS[token_id]))
                pending = []
                continue
            pending = [*pending, token_id][-MAX_BYTES_A_CHARACTER:]
            text = self._backend.decode(pending, skip_special_tokens=True)
            if text.endswith("\N{REPLACEMENT CHARACTER}"):
                labels.append("\N{HORIZONTAL ELLIPSIS}")
                continue
            labels.append(printable(text.strip()) or "\N{OPEN BOX}")
            pending = []
        return labels


def _without_pad(ids: list[int]) -> list[int]:
    """What a vocabulary without ``UNK`` makes of unknown words is left out; see ``word_level``."""
    return [i for i in ids if i != PAD_ID]


def well_formed(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced.

    Python strings may hold code points that UTF-8 cannot; the tokenizer refuses them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def train_bpe(
    texts: Iterable[str],
    vocabulary_size: int,
    max_source_tokens: int,
    max_source_turns: int = 1,
) -> Tokenizer:
    """Learn a byte-level BPE vocabulary from texts.

    Only what makes two spellings of the same message differ is normalised: Unicode composition,
    typographic quotes, white space and control characters.
    """
    backend = Backend(models.BPE(unk_token=UNK))
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex("[\u2018\u2019]"), "'"),  # typographic single quotes
            normalizers.Replace(Regex("[\u201c\u201d]"), '"'),  # typographic double quotes
            normalizers.Replace(Regex(r"[\s\p{Cc}]+"), " "),
            normalizers.Strip(),
        ]
    )
    # The prefix space makes a word the same token at the start of a message and inside it.
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_SYMBOLS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator((well_formed(text) for text in texts), trainer)
    return Tokenizer(backend, max_source_tokens, max_source_turns)


def word_level(
    word_to_id: Mapping[str, int],
    max_source_tokens: int,
    *,
    unknown: str = UNK,
    normalise: bool = True,
) -> Tokenizer:
    """A word-level tokenizer with the given vocabulary.

    Source: PyTorch chatbot tutorial, "Load & Preprocess Data", ``normalizeString``.

    :param word_to_id: ids of the words; the special symbols have theirs, from 0 to 4
    :param unknown: what other words become: ``UNK``, or ``PAD`` to leave them out, for a model
        that was trained on sentences of known words only
    :param normalise: as the tutorial does; otherwise text is split at white space, in lower case
        if the vocabulary is
    """
    vocabulary = dict(word_to_id) | {symbol: i for i, symbol in enumerate(SPECIAL_SYMBOLS)}
    backend = Backend(models.WordLevel(vocabulary, unk_token=unknown))
    backend.add_special_tokens(list(SPECIAL_SYMBOLS))
    if normalise:
        steps = [
            normalizers.Lowercase(),
            normalizers.NFD(),
            normalizers.Replace(Regex(r"\p{Mn}"), ""),
            normalizers.Replace(Regex("[^a-zA-Z.!?]+"), " "),
            normalizers.Strip(),
        ]
    else:
        in_lower_case = all(word == word.lower() for word in word_to_id)
        steps = [normalizers.Lowercase()] if in_lower_case else []
        # Words like these are in the vocabulary, and a user may type them.
        steps += [normalizers.Replace(symbol, " ") for symbol in SPECIAL_SYMBOLS]
    backend.normalizer = normalizers.Sequence(steps)
    spaces = pre_tokenizers.WhitespaceSplit()
    marks = pre_tokenizers.Split(Regex("[.!?]"), behavior="merged_with_next")
    backend.pre_tokenizer = pre_tokenizers.Sequence([spaces, marks] if normalise else [spaces])
    backend.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return Tokenizer(backend, max_source_tokens)


def train_word_level(
    texts: Iterable[str],
    min_count: int,
    max_size: int,
    max_source_tokens: int,
    max_source_turns: int = 1,
) -> Tokenizer:
    """Learn a word-level vocabulary, the most frequent words first, with the tutorial's words.

    Source: PyTorch chatbot tutorial, "Load & Preprocess Data", ``Voc``.

    :param min_count: rarer words are left out
    :param max_size: how many tokens at most, special symbols included
    """
    backend = word_level({}, max_source_tokens)._backend
    trainer = trainers.WordLevelTrainer(
        vocab_size=max_size,
        min_frequency=min_count,
        special_tokens=list(SPECIAL_SYMBOLS),
        show_progress=False,
    )
    backend.train_from_iterator((well_formed(text) for text in texts), trainer)
    return Tokenizer(backend, max_source_tokens, max_source_turns)


def train_whitespace(
    texts: Iterable[str],
    min_count: int,
    max_size: int,
    max_source_tokens: int,
    max_source_turns: int = 1,
) -> Tokenizer:
    """Learn the words of texts that are split at white space already, the most frequent first.

    :param min_count: rarer words are left out
    :param max_size: how many tokens at most, special symbols included
    """
    counts = Counter(word for text in texts for word in well_formed(text).split())
    for symbol in SPECIAL_SYMBOLS:
        del counts[symbol]
    kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    words = [word for _, word in kept[: max(0, max_size - len(SPECIAL_SYMBOLS))]]
    ids = {word: index for index, word in enumerate(words, len(SPECIAL_SYMBOLS))}
    backend = word_level(ids, max_source_tokens, normalise=False)._backend
    return Tokenizer(backend, max_source_tokens, max_source_turns)
