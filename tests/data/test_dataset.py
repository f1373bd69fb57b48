"""Encoding examples, and the batches made of them."""

from collections import Counter

import pytest
import torch

from bot.data import dataset
from bot.data.batches import collate, epoch_order, in_order
from bot.data.dataset import EncodedPairs, encode_examples
from bot.data.selection import Example
from bot.text.tokenizer import BOS_ID, EOS_ID, UNK_ID, train_bpe, train_word_level


@pytest.mark.parametrize("pairs", [[], [Example(("Hi.",), "Far too long a reply for the limit.")]])
def test_there_may_be_no_pairs_and_what_is_dropped_is_counted(pairs: list[Example]) -> None:
    tokenizer = train_bpe(["Hi."], 300, 12)
    dropped: Counter[str] = Counter()
    encoded = encode_examples(pairs, tokenizer, 4, dropped=dropped)
    assert len(encoded) == 0
    assert encoded.sources.dtype == encoded.targets.dtype == torch.int32
    assert encoded.source_starts.tolist() == encoded.target_starts.tolist() == [0]
    assert dropped.total() == len(pairs)
    assert set(dropped) <= {"a reply of more than 3 tokens"}


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


def test_pairs_are_selected_drawn_and_joined_whole() -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    encoded = encode_examples(EXAMPLES, tokenizer, 40)

    def texts(pairs: EncodedPairs) -> list[tuple[str, str, int]]:
        return [
            (
                tokenizer.decode(pairs.source(i).tolist()),
                tokenizer.decode(pairs.target(i).tolist()),
                int(pairs.characters[i]),
            )
            for i in range(len(pairs))
        ]

    everything = texts(encoded)
    assert everything[5][1:] == (EXAMPLES[5].reply, len(EXAMPLES[5].reply))
    some, others = encoded.select([7, 3]), encoded.select([5])
    assert texts(some) == [everything[7], everything[3]]
    assert texts(some.followed_by(others)) == [everything[i] for i in (7, 3, 5)]
    assert texts(encoded.select([]).followed_by(others)) == [everything[5]]
    drawn = texts(encoded.sample(40, seed=1))
    assert len(set(drawn)) == 40
    assert drawn == texts(encoded.sample(40, seed=1)) != texts(encoded.sample(40, seed=2))
    assert sorted(texts(encoded.sample(1_000, seed=1))) == sorted(everything)


def test_a_reply_past_the_limit_is_left_out() -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    encoded = encode_examples(EXAMPLES, tokenizer, 8)
    assert 0 < len(encoded) < len(EXAMPLES)
    assert encoded.target_starts.diff().max() <= 9


def test_chunks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = train_bpe(TEXTS, 400, 12)
    whole = encode_examples(EXAMPLES, tokenizer, 40)
    monkeypatch.setattr(dataset, "CHUNK", 7)
    chunked = encode_examples(EXAMPLES, tokenizer, 40)
    for name, values in vars(whole).items():
        assert torch.equal(values, vars(chunked)[name])
        assert values.dtype == vars(chunked)[name].dtype
    assert whole.sources.dtype == torch.int32


def test_examples_with_words_outside_the_vocabulary_are_left_out_if_asked() -> None:
    tokenizer = train_word_level(["hi you", "hi there"], 1, 100, 12, 2)
    examples = [
        Example(("hi",), "you"),
        Example(("hi", "stranger"), "you"),
        Example(("hi",), "stranger"),
        Example(("stranger", "hi"), "there"),
    ]
    dropped: Counter[str] = Counter()
    known = encode_examples(examples, tokenizer, 10, drop_unknown=True, dropped=dropped)
    assert dropped == {"a word outside the vocabulary": 2}
    assert known.characters.tolist() == [3, 5]
    assert known.source(1).tolist()[0] == UNK_ID  # of an earlier turn, which is only context


def test_pairs_of_which_the_vocabulary_leaves_nothing_are_dropped_and_counted() -> None:
    tokenizer = train_word_level(["hi you", "hi there"], 1, 100, 12, 2)
    examples = [
        Example(("hi",), "you there"),
        Example(("hi",), "\u4f60\u597d"),
        Example(("\u4f60\u597d?",), "hi"),
        Example(("hi",), "25"),
        Example(("hi",), "hello my dear you"),
        Example(("strange stranger hi",), "you"),
        Example(("\u4f60\u597d", "hi you stranger"), "hi"),
    ]
    dropped: Counter[str] = Counter()
    assert len(encode_examples(examples, tokenizer, 10, dropped=dropped)) == 2
    assert dropped == {
        "a reply of which the vocabulary leaves nothing": 2,
        "a prompt of which the vocabulary leaves nothing": 1,
        "a reply of mostly unknown words": 1,
        "a prompt of mostly unknown words": 1,
    }


def test_bytes_leave_something_of_every_text() -> None:
    tokenizer = train_bpe(["Hi."], 300, 12)
    examples = [Example(("\u4f60\u597d",), "!!!"), Example(("?",), "\u597d")]
    assert len(encode_examples(examples, tokenizer, 30)) == 2
