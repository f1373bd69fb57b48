"""The whole model."""

import pytest
import torch

from bot.model.seq2seq import ModelConfig, Seq2Seq

CONFIG = ModelConfig(30, embedding_size=8, hidden_size=10, encoder_layers=2, decoder_layers=3)


@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_one_call_over_a_target_equals_step_by_step(attention: str, tie_embeddings: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(30, 8, 10, 2, 3, attention, tie_embeddings=tie_embeddings)
    model = Seq2Seq(config).eval()
    source, lengths = torch.randint(5, 30, (2, 6)), torch.tensor([6, 3])
    previous = torch.randint(5, 30, (2, 5))
    together = model(source, lengths, previous)
    memory, keys, mask, state = model.encode(source, lengths)
    for t in range(5):
        step, state, _ = model.decode(previous[:, t : t + 1], state, memory, keys, mask)
        torch.testing.assert_close(together[:, t : t + 1], step)
    assert model.logits(together).shape == (2, 5, 30)


def test_tied_embeddings_are_one_tensor() -> None:
    model = Seq2Seq(ModelConfig(30, 8, 10, 1, 1, tie_embeddings=True))
    assert model.output.weight is model.embedding.weight


def test_the_default_sizes_are_the_tutorials() -> None:
    config = ModelConfig(7826)
    assert (config.hidden_size, config.encoder_layers, config.decoder_layers) == (500, 2, 2)
    assert config.attention == "dot"


def test_more_decoder_layers_than_encoder_states_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 2 layers"):
        ModelConfig(30, encoder_layers=1, decoder_layers=3)


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_size is 0"):
        ModelConfig(30, hidden_size=0)
