import pytest
import torch
from rounded import rounded

from bot.artifact.artifact import search_batch
from bot.bench.models import MAX_STEPS, NO_ID, BenchModel, made_model
from bot.bench.onnx import OnnxSearcher
from bot.model.seq2seq import ModelConfig
from bot.text.tokenizer import EOS_ID


@pytest.mark.parametrize("by_tool", [True, False])
@pytest.mark.parametrize(
    ("score", "encoder_layers", "decoder_layers"),
    [("dot", 2, 2), ("general", 1, 2), ("concat", 2, 1)],
)
def test_onnx_runtime_mostly_writes_what_the_weights_say_although_it_rounds_them(
    prompts: list[str], score: str, encoder_layers: int, decoder_layers: int, by_tool: bool
) -> None:
    config = ModelConfig(300, 16, 24, encoder_layers, decoder_layers, score, 0.0)
    model = made_model(prompts, rounded, config, mean_steps=6.0)
    rival = OnnxSearcher(model.eager, 1, EOS_ID, by_tool=by_tool)
    theirs = [rival.search(source, MAX_STEPS) for source in model.sources]
    ours = search_batch(model.fp32, model.sources, MAX_STEPS, "cpu")
    first = [a[:1] == b[:1] for a, b in zip(theirs, ours, strict=True)]
    assert sum(first) >= 0.8 * len(first)
    assert sum(a == b for a, b in zip(theirs, ours, strict=True)) >= 0.4 * len(ours)


def test_without_an_end_onnx_runtime_writes_to_the_maximum_length(small_model: BenchModel) -> None:
    rival = OnnxSearcher(small_model.eager, 1, NO_ID, by_tool=False)
    assert {len(rival.search(source, MAX_STEPS)) for source in small_model.sources} == {MAX_STEPS}
    assert torch.get_num_threads() == 1
