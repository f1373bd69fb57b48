"""How chance chooses the next token."""

import torch
from torch import Tensor

from bot.model.sampling import draw

INFINITY = float("inf")


def frequencies(scores: Tensor, temperature: float, top_k: int) -> Tensor:
    """How often each token is drawn by 10,000 evenly spaced numbers."""
    uniforms = torch.arange(10_000) / 10_000
    drawn = draw(scores.expand(10_000, -1), temperature, top_k, uniforms)
    return torch.bincount(drawn.flatten(), minlength=scores.size(0)) / 10_000


def test_tokens_are_drawn_as_often_as_the_tempered_softmax_says() -> None:
    scores = torch.tensor([0.5, -1.0, 2.0, -INFINITY, 1.0]).log_softmax(0)
    for temperature in (0.3, 1.0, 2.0):
        expected = (scores / temperature).softmax(0)
        torch.testing.assert_close(frequencies(scores, temperature, 0), expected, atol=2e-4, rtol=0)


def test_top_k_draws_among_the_most_probable_alone() -> None:
    scores = torch.tensor([0.5, -1.0, 2.0, 1.5, 1.0]).log_softmax(0)
    expected = torch.where(scores >= scores[3], scores, -INFINITY).softmax(0)
    torch.testing.assert_close(frequencies(scores, 1.0, 2), expected, atol=2e-4, rtol=0)
    assert torch.equal(frequencies(scores, 1.0, 99), frequencies(scores, 1.0, 0))


def test_the_largest_number_below_one_draws_no_impossible_token() -> None:
    scores = torch.full((1, 4000), -INFINITY)
    scores[0, 5:3000] = 0.0
    largest = torch.nextafter(torch.ones(1), torch.zeros(1))
    for temperature in (1e-300, 1.0, 1e9):
        assert scores[0, draw(scores, temperature, 0, largest)] == 0.0
