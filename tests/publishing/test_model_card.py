"""The first model card says what is true of the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.data.mixing import WeightedCorpus
from bot.data.vocabulary import VocabularyConfig
from bot.publishing.model_card import model_card
from bot.training.held_out import HeldOutLoss
from bot.training.run import RunConfig


def card_of(
    config: RunConfig,
    processes: int = 1,
    replies: Sequence[tuple[str, str]] = (("Hi!", "Hello."),),
    **training: Any,
) -> str:
    return model_card(
        "mine",
        replace(config, training=replace(config.training, **training)),
        pairs=800,
        steps=200,
        processes=processes,
        hours=0.1,
        held_out=HeldOutLoss(2.0, 1.0),
        int8_note="The int8 variant answers like fp32.",
        replies=replies,
    )


@pytest.fixture(scope="module")
def config(trained_run: Path) -> RunConfig:
    return RunConfig.read(trained_run)


def test_a_card_names_the_vocabulary_and_how_much_is_read(config: RunConfig) -> None:
    assert "tokens, byte-level BPE" in card_of(config)
    assert "answers the last of up to 3 lines of chat" in card_of(config)
    words = replace(
        config, vocabulary=VocabularyConfig("word"), mix=replace(config.mix, max_source_turns=1)
    )
    assert "byte-level BPE" not in card_of(words)
    assert "words, lower case" in card_of(words)
    assert "answers one line of chat" in card_of(words)


def test_a_card_says_how_well_int8_agrees(config: RunConfig) -> None:
    assert "\nThe int8 variant answers like fp32.\n" in card_of(config)


def test_a_card_names_what_was_optimised_and_how(config: RunConfig) -> None:
    plain = card_of(config)
    assert "AdamW (weight decay 0.01) at 0.005" in plain
    for departure in ("decoder,", "teacher forcing", "summed"):
        assert departure not in plain
    other = card_of(
        config, weight_decay=0.0, decoder_learning_ratio=5.0, teacher_forcing=0.5, loss="steps"
    )
    assert "AdamW" not in other
    assert "Adam at 0.005, 5 times that for the decoder" in other
    assert "teacher forcing in 50% of the batches" in other
    assert "the loss summed over the decode steps" in other


def test_a_card_counts_the_pairs_of_every_process(config: RunConfig) -> None:
    assert "200 steps of 32 pairs, " in card_of(config)
    assert "200 steps of 32 pairs in each of 2 processes, " in card_of(config, processes=2)


def test_a_card_holds_no_absolute_path(config: RunConfig) -> None:
    card = card_of(
        replace(
            config,
            corpora=(WeightedCorpus("jsonl:/home/mo/secret plans/talk.jsonl"),),
            base="/home/mo/runs/base",
            command="python -m bot train --run=/home/mo/runs/x --corpus"
            " 'jsonl:/home/mo/secret plans/talk.jsonl@2' --base /home/mo/runs/base"
            " --corpus ~mo/more.tsv --delimiter=/ --corpus data/kept.tsv",
        )
    )
    assert "mo/" not in card
    assert "secret plans" not in card
    assert "| jsonl:talk.jsonl | 1 |" in card
    assert "Fine-tuned from base." in card
    assert (
        "\npython -m bot train --run=x --corpus jsonl:talk.jsonl@2 --base base"
        " --corpus more.tsv --delimiter=/ --corpus data/kept.tsv\n"
    ) in card


def test_a_card_is_a_table_whatever_the_replies(config: RunConfig) -> None:
    card = card_of(config, replies=[("a|b\nc", "\x1b[2J<b>\u202e")])
    assert "\n| a\\|b c | [2J&lt;b> | |\n" in card
