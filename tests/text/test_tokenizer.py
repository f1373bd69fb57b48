"""Text to ids and back."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.errors import TokenizerError
from bot.printable import without_unprintable
from bot.text.tokenizer import (
    BOS_ID,
    EOS_ID,
    EOS_LABEL,
    PAD,
    PAD_ID,
    SEP_ID,
    SEP_LABEL,
    SPECIAL_SYMBOLS,
    UNK_ID,
    Tokenizer,
    train_bpe,
    train_word_level,
    well_formed,
    word_level,
)

SENTENCES = ["I'm fine, thanks.", "Hello there!", "Do you like films?", "Don't worry."] * 10
MAX_SOURCE_TOKENS = 12

any_text = st.text(st.characters())  # lone surrogates and control characters included


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_bpe(SENTENCES, 320, MAX_SOURCE_TOKENS)


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return word_level({"hello": 5, "how": 6, "are": 7, "you": 8, "?": 9, ".": 10}, 6)


def test_special_symbols_have_fixed_ids(bpe: Tokenizer) -> None:
    assert (PAD_ID, BOS_ID, EOS_ID, UNK_ID, SEP_ID) == (0, 1, 2, 3, 4)
    assert bpe.decode([PAD_ID, BOS_ID, EOS_ID, UNK_ID, SEP_ID]) == ""


@pytest.mark.parametrize(
    "text", ["I'm fine, thanks.", "Hello, WORLD!", "Привет, как дела?", "你好", "🎉👍🏽"]
)
def test_bpe_keeps_case_punctuation_and_any_script(bpe: Tokenizer, text: str) -> None:
    assert bpe.decode(bpe.encode(text)) == text


@given(any_text)
@example("\ud800")
@example("\udc00\ud800")
@example("@everyone ```code``` \u202e\x00\x1b")
def test_bpe_decodes_what_it_encodes(bpe: Tokenizer, text: str) -> None:
    kept = without_unprintable(bpe.normalise(text)).replace("\N{REPLACEMENT CHARACTER}", "").strip()
    assert bpe.decode(bpe.encode(text)) == kept


@given(any_text)
def test_bpe_knows_every_string(bpe: Tokenizer, text: str) -> None:
    assert not set(bpe.encode(text)) & {PAD_ID, BOS_ID, EOS_ID, UNK_ID, SEP_ID}


@pytest.mark.parametrize("symbol", SPECIAL_SYMBOLS)
def test_special_symbols_in_a_message_are_ordinary_text(bpe: Tokenizer, symbol: str) -> None:
    reread = Tokenizer.from_json(bpe.to_json(), MAX_SOURCE_TOKENS)
    assert reread.decode(reread.encode(symbol)) == symbol


@given(any_text)
@example("")
@example("x" * 100_000)
@example("👍" * 5_000)
@example(" " * 100_000)
def test_a_source_is_never_empty_nor_too_long(bpe: Tokenizer, text: str) -> None:
    ids = bpe.encode_source(text)
    assert 1 <= len(ids) <= MAX_SOURCE_TOKENS
    assert ids[-1] == EOS_ID


def test_a_long_source_keeps_its_end(bpe: Tokenizer) -> None:
    ids = bpe.encode_source("Hello there! " * 1000 + "Do you like films?")
    assert bpe.decode(ids).endswith("Do you like films?")


@given(st.lists(any_text, max_size=5))
def test_the_source_of_a_conversation_is_its_last_turns_with_sep_between(
    bpe: Tokenizer, turns: list[str]
) -> None:
    reader = Tokenizer.from_json(bpe.to_json(), 10_000, max_source_turns=3)
    expected: list[int] = []
    for turn in turns[-3:]:
        expected += [SEP_ID] * bool(expected) + reader.encode(turn.strip())
    assert reader.encode_source(*turns) == [*expected, EOS_ID]


def test_the_newest_turn_of_a_conversation_that_is_too_long_is_kept(bpe: Tokenizer) -> None:
    reader = Tokenizer.from_json(bpe.to_json(), 12, max_source_turns=3)
    newest = reader.encode("Do you like films?")
    source = reader.encode_source("Hello there! " * 5, "Hello!", "Do you like films?")
    assert len(source) == 12
    assert source[-1 - len(newest) :] == [*newest, EOS_ID]
    assert SEP_ID in source


@given(any_text)
def test_well_formed_text_can_be_encoded(text: str) -> None:
    assert well_formed(text).encode().decode() == well_formed(text)


def test_well_formed_joins_surrogate_pairs() -> None:
    assert well_formed("\ud83d\udc4d") == "👍"


def test_a_tokenizer_survives_json(bpe: Tokenizer, words: Tokenizer) -> None:
    for tokenizer in (bpe, words):
        reread = Tokenizer.from_json(tokenizer.to_json(), 12)
        assert reread.encode("Hello, how are you?") == tokenizer.encode("Hello, how are you?")


@pytest.mark.parametrize("json", ["", "{}", "[]", "null", '{"model": 1}'])
def test_rubbish_is_not_a_tokenizer(json: str) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer.from_json(json, 12)


def test_a_foreign_tokenizer_is_refused() -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models

    with pytest.raises(TokenizerError, match="<pad>"):
        Tokenizer.from_json(Backend(models.BPE()).to_str(), 12)


def tutorial_normalise(text: str) -> str:
    """The tutorial's steps, in plain Python."""
    decomposed = unicodedata.normalize("NFD", text.lower().strip())
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    spaced = re.sub(r"([.!?])", r" \1", bare)
    return re.sub(r"[^a-zA-Z.!?]+", " ", spaced).strip()


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"])))
@example("Hello, world! It's 5 o'clock...")
@example("a.b!c?d")
@example("Crème brûlée?!")
@example("<eos> <pad>")
def test_word_level_splits_as_the_tutorial_does(text: str) -> None:
    expected = tutorial_normalise(text).split()
    vocabulary = {word: 5 + i for i, word in enumerate(dict.fromkeys(expected))}
    assert word_level(vocabulary, 12).encode(text) == [vocabulary[word] for word in expected]


def test_word_level_maps_unknown_words_to_unk(words: Tokenizer) -> None:
    assert words.encode("Hello, stranger. How are you?") == [5, UNK_ID, 10, 6, 7, 8, 9]


def test_word_level_leaves_unknown_words_out_if_told_to() -> None:
    words = word_level({"hello": 5, "?": 6}, 6, unknown=PAD)
    reread = Tokenizer.from_json(words.to_json(), 6)
    assert reread.encode("Hello, stranger?") == [5, 6]
    assert reread.encode_batch(["stranger", "hello"]) == [[], [5]]
    assert reread.encode_source("Who, me?!") == [6, EOS_ID]


def test_word_level_without_the_tutorials_normalisation_splits_at_white_space() -> None:
    lower = word_level({"don't": 5, "été": 6, "?": 7}, 6, normalise=False)
    assert lower.encode(" Don't\tÉté ? été?") == [5, 6, 7, UNK_ID]
    mixed = word_level({"Don't": 5}, 6, normalise=False)
    assert mixed.encode("Don't don't <PAD> <eos>") == [5, UNK_ID, UNK_ID]


def test_word_level_replies_have_no_space_before_punctuation(words: Tokenizer) -> None:
    assert words.decode([5, 10, 6, 7, 8, 9]) == "hello. how are you?"


def test_a_word_level_vocabulary_has_the_words_that_occur_often_enough() -> None:
    texts = ["Hello, how are you?", "How are you, Zoë?", "are you?"]
    tokenizer = train_word_level(texts, 2, 100, MAX_SOURCE_TOKENS, 2)
    assert tokenizer.decode(tokenizer.encode("HOW are you?")) == "how are you?"
    assert tokenizer.encode("hello Zoë") == [UNK_ID, UNK_ID]
    assert tokenizer.vocabulary_size == len(SPECIAL_SYMBOLS) + 4
    assert tokenizer.max_source_turns == 2
    assert train_word_level(texts, 1, 100, 12).encode("zoe")[0] != UNK_ID


def test_the_most_frequent_words_come_first_and_the_size_is_a_limit() -> None:
    texts = ["a b c", "b c", "c"]
    tokenizer = train_word_level(texts, 1, len(SPECIAL_SYMBOLS) + 2, MAX_SOURCE_TOKENS)
    assert tokenizer.encode("c b a") == [SEP_ID + 1, SEP_ID + 2, UNK_ID]


@given(st.lists(any_text, min_size=1))
def test_any_texts_give_a_word_level_vocabulary_that_knows_them(texts: list[str]) -> None:
    tokenizer = train_word_level(texts, 1, 10_000, MAX_SOURCE_TOKENS)
    assert not any(UNK_ID in tokenizer.encode(text) for text in texts)
    assert tokenizer.to_json() == train_word_level(texts, 1, 10_000, 12).to_json()


def test_labels_are_legible_words_and_marks(bpe: Tokenizer, words: Tokenizer) -> None:
    ids = [*bpe.encode("Hello there!"), SEP_ID, *bpe.encode("Don't"), EOS_ID]
    assert "".join(bpe.labels(ids)) == f"Hellothere!{SEP_LABEL}Don't{EOS_LABEL}"
    assert words.labels(words.encode_source("Hello, you!")) == ["hello", "you", "<unk>", EOS_LABEL]
    assert bpe.labels([PAD_ID, BOS_ID, UNK_ID]) == ["<pad>", "<bos>", "<unk>"]


def test_a_character_of_several_tokens_is_the_last_ones_label(bpe: Tokenizer) -> None:
    assert bpe.labels(bpe.encode("\N{PARTY POPPER}\N{LATIN SMALL LETTER E WITH ACUTE}")) == [
        *(
            "\N{OPEN BOX}",
            "…",
            "…",
            "…",
            "\N{PARTY POPPER}",
            "…",
            "\N{LATIN SMALL LETTER E WITH ACUTE}",
        )
    ]


def test_what_a_vocabulary_knows(bpe: Tokenizer, words: Tokenizer) -> None:
    leaves_out = words.to_json().replace('"unk_token":"<unk>"', '"unk_token":"<pad>"')
    assert leaves_out != words.to_json()
    for tokenizer in (words, Tokenizer.from_json(leaves_out, 6)):
        assert tokenizer.knows("Hello, how are you?")
        assert tokenizer.knows("")
        assert not tokenizer.knows("Hello Bob.")
    assert bpe.knows("Hello \ud800 \N{PARTY POPPER} <unk> <pad>")


@given(st.lists(st.integers(0, 319)))
def test_each_token_has_a_label(bpe: Tokenizer, ids: list[int]) -> None:
    labels = bpe.labels(ids)
    assert len(labels) == len(ids)
    assert all(label and label == label.strip() for label in labels)


def test_a_vocabulary_may_hold_anything_and_its_text_is_printable() -> None:
    flag = "\N{WAVING BLACK FLAG}\N{ZERO WIDTH JOINER}"
    vocabulary = {"\x1b[2J": 5, "\u202ehow": 6, flag: 7, "\x9b": 8}
    tokenizer = word_level(vocabulary, max_source_tokens=9)
    assert tokenizer.decode([5, 6, 7, 8]) == f"[2J how {flag}"
    assert tokenizer.labels([5, 6, 7, 8]) == [r"\x1b[2J", r"\u202ehow", flag, r"\x9b"]
