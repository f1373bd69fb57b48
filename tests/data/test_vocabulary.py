"""Which vocabulary a run learns."""

import pytest

from bot.data.vocabulary import VocabularyConfig
from bot.errors import CorpusError
from bot.text.tokenizer import UNK_ID

TEXTS = ["How are you?", "You are fine.", "You?"]


def test_bytes_or_words_are_learnt() -> None:
    words = VocabularyConfig("word", min_count=2).learn(TEXTS, 12, 2)
    assert UNK_ID in words.encode("fine")
    assert UNK_ID not in words.encode("Are you?")
    assert words.max_source_turns == 2
    bpe = VocabularyConfig("bpe", size=300).learn(TEXTS, 12, 2)
    assert bpe.decode(bpe.encode("Ça va, 你?")) == "Ça va, 你?"


def test_words_are_counted_as_the_vocabulary_has_them() -> None:
    text = "Don't go, you two!"
    assert VocabularyConfig().word_counter()(text) == 4
    assert VocabularyConfig("word").word_counter()(text) == 6


@pytest.mark.parametrize("setting", [{"min_count": 2}, {"drop_unknown": True}])
def test_bpe_has_no_rare_words_to_leave_out(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="kind word"):
        VocabularyConfig(**setting)  # type: ignore[arg-type] # wrong values are the point


@pytest.mark.parametrize(
    ("texts", "min_count"),
    [
        (TEXTS, 1000),
        (["你好", "今天好吗", "AI 是什么?", "很好!"], 1),
        (["Yes. No. Why?"] * 4 + [f"{'abcdefghij'[n]}!" for n in range(10)], 2),
    ],
    ids=["too rare", "another script", "mostly marks"],
)
def test_words_that_hardly_any_text_holds_are_no_vocabulary(
    texts: list[str], min_count: int
) -> None:
    with pytest.raises(CorpusError, match=r"--min-count.*--vocabulary-kind bpe"):
        VocabularyConfig("word", min_count=min_count).learn(texts, 12, 1)
    VocabularyConfig().learn(texts, 12, 1)
