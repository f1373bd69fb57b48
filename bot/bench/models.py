"""The models that are measured: one of the tutorial's size that is made here, or one of a store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bot.artifact.artifact import load_searcher, padded, search_batch
from bot.artifact.manifest import INT8_SEARCHER_FILE, SEARCHER_FILE, TOKENIZER_FILE, Manifest
from bot.artifact.precision import int8_works, quantised_tensors
from bot.bench.prompts import hashed_ids
from bot.errors import ManifestError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import Quantise, compile_int8, compile_searcher
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID, Tokenizer

MAX_STEPS = 10  # the tutorial's MAX_LENGTH
TUTORIAL_SIZE = ModelConfig(vocabulary_size=8000, dropout=0.0)
# What a model needs, EOS included, that `train --recipe tutorial` trained for its 4,000 iterations
# on 112,597 pairs: the mean over the hundred prompts, where ten steps are the most.
TRAINED_STEPS = 7.4
# Recurrent weights of torch's own scale forget: every reply ends in the same few words.
WEIGHT_SCALE = 2.0
NO_ID = -1


@dataclass(frozen=True)
class BenchModel:
    """A model in the forms that are compared.

    :param eager: in float32 and evaluation mode; its weights are everyone's
    :param fp32: the same, compiled to TorchScript and loaded
    :param int8: the int8 searcher, loaded and packed; ``None`` where there is none
    :param sources: the prompts' ids
    """

    name: str
    config: ModelConfig
    eager: GreedySearcher
    fp32: Any
    int8: Any
    sources: list[list[int]]

    @contextmanager
    def writing_on(self) -> Iterator[None]:
        """In this context our searchers do not stop at ``EOS``; they write the maximum length."""
        searchers = [one for one in (self.eager, self.fp32, self.int8) if one is not None]
        for searcher in searchers:
            searcher.eos_id = NO_ID
        try:
            yield
        finally:
            for searcher in searchers:
                searcher.eos_id = EOS_ID


def made_model(
    prompts: Sequence[str],
    quantise: Quantise,
    config: ModelConfig = TUTORIAL_SIZE,
    mean_steps: float = TRAINED_STEPS,
) -> BenchModel:
    """A model whose weights come from a seed, and which ends its replies as a trained one does.

    What it writes means nothing, and each step costs what it costs in a trained model. The bias of
    ``EOS`` is chosen so that the prompts' replies have ``mean_steps`` steps on average.

    :param quantise: makes the int8 searcher, for which the model's own replies are the pairs
    :param mean_steps: of at most ``MAX_STEPS``
    """
    generator = torch.Generator().manual_seed(0)
    model = Seq2Seq(config, PAD_ID).eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        if name == "embedding.weight":
            weight.normal_(generator=generator)
        else:
            bound = config.hidden_size**-0.5 * (
                WEIGHT_SCALE if "gru" in name or "wards" in name else 1
            )
            weight.uniform_(-bound, bound, generator=generator)
    sources = [hashed_ids(prompt, config.vocabulary_size) for prompt in prompts]
    model.output.bias[EOS_ID] = _end_bias(model, sources, mean_steps)
    eager = GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID).eval()
    fp32 = load_searcher(compile_searcher(eager, torch.float32), "cpu")
    int8 = _int8_of(eager, sources, quantise) if int8_works() else None
    return BenchModel("tutorial size", config, eager, fp32, int8, sources)


def _int8_of(eager: GreedySearcher, sources: Sequence[list[int]], quantise: Quantise) -> Any:
    """The int8 searcher, compiled, loaded and packed."""
    with quantised_tensors():
        with torch.inference_mode():
            replies, _, _ = eager(*padded(sources, "cpu"), MAX_STEPS)
        quantised = quantise(eager, *padded(sources, "cpu"), replies.clone(), precise=False).eval()
        return load_searcher(compile_int8(quantised), "cpu", "int8")


def stored_model(directory: Path, prompts: Sequence[str]) -> BenchModel:
    """A version of a store.

    :raises ArtifactError: if a file is not what the manifest says, or is no searcher
    :raises TokenizerError: if the tokenizer cannot be read
    :raises ManifestError: if the manifest does not hold the sizes of the searcher's model
    """
    manifest = Manifest.read(directory)
    tokenizer = Tokenizer.from_json(
        manifest.read_file(directory, TOKENIZER_FILE).decode(),
        manifest.max_source_tokens,
        manifest.max_source_turns,
    )
    fp32 = load_searcher(manifest.read_file(directory, SEARCHER_FILE), "cpu")
    int8 = None
    if INT8_SEARCHER_FILE in manifest.files and int8_works():
        int8 = load_searcher(manifest.read_file(directory, INT8_SEARCHER_FILE), "cpu", "int8")
    name = f"{manifest.name}/{manifest.version}"
    try:
        config = ModelConfig(**manifest.model)
        eager = GreedySearcher(Seq2Seq(config, PAD_ID), PAD_ID, BOS_ID, EOS_ID)
        eager.load_state_dict(fp32.state_dict())
    except (TypeError, ValueError, RuntimeError) as error:
        raise ManifestError(
            f"{directory} was not exported from a model of this version of Causerie, so that it"
            " cannot be measured beside others; export its training run again."
        ) from error
    eager.eval().requires_grad_(requires_grad=False)
    sources = [tokenizer.encode_source(prompt) for prompt in prompts]
    return BenchModel(name, config, eager, fp32, int8, sources)


def steps_of(searcher: Any, sources: Sequence[list[int]]) -> list[int]:
    """How many steps the reply to each source has, ``EOS`` included.

    :param searcher: one of a model's
    """
    replies = search_batch(searcher, sources, MAX_STEPS, "cpu")
    return [min(len(reply) + 1, MAX_STEPS) for reply in replies]


def _end_bias(model: Seq2Seq, sources: Sequence[list[int]], mean_steps: float) -> float:
    """The bias of ``EOS`` with which replies have so many steps on average.

    The bias decides where a reply ends, and nothing before that. So one search that never ends
    shows where each bias would have ended it.
    """
    model.output.bias[EOS_ID] = 0.0
    margins: list[Tensor] = []  # what EOS lacks to be the best, a step
    with torch.inference_mode():
        memory, keys, mask, state = model.encode(*padded(sources, "cpu"))
        token = torch.full((len(sources), 1), BOS_ID)
        for _ in range(MAX_STEPS):
            attentional, state, _weights = model.decode(token, state, memory, keys, mask)
            logits = model.logits(attentional).squeeze(1)
            end = logits[:, EOS_ID].clone()
            logits[:, EOS_ID] = float("-inf")
            best, token = logits.max(dim=1, keepdim=True)
            margins.append(best.squeeze(1) - end)
    margin = torch.stack(margins, dim=1)  # (B, T)

    # Half way between two margins, so that rounding never decides whether a reply ends.
    edges = margin.flatten().unique()
    biases = (edges[:-1] + edges[1:]) / 2
    ends = margin < biases.view(-1, 1, 1)  # (biases, B, T)
    steps = torch.where(ends.any(dim=2), ends.int().argmax(dim=2) + 1, MAX_STEPS)
    best_bias = (steps.float().mean(dim=1) - mean_steps).abs().argmin()
    return float(biases[best_bias])
