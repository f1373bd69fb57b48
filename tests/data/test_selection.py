"""The filters that look at one conversation."""

from collections.abc import Callable

import pytest

from bot.data.corpora.conversation import Conversation
from bot.data.selection import Example, MixConfig, Selection
from bot.errors import UsageError
from bot.text.words import count_words


def select(
    config: MixConfig, *turns: str, count: Callable[[str], int] = count_words
) -> tuple[list[Example], dict[str, int]]:
    selection = Selection(config, count)
    examples = list(selection.examples(Conversation([*turns]), clean=config.clean))
    return examples, dict(selection.dropped)


def test_turns_before_one_that_is_unfit_are_left_out() -> None:
    examples, dropped = select(
        MixConfig(), "See http://a.example", "Nice one.", "Why so?", "It is."
    )
    assert examples == [
        Example(("Nice one.",), "Why so?"),
        Example(("Nice one.", "Why so?"), "It is."),
    ]
    assert dropped == {"placeholder, link or no word": 1}


@pytest.mark.parametrize(
    ("config", "reason", "prompt", "reply"),
    [
        (MixConfig(max_reply_words=3), "long reply", "How?", "One two three four."),
        (
            MixConfig(max_reply_words=3, cut_replies=False),
            "long reply",
            "How?",
            "One. Two three four.",
        ),
        (MixConfig(max_prompt_words=3), "long prompt", "One two three four?", "Yes."),
        (MixConfig(), "offensive", "You bitch.", "That is rude."),
        (MixConfig(), "offensive", "What?", "Kill yourself."),
        (MixConfig(), "offensive", "What?", "Go :) die."),
        (MixConfig(clean=False), "offensive", "What?", "Kill yourself."),
        (MixConfig(drop="yes"), "--drop", "Is it?", "YES."),
        (MixConfig(script="Latin"), "script", "Привет, Ann", "Hello."),
        (MixConfig(script="Han", clean=False), "script", "你好 hi", "你好"),
        (MixConfig(), "badly written", "Is it?", "NOOOOO WAY"),
        (MixConfig(), "placeholder, link or no word", "Who?", "[name]"),
        (MixConfig(clean=False), "empty", "  ", "Hello."),
        (MixConfig(clean=False), "empty", "Hello.", ""),
    ],
)
def test_what_a_filter_drops_is_counted_by_its_reason(
    config: MixConfig, reason: str, prompt: str, reply: str
) -> None:
    assert select(config, prompt, reply) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("config", "prompt", "reply", "kept"),
    [
        (MixConfig(max_reply_words=3), "How?", "One. Two three. Four.", "One. Two three."),
        (MixConfig(max_prompt_words=3), "One two three?", "Yes.", "Yes."),
        (
            MixConfig(max_reply_words=3, cut_replies=False),
            "How?",
            "One. Two three.",
            "One. Two three.",
        ),
        (MixConfig(offensive="none"), "What?", "You bitch.", "You bitch."),
        (MixConfig(script="Latin"), "Ça va, Zoë? 😀 3€", "Fine.", "Fine."),
        (MixConfig(script="Han", clean=False), "你好\uff01123", "很好。", "很好。"),
        (MixConfig(script="Han,Hiragana,Katakana", clean=False), "日本のラーメン", "はい", "はい"),
        (MixConfig(script="Cyrillic", clean=False), "Как дела?", "Хорошо.", "Хорошо."),
    ],
)
def test_what_fits_is_kept(config: MixConfig, prompt: str, reply: str, kept: str) -> None:
    examples, dropped = select(config, prompt, reply)
    assert [example.reply for example in examples] == [kept]
    assert not dropped


def test_without_cleaning_turns_are_as_they_are() -> None:
    turns = ("  im fine :) ", "SEE http://x.y [name]", "u  ok??")
    assert select(MixConfig(clean=False), *turns) == (
        [
            Example(("im fine :)",), "SEE http://x.y [name]"),
            Example(("im fine :)", "SEE http://x.y [name]"), "u  ok??"),
        ],
        {},
    )


def test_the_limits_of_a_script_without_spaces_are_of_characters() -> None:
    prompt, reply = "\u4f60\u597d\u5417\uff1f", "\u6211\u5f88\u597d\u3002\u4f60\u5462\uff1f"
    limits = MixConfig(clean=False, max_reply_words=3, max_prompt_words=3)
    assert select(limits, prompt, reply) == ([Example((prompt,), reply[:4])], {})
    assert select(MixConfig(clean=False, max_reply_words=2), prompt, reply)[1] == {"long reply": 1}
    assert select(MixConfig(clean=False, max_prompt_words=2), prompt, reply)[1] == {
        "long prompt": 1
    }


def test_markup_is_gone_from_prompt_and_reply_before_anything_is_respelt() -> None:
    examples, dropped = select(MixConfig(), "you <u>also</u>", "<i>i do</i> &amp; u")
    assert examples == [Example(("you also",), "I do & you.")]
    assert not dropped


def test_short_answers_are_kept() -> None:
    for reply in ("Yes, I do.", "No, I am.", "I do, too.", "I am 25."):
        assert select(MixConfig(), "Do you?", reply)[0] == [Example(("Do you?",), reply)]


def test_what_cleaning_changes_is_counted_by_its_rule() -> None:
    selection = Selection(MixConfig())
    conversation = Conversation(["Is it <b>so</b>?", "i dont know.", "It is."])
    assert len(list(selection.examples(conversation, clean=True))) == 2
    assert selection.rewritten == {"HTML tag": 1, "missing apostrophe": 1, 'pronoun "I"': 1}


def test_a_list_of_ones_own_takes_the_place_of_the_default(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("lists") / "mine.txt"
    path.write_text("broccoli*\n")
    config = MixConfig(offensive=str(path))
    assert select(config, "I like broccoli.", "Me too.") == ([], {"offensive": 1})
    assert len(select(config, "You bitch.", "That is rude.")[0]) == 1


def test_limits_count_words_as_they_are_told_to() -> None:
    config = MixConfig(max_prompt_words=3, clean=False)
    assert select(config, "don't you?", "No.")[0]
    assert not select(config, "don't you?", "No.", count=len)[0]


@pytest.mark.parametrize(
    "config",
    [MixConfig(drop="("), MixConfig(script="Klingon"), MixConfig(offensive="/no/such/list")],
)
def test_a_setting_that_cannot_be_used_is_a_usage_error(config: MixConfig) -> None:
    with pytest.raises(UsageError):
        Selection(config)


def test_where_one_speaker_is_learnt_from_the_other_one_only_prompts() -> None:
    conversation = Conversation(["Hi.", "Hello.", "How are you?", "Fine."], both_reply=False)
    examples = Selection(MixConfig()).examples(conversation, clean=False)
    assert [example.reply for example in examples] == ["Hello.", "Fine."]
