"""The optimiser against the tutorial's two."""

import torch
from torch import nn

from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.training.optimizer import Optimizer, sides

UNSCALED = torch.amp.GradScaler("cpu", enabled=False)


def small_model() -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(ModelConfig(20, 6, 6, 1, 1, "dot", 0.0)).double()


def give_gradients(model: Seq2Seq, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(
            parameter.size(), generator=generator, dtype=torch.float64, requires_grad=False
        )


def test_a_decoder_learning_ratio_takes_the_steps_of_two_adams_that_share_the_embedding() -> None:
    theirs, ours = small_model(), small_model()
    encoder = nn.ModuleList([theirs.embedding, theirs.encoder])
    decoder = nn.ModuleList([theirs.embedding, theirs.decoder, theirs.output])
    encoder_adam = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    decoder_adam = torch.optim.Adam(decoder.parameters(), lr=5e-3)
    optimizer = Optimizer(sides(ours, 5.0), weight_decay=0.0, clip=2.0)
    for seed in range(5):
        give_gradients(theirs, seed)
        nn.utils.clip_grad_norm_(encoder.parameters(), 2.0)
        nn.utils.clip_grad_norm_(decoder.parameters(), 2.0)
        encoder_adam.step()
        decoder_adam.step()
        give_gradients(ours, seed)
        optimizer.step(1e-3, UNSCALED)
    start = small_model()
    for name, expected in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], expected, msg=name)
        assert not torch.equal(start.state_dict()[name], expected), name


def test_without_a_ratio_the_whole_model_is_clipped_together() -> None:
    model = small_model()
    give_gradients(model, 0)
    (side,) = sides(model, None)
    nn.utils.clip_grad_norm_(side.parameters, 2.0)
    norms = torch.stack([parameter.grad.norm() for parameter in model.parameters()])
    torch.testing.assert_close(norms.norm(), torch.tensor(2.0, dtype=torch.float64))


def test_weights_decay_and_biases_do_not() -> None:
    model = small_model()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    bias, weight = model.output.bias.clone(), model.output.weight.clone()
    Optimizer(sides(model, None), weight_decay=0.5, clip=1.0).step(0.1, UNSCALED)
    assert torch.equal(model.output.bias, bias)
    torch.testing.assert_close(model.output.weight, weight * 0.95)
