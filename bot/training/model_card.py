"""Writes a first model card for an exported model: facts and unedited replies."""

import math
import os
import platform
from collections.abc import Sequence
from importlib import resources

import torch

from bot.artifact.artifact import search_batch
from bot.model.search import GreedySearcher
from bot.text.tokenizer import Tokenizer
from bot.training.evaluation import HeldOutLoss
from bot.training.export import MAX_REPLY_TOKENS
from bot.training.run import RunConfig


def sample_prompts() -> list[str]:
    """The thirty prompts whose replies a model card shows."""
    text = resources.files("bot.training").joinpath("sample_prompts.txt").read_text("utf-8")
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
    hours: float,
    held_out: HeldOutLoss,
    replies: Sequence[tuple[str, str]],
) -> str:
    """Markdown: what the model is, what it was trained on, how good it is, how it talks.

    :param pairs: training pairs an epoch
    :param held_out: on the test split; NaN if that is empty
    :param replies: prompts and the model's replies to them
    """
    model, training = config.model, config.training
    corpora = "\n".join(f"| {corpus.source} | {corpus.weight:g} | |" for corpus in config.corpora)
    samples = "\n".join(f"| {_cell(prompt)} | {_cell(reply)} | |" for prompt, reply in replies)
    return f"""# {name}

A GRU encoder-decoder with Luong attention ({model.attention}) that answers one line of chat.

## Model

| | |
|---|---|
| vocabulary | {model.vocabulary_size} tokens, byte-level BPE |
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
{config.command}
```

{f"Fine-tuned from the run {config.base}. " if config.base else ""}\
{steps} steps of {training.batch_size} pairs, dropout {model.dropout:g}, AdamW at \
{training.learning_rate:g}, {training.precision}, seed {training.seed}; \
{hours:.1f} hours with torch {torch.__version__} on a machine with {os.cpu_count()} cores \
({platform.machine()}).

## Held-out replies

{_measured(held_out)}

## How it talks

Greedy search, unedited.

| prompt | reply | verdict |
|---|---|---|
{samples}
"""


def _measured(held_out: HeldOutLoss) -> str:
    if math.isnan(held_out.nats_per_token):
        return "No held-out replies: the test split is empty, so the model was not measured."
    return (
        f"{held_out.perplexity:.2f} perplexity a token, {held_out.bits_per_character:.3f} bits a"
        " character, on conversations that were never trained on."
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
