"""Which vocabulary a run learns."""

import pytest

from bot.data.vocabulary import VocabularyConfig
from bot.errors import CorpusError
from bot.text.tokenizer import UNK_ID

TEXTS = [("How are you?", "You are fine."), ("You?", "You.")]
CHINESE = ["\u4f60\u597d", "\u4eca\u5929\u597d\u5417", "AI \u662f\u4ec0\u4e48?", "\u5f88\u597d!"]


def test_bytes_or_words_are_learnt() -> None:
    words = VocabularyConfig("word", min_count=2).learn(TEXTS, 12, 2)
    assert UNK_ID in words.encode("fine")
    assert UNK_ID not in words.encode("Are you?")
    assert words.max_source_turns == 2
    bpe = VocabularyConfig("bpe", size=300).learn(TEXTS, 12, 2)
    assert bpe.decode(bpe.encode("Ça va, 你?")) == "Ça va, 你?"


def test_texts_that_are_split_into_words_are_taken_at_their_word() -> None:
    """Pre-segmented Chinese, as ywk991112's corpora have it."""
    config = VocabularyConfig("whitespace", min_count=2)
    learnt = config.learn([("今天 天气 怎么样", "今天 天气 很好 。"), ("天气 呢", "天气")], 12, 2)
    assert UNK_ID not in learnt.encode("今天 天气")
    assert learnt.encode("今天天气") == learnt.encode("很好") == [UNK_ID]
    assert learnt.decode(learnt.encode("天气 今天")) == "天气 今天"
    assert learnt.max_source_turns == 2
    assert config.word_counter()("今天 天气 怎么样 吗") == 4
    two = VocabularyConfig("whitespace", size=6).learn([("b a", "a <eos>")], 9, 1)
    assert two.encode("a b") == [5, UNK_ID], "the most frequent word is the one that is learnt"
    capitals = VocabularyConfig("whitespace").learn([("Don't go", "go")], 12, 1)
    assert capitals.decode(capitals.encode("Don't go")) == "Don't go"


def test_words_are_counted_as_the_vocabulary_has_them() -> None:
    text = "Don't go, you two!"
    assert VocabularyConfig().word_counter()(text) == 4
    assert VocabularyConfig("word").word_counter()(text) == 6


@pytest.mark.parametrize("setting", [{"min_count": 2}, {"drop_unknown": True}])
def test_bpe_has_no_rare_words_to_leave_out(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="kind word"):
        VocabularyConfig(**setting)  # type: ignore[arg-type] # wrong values are the point


@pytest.mark.parametrize(
    ("pairs", "min_count", "what"),
    [
        (TEXTS, 1000, "prompts"),
        (list(zip(CHINESE, CHINESE, strict=True)), 1, "prompts"),
        ([("How are you?", text) for text in CHINESE], 1, "replies"),
        ([(text, "I am fine.") for text in CHINESE], 1, "prompts"),
        ([("Yes. No.", "Why?")] * 4 + [(f"{c}!", f"{c * 2}?") for c in "abcdefghij"], 2, "prompts"),
    ],
    ids=["too rare", "another script", "in replies", "in prompts", "mostly marks"],
)
def test_words_that_hardly_any_prompt_or_reply_holds_are_no_vocabulary(
    pairs: list[tuple[str, str]], min_count: int, what: str
) -> None:
    with pytest.raises(CorpusError, match=rf"half of the {what}.*--min-count.*-kind bpe"):
        VocabularyConfig("word", min_count=min_count).learn(pairs, 12, 1)
    VocabularyConfig().learn(pairs, 12, 1)
