"""Writes a first model card for an exported model: facts and unedited replies."""

import math
import os
import platform
from collections.abc import Sequence
from importlib import resources

import torch

from bot.artifact.artifact import search_batch
from bot.model.search import GreedySearcher
from bot.publishing.export import MAX_REPLY_TOKENS
from bot.publishing.markdown import cell, command_without_folders, without_folders
from bot.text.tokenizer import Tokenizer
from bot.training.held_out import HeldOutLoss
from bot.training.run import RunConfig

VOCABULARIES = {
    "bpe": "tokens, byte-level BPE",
    "word": "words, lower case, unaccented Latin letters and . ! ?",
    "whitespace": "words, split at white space",
}


def sample_prompts() -> list[str]:
    """The thirty prompts whose replies a model card shows."""
    text = resources.files("bot.publishing").joinpath("sample_prompts.txt").read_text("utf-8")
    return text.splitlines()


def sample_replies(
    searcher: GreedySearcher, tokenizer: Tokenizer, prompts: Sequence[str]
) -> list[tuple[str, str]]:
    """Prompts and what the model answers."""
    sources = [tokenizer.encode_source(prompt) for prompt in prompts]
    replies = search_batch(searcher, sources, MAX_REPLY_TOKENS, "cpu")
    return [(p, tokenizer.decode(ids)) for p, ids in zip(prompts, replies, strict=True)]


def model_card(
    name: str,
    config: RunConfig,
    *,
    pairs: int,
    steps: int,
    processes: int,
    hours: float,
    held_out: HeldOutLoss,
    int8_note: str,
    replies: Sequence[tuple[str, str]],
) -> str:
    """Markdown: what the model is, what it was trained on, how good it is, how it talks.

    :param pairs: training pairs an epoch
    :param processes: how many shared the work
    :param held_out: on the test split; NaN if that is empty
    :param int8_note: a sentence: how well int8 agrees with float32, or why there is no int8
    :param replies: prompts and the model's replies to them
    """
    model = config.model
    turns = config.mix.max_source_turns
    corpora = "\n".join(
        f"| {cell(without_folders(corpus.source))} | {corpus.weight:g} | |"
        for corpus in config.corpora
    )
    samples = "\n".join(f"| {cell(prompt)} | {cell(reply)} | |" for prompt, reply in replies)
    return f"""# {name}

A GRU encoder-decoder with Luong attention ({model.attention}) that answers \
{"one line" if turns == 1 else f"the last of up to {turns} lines"} of chat.

## Model

| | |
|---|---|
| vocabulary | {model.vocabulary_size} {VOCABULARIES[config.vocabulary.kind]} |
| embedding size, hidden size | {model.embedding_size}, {model.hidden_size} |
| layers | {model.encoder_layers} of two directions in the encoder, {model.decoder_layers} in the \
decoder |
| tied embeddings | {"yes" if model.tie_embeddings else "no"} |

## Data

{pairs} training pairs an epoch. A weight is how often a corpus' pairs are seen in an epoch.

| corpus | weight | licence |
|---|---|---|
{corpora}

## Training

```
{command_without_folders(config.command)}
```

{f"Fine-tuned from {cell(without_folders(config.base))}. " if config.base else ""}\
{_how_trained(config, steps, processes)}; \
{hours:.1f} hours with torch {torch.__version__} on a machine with {os.cpu_count()} cores \
({platform.machine()}).

## Held-out replies

{_measured(held_out)}

{int8_note}

## How it talks

Greedy search in fp32, unedited.

| prompt | reply | verdict |
|---|---|---|
{samples}
"""


def _how_trained(config: RunConfig, steps: int, processes: int) -> str:
    """The recipe in a phrase; what is left at its default goes without saying."""
    training = config.training
    shared = f" in each of {processes} processes" if processes > 1 else ""
    decay = training.weight_decay
    optimizer = f"AdamW (weight decay {decay:g})" if decay else "Adam"
    phrases = [
        f"{steps} steps of {training.batch_size} pairs{shared}",
        f"dropout {config.model.dropout:g}",
        f"{optimizer} at {training.learning_rate:g}",
    ]
    if training.decoder_learning_ratio is not None:
        phrases.append(f"{training.decoder_learning_ratio:g} times that for the decoder")
    if training.teacher_forcing < 1:
        phrases.append(f"teacher forcing in {training.teacher_forcing:.0%} of the batches")
    if training.loss == "steps":
        phrases.append("the loss summed over the decode steps")
    return ", ".join([*phrases, training.precision, f"seed {training.seed}"])


def _measured(held_out: HeldOutLoss) -> str:
    if math.isnan(held_out.nats_per_token):
        return "No held-out replies: the test split is empty, so the model was not measured."
    return (
        f"{held_out.perplexity:.2f} perplexity a token, {held_out.bits_per_character:.3f} bits a"
        " character, on conversations that were never trained on."
    )
