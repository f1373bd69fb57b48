"""Text to ids and back."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.errors import TokenizerError
from bot.text.tokenizer import (
    BOS_ID,
    EOS_ID,
    PAD,
    PAD_ID,
    SEP_ID,
    SPECIAL_SYMBOLS,
    UNK_ID,
    Tokenizer,
    train_bpe,
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
    kept = bpe.normalise(text).replace("\N{REPLACEMENT CHARACTER}", "").strip()
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
