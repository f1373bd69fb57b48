"""Mixing, splitting and encoding."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CorpusError, UsageError
from bot.text.tokenizer import BOS_ID, EOS_ID, train_bpe
from bot.training.batches import collate, epoch_order, in_order
from bot.training.cleaning import spoken
from bot.training.corpora.conversation import Conversation
from bot.training.dataset import (
    Example,
    MixConfig,
    WeightedCorpus,
    encode_examples,
    mix,
    split_of,
)


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


def test_turns_before_one_that_is_unfit_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [["See http://a.example", "Nice one.", "Why so?", "It is."]])
    replies = {e.reply: e.turns for e in mix([WeightedCorpus(path)], MixConfig())["train"]}
    assert replies.keys() == {"Why so?", "It is."}
    assert len(replies["It is."]) <= 2


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


@pytest.mark.parametrize("pairs", [[], [Example(("Hi.",), "Far too long a reply for the limit.")]])
def test_too_little_dialogue_is_an_error(pairs: list[Example]) -> None:
    tokenizer = train_bpe(["Hi."], 300, 12)
    with pytest.raises(CorpusError, match="give more dialogue"):
        encode_examples(pairs, tokenizer, 4)


@given(st.lists(st.text(st.characters())))
def test_any_conversation_has_a_split(turns: list[str]) -> None:
    assert split_of(Conversation(turns)) in ("train", "valid", "test")


@pytest.mark.parametrize("text", ["a.tsv@0", "a.tsv@-1", "a.tsv@1.2.3", "a.tsv@"])
def test_a_wrong_weight_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"a\.tsv@2"):
        WeightedCorpus.parse(text)


def test_a_source_may_have_a_weight() -> None:
    assert WeightedCorpus.parse("a.tsv") == WeightedCorpus("a.tsv", 1.0)
    assert WeightedCorpus.parse("a.tsv@0.5") == WeightedCorpus("a.tsv", 0.5)
    assert WeightedCorpus.parse("me@home/a.tsv") == WeightedCorpus("me@home/a.tsv", 1.0)


EXAMPLES = [Example((f"Is it {i}?",), "Yes. " * (i % 7) + f"It is {i}.") for i in range(300)]
TEXTS = [text for example in EXAMPLES for text in (*example.turns, example.reply)]


def test_batches_hold_each_pair_once_and_depend_on_seed_and_epoch_alone() -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    encoded = encode_examples(EXAMPLES, tokenizer, 40)
    assert len(encoded) == len(EXAMPLES)
    order = epoch_order(encoded, 32, seed=1, epoch=0)
    assert sorted(i for batch in order for i in batch) == list(range(len(EXAMPLES)))
    assert order == epoch_order(encoded, 32, seed=1, epoch=0)
    assert order != epoch_order(encoded, 32, seed=1, epoch=1)
    assert sum(len(batch.source_lengths) for batch in in_order(encoded, 32)) == len(EXAMPLES)


def test_a_batch_is_the_padded_pairs() -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    encoded = encode_examples(EXAMPLES, tokenizer, 40)
    batch = collate(encoded, [0, 6])
    assert batch.source_ids[1, : batch.source_lengths[1]].tolist() == tokenizer.encode_source(
        EXAMPLES[6].turns[-1]
    )
    assert batch.previous_ids[:, 0].tolist() == [BOS_ID, BOS_ID]
    short = tokenizer.encode(EXAMPLES[0].reply)
    assert batch.next_ids[0, : len(short) + 2].tolist() == [*short, EOS_ID, 0]


def test_a_reply_past_the_limit_is_left_out() -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    encoded = encode_examples(EXAMPLES, tokenizer, 8)
    assert 0 < len(encoded) < len(EXAMPLES)
    assert encoded.target_starts.diff().max() <= 9
