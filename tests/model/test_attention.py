"""Luong attention against a computation by hand."""

import math

import pytest
import torch
from torch import nn

from bot.model.attention import LuongAttention

# One query and three memory states of size 2.
QUERY = [1.0, 2.0]
MEMORY = [[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]


def softmax(energies: list[float]) -> list[float]:
    total = sum(math.exp(energy) for energy in energies)
    return [math.exp(energy) / total for energy in energies]


def weights(attention: LuongAttention, mask: list[bool]) -> list[float]:
    memory = torch.tensor([MEMORY])
    query = torch.tensor([[QUERY]])
    with torch.inference_mode():
        result = attention(query, attention.keys(memory), torch.tensor([mask]))
    assert result.shape == (1, 1, 3)
    return result[0, 0].tolist()


def set_weights(layer: nn.Module, weight: list[list[float]], bias: list[float] | None) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)


def test_dot_is_the_product_of_query_and_memory() -> None:
    # 1*1 + 2*0, 1*0 + 2*1, 1*2 - 2*1
    assert weights(LuongAttention("dot", 2), [True] * 3) == pytest.approx(softmax([1, 2, 0]))


def test_general_projects_the_memory_first() -> None:
    attention = LuongAttention("general", 2)
    set_weights(attention.memory_projection, [[1.0, 1.0], [0.0, 2.0]], [0.5, -0.5])
    # W m + b: (1.5, -0.5), (1.5, 1.5), (1.5, -2.5); times (1, 2): 0.5, 4.5, -3.5
    assert weights(attention, [True] * 3) == pytest.approx(softmax([0.5, 4.5, -3.5]))


def test_concat_passes_the_projected_sum_through_tanh() -> None:
    attention = LuongAttention("concat", 2)
    set_weights(attention.query_projection, [[1.0, 0.0], [0.0, 0.5]], None)  # q: (1, 1)
    set_weights(attention.memory_projection, [[1.0, 0.0], [0.0, 1.0]], [0.0, 1.0])
    set_weights(attention.energy, [[1.0, -2.0]], None)
    energies = [
        math.tanh(1 + 1) - 2 * math.tanh(1 + 1),
        math.tanh(1 + 0) - 2 * math.tanh(1 + 2),
        math.tanh(1 + 2) - 2 * math.tanh(1 + 0),
    ]
    assert weights(attention, [True] * 3) == pytest.approx(softmax(energies))


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_what_is_masked_gets_no_weight(score: str) -> None:
    result = weights(LuongAttention(score, 2), [True, True, False])
    assert result[2] == 0
    assert sum(result) == pytest.approx(1)


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_each_query_is_weighted_by_itself(score: str) -> None:
    torch.manual_seed(0)
    attention = LuongAttention(score, 4)
    queries, memory = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    mask = torch.ones(2, 5, dtype=torch.bool)
    keys = attention.keys(memory)
    together = attention(queries, keys, mask)
    for t in range(3):
        alone = attention(queries[:, t : t + 1], keys, mask)
        torch.testing.assert_close(together[:, t : t + 1], alone)


def test_an_unknown_score_is_refused() -> None:
    with pytest.raises(ValueError, match="dot, general, concat"):
        LuongAttention("nearest", 2)
