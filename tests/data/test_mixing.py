"""Mixing corpora."""

import json
from collections import Counter
from pathlib import Path

import pytest

from bot.data.cleaning import spoken
from bot.data.corpora.prepared import PreparedCorpus
from bot.data.mixing import CorpusSummary, WeightedCorpus, mix, stream_examples
from bot.data.selection import Example, MixConfig
from bot.errors import UsageError


def write(path: Path, conversations: list[list[str]]) -> str:
    path.write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in conversations))
    return str(path)


@pytest.fixture
def many(tmp_path: Path) -> str:
    return write(
        tmp_path / "many.jsonl",
        [[f"Question {i}?", f"The answer to that is {i}.", "Okay."] for i in range(1000)],
    )


def test_every_split_gets_pairs_and_no_conversation_is_in_two(many: str) -> None:
    splits = mix([WeightedCorpus(many)], MixConfig())
    answers = {
        name: {p.reply for p in pairs if p.reply != "Okay."} for name, pairs in splits.items()
    }
    assert not answers["train"] & answers["valid"]
    assert not answers["train"] & answers["test"]
    assert not answers["valid"] & answers["test"]
    assert len(splits["valid"]) < 0.03 * len(splits["train"])


def test_a_frequent_reply_is_thinned(many: str) -> None:
    splits = mix([WeightedCorpus(many)], MixConfig(max_reply_count=40))
    replies = Counter(pair.reply for pair in splits["train"])
    assert 30 <= replies["Okay."] <= 40
    assert replies["The answer to that is 1."] <= 1


def test_a_frequent_prompt_is_thinned_whatever_its_case(tmp_path: Path) -> None:
    prompts = ["Thank you!", "thank you", "THANK YOU."]
    path = write(
        tmp_path / "a.jsonl",
        [[prompts[i % 3], f"You are number {i} to say so."] for i in range(1000)],
    )
    splits = mix([WeightedCorpus(path)], MixConfig(max_prompt_count=7))
    assert len(splits["train"]) == 7


@pytest.mark.parametrize(("weight", "low", "high"), [(0.5, 430, 540), (3, 2900, 2960)])
def test_a_weight_is_how_often_a_pair_is_seen(
    many: str, weight: float, low: int, high: int
) -> None:
    splits = mix([WeightedCorpus(many, weight)], MixConfig(max_reply_count=1))
    assert low <= sum(pair.reply.startswith("The answer") for pair in splits["train"]) <= high


def test_an_example_has_the_turns_before_its_reply(tmp_path: Path) -> None:
    turns = [f"This is turn {'abcdef'[i]}." for i in range(6)]
    path = write(tmp_path / "a.jsonl", [turns])
    splits = mix([WeightedCorpus(path, 50)], MixConfig(max_source_turns=3))
    sources = {spoken("|".join(e.turns)) for e in splits["train"] if e.reply == turns[5]}
    assert sources == {spoken("|".join(turns[2:5])), spoken(turns[4])}


def test_a_pair_that_stands_alone_is_also_seen_after_other_turns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"Is it number {i}?\tThat was number {i}.\n" for i in range(400)))
    examples = mix([WeightedCorpus(str(path))], MixConfig())["train"]
    after_others = sum(len(example.turns) == 3 for example in examples)
    assert 0.3 < after_others / len(examples) < 0.5
    assert all(example.reply[9:-1] in example.turns[-1] for example in examples)


def test_dropped_pairs_are_gone(many: str) -> None:
    splits = mix([WeightedCorpus(many)], MixConfig(drop=r"\bokay\b"))
    assert all(pair.reply != "Okay." for pairs in splits.values() for pair in pairs)


def test_the_same_corpora_and_seed_give_the_same_pairs(many: str) -> None:
    corpora = [WeightedCorpus(many, 1.5)]
    assert mix(corpora, MixConfig(seed=1)) == mix(corpora, MixConfig(seed=1))


@pytest.mark.parametrize("text", ["a.tsv@0", "a.tsv@-1", "a.tsv@1.2.3", "a.tsv@"])
def test_a_wrong_weight_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"a\.tsv@2"):
        WeightedCorpus.parse(text)


def test_a_source_may_have_a_weight() -> None:
    assert WeightedCorpus.parse("a.tsv") == WeightedCorpus("a.tsv", 1.0)
    assert WeightedCorpus.parse("a.tsv@0.5") == WeightedCorpus("a.tsv", 0.5)
    assert WeightedCorpus.parse("me@home/a.tsv") == WeightedCorpus("me@home/a.tsv", 1.0)


PLAIN = MixConfig(clean=False, augment=False)


def only(path: Path, config: MixConfig = PLAIN) -> dict[str, list[Example]]:
    return mix([WeightedCorpus(str(path))], config)


def test_without_augmentation_a_training_prompt_is_as_it_was_written(many: str) -> None:
    examples = only(Path(many), MixConfig(augment=False))["train"]
    assert all(example.turns[0] == example.turns[0].capitalize() for example in examples)
    followers = [example for example in examples if example.reply == "Okay."]
    assert followers
    assert all(len(example.turns) == 2 for example in followers)


def test_a_repeated_example_is_dropped_once_its_corpus_had_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Hi\tHello\nHi\tHello\nHi\tHey\n")
    both = [WeightedCorpus(str(path), 2), WeightedCorpus(str(path))]
    once = Counter(example.reply for example in mix(both, PLAIN)["train"])
    assert once == {"Hello": 3, "Hey": 3}
    kept = MixConfig(clean=False, augment=False, deduplicate=False)
    assert Counter(example.reply for example in only(path, kept)["train"]) == {"Hello": 2, "Hey": 1}


def test_a_held_out_example_is_not_repeated_either_and_not_thinned(tmp_path: Path) -> None:
    lines = [f"Is it {number}?\tMaybe." for number in range(3000)]
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(lines + lines))
    splits = only(path, MixConfig(clean=False, augment=False, max_reply_count=2))
    assert len(splits["train"]) == 2
    assert len(set(splits["valid"])) == len(splits["valid"]) > 10


def test_reversed_conversations_have_the_same_split_and_swapped_pairs(many: str) -> None:
    config = MixConfig(
        clean=False,
        augment=False,
        max_source_turns=1,
        max_reply_count=10_000,
        max_prompt_count=10_000,
    )
    forwards = only(Path(many), config)
    backwards = only(Path(many), MixConfig(**(vars(config) | {"reverse": True})))
    for split, examples in forwards.items():
        swapped = {(example.reply, *example.turns) for example in examples}
        assert swapped == {(*example.turns, example.reply) for example in backwards[split]}


def test_a_corpus_tells_what_became_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Hi\tHello\nno tab\nHi\tHello\nWhy\tYou bitch\n\tHello\nalso none\n")
    summaries: list[CorpusSummary] = []
    examples = list(stream_examples([WeightedCorpus(str(path), 3)], PLAIN, summaries.append))
    assert examples == [("train", Example(("Hi",), "Hello"))] * 3
    assert summaries == [
        CorpusSummary(
            str(path),
            3,
            conversations=4,
            examples={"train": 3, "valid": 0, "test": 0},
            dropped={"repeated": 1, "offensive": 1, "empty": 1},
            malformed=2,
        )
    ]
    assert caplog.messages[0].startswith(f"{path}, line 2 has no prompt and reply")
    assert caplog.messages[1] == f"{path}: 2 malformed lines were skipped."


@pytest.fixture
def prepared(tmp_path: Path) -> str:
    with PreparedCorpus(tmp_path / "prepared") as corpus:
        for reply in ("im fine :)", "im fine :)", "One two three four"):
            corpus.write("train", ("Hi", "Hello", "how r u"), reply)
        corpus.write("valid", ("a b c d e",), "Fine")
        corpus.write("test", ("Hi",), "oh shit")
        corpus.finish({})
    return str(tmp_path / "prepared")


@pytest.mark.parametrize(
    "config",
    [
        MixConfig(),
        MixConfig(max_source_turns=1, max_reply_words=3, max_prompt_words=3, cut_replies=False),
        MixConfig(max_reply_count=1, drop="fine", script="Cyrillic", augment=False),
    ],
    ids=["defaults", "lengths", "words"],
)
def test_the_examples_of_a_prepared_corpus_are_taken_as_they_are(
    prepared: str, config: MixConfig
) -> None:
    splits = mix([WeightedCorpus(prepared, 2)], config)
    context = ("Hi", "Hello", "how r u")
    assert splits["train"] == (
        [Example(context, "im fine :)")] * 4 + [Example(context, "One two three four")] * 2
    )
    assert splits["valid"] == [Example(("a b c d e",), "Fine")]
    assert splits["test"] == [Example(("Hi",), "oh shit")]


def test_a_prepared_corpus_cannot_be_reversed(prepared: str) -> None:
    with pytest.raises(UsageError, match="prepared already"):
        mix([WeightedCorpus(prepared)], MixConfig(reverse=True))


def test_every_source_is_known_before_the_first_is_read(many: str) -> None:
    with pytest.raises(UsageError, match=r"b\.docx"):
        next(stream_examples([WeightedCorpus(many), WeightedCorpus("b.docx")], MixConfig()))


def test_a_corpus_tells_what_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Is it so?\tI dont know.\nWhat is it?\tyes\n")
    summaries: list[CorpusSummary] = []
    mix([WeightedCorpus(str(path))], MixConfig(), summaries.append)
    assert summaries[0].rewritten == {"missing apostrophe": 1, "final mark": 1, "capital": 1}
    mix([WeightedCorpus(str(path))], PLAIN, summaries.append)
    assert summaries[1].rewritten == {}


def test_a_script_without_spaces_keeps_its_own_final_marks(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    marks = "\u3002\uff01\uff1f"
    path.write_text(
        "".join(f"\u4f60\u597d{n}{marks[n % 3]}\t\u6211\u5f88\u597d{n}\u3002\n" for n in range(300))
    )
    config = MixConfig(clean=False)
    for example in mix([WeightedCorpus(str(path))], config)["train"]:
        assert not {".", "!"} & set(example.turns[-1])
