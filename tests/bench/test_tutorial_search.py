import pytest
from rounded import rounded

from bot.artifact.artifact import search_batch
from bot.bench.models import MAX_STEPS, BenchModel, made_model
from bot.bench.tutorial_search import TutorialSearcher
from bot.model.seq2seq import ModelConfig
from bot.text.tokenizer import EOS_ID


def assert_same_until_eos(model: BenchModel) -> None:
    tutorial = TutorialSearcher(model.eager)
    ours = search_batch(model.fp32, model.sources, MAX_STEPS, "cpu")
    for source, reply in zip(model.sources, ours, strict=True):
        theirs = tutorial.search(source, MAX_STEPS)
        assert len(theirs) == MAX_STEPS
        assert theirs[: len(reply)] == reply
        assert len(reply) == MAX_STEPS or theirs[len(reply)] == EOS_ID


@pytest.mark.parametrize(
    ("score", "embedding", "decoder_layers"),
    [("dot", 20, 2), ("general", 12, 2), ("concat", 12, 1)],
)
def test_the_tutorials_searcher_writes_what_ours_does_until_eos(
    prompts: list[str], score: str, embedding: int, decoder_layers: int
) -> None:
    config = ModelConfig(300, embedding, 20, 2, decoder_layers, score, 0.0)
    assert_same_until_eos(made_model(prompts, rounded, config, mean_steps=5.0))


def test_after_eos_the_tutorials_searcher_writes_on(small_model: BenchModel) -> None:
    tutorial = TutorialSearcher(small_model.eager)
    replies = [tutorial.search(source, MAX_STEPS) for source in small_model.sources]
    assert any(EOS_ID in reply[:-1] for reply in replies)
    with small_model.writing_on():
        ours = search_batch(small_model.fp32, small_model.sources, MAX_STEPS, "cpu")
    assert ours == replies
