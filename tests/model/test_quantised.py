"""The searcher with 8-bit weights, compiled and loaded as it is served."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bot.artifact.artifact import load_searcher
from bot.artifact.precision import quantised_tensors
from bot.model.int8 import Int8Linear, gates
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import compile_int8
from bot.publishing.quantisation import (
    as_gates_want,
    quantise,
    row_scales,
    split_weight,
    widened,
)
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID

VOCABULARY = 60
SOURCES = st.lists(
    st.lists(st.integers(5, VOCABULARY - 1), min_size=1, max_size=70), min_size=2, max_size=9
)


def batch(sources: list[list[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, sources))
    rows = [source + [PAD_ID] * (longest - len(source)) for source in sources]
    return torch.tensor(rows), torch.tensor([len(source) for source in sources])


def make_searcher(score: str, *, tied: bool, layers: int) -> GreedySearcher:
    """An untrained model whose replies are of all lengths."""
    torch.manual_seed(7)
    config = ModelConfig(VOCABULARY, 33, 33, layers, 2, score, tie_embeddings=tied)
    model = Seq2Seq(config)
    for parameter in model.parameters():
        parameter.data.mul_(3)  # decided enough for varied replies
    model.output.bias.data[EOS_ID] += 4  # and inclined to end them
    model.output.bias.data[PAD_ID] -= 100  # what no trained model writes
    return GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID).eval().requires_grad_(False)


def pairs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(8)
    lengths = torch.randint(1, 9, (40,))
    sources = torch.randint(5, VOCABULARY, (40, 8)).masked_fill(
        torch.arange(8) >= lengths.unsqueeze(1), PAD_ID
    )
    targets = torch.randint(5, VOCABULARY, (40, 6))
    targets[:, 5] = EOS_ID
    return sources, lengths, targets


@pytest.fixture(
    scope="module",
    params=[
        ("dot", False, 2, False),
        ("general", True, 1, True),
        ("concat", False, 2, True),
        ("concat", True, 1, False),
    ],
    ids=lambda param: f"{param[0]}-{'precise' if param[3] else 'fast'}",
)
def both(request: pytest.FixtureRequest) -> tuple[GreedySearcher, Any]:
    """The float32 searcher and its int8 variant."""
    score, tied, layers, precise = request.param
    searcher = make_searcher(score, tied=tied, layers=layers)
    with quantised_tensors():
        content = compile_int8(quantise(searcher, *pairs(), precise=precise))
    return searcher, load_searcher(content, "cpu", "int8")


@given(SOURCES)
@settings(max_examples=25)
def test_a_rows_tokens_and_scores_are_the_same_bits_alone_and_in_any_batch(
    both: tuple[GreedySearcher, Any], sources: list[list[int]]
) -> None:
    _, searcher = both
    tokens, scores, lengths = searcher(*batch(sources), 15)
    for row, source in enumerate(sources):
        alone_tokens, alone_scores, alone_lengths = searcher(*batch([source]), 15)
        steps = alone_tokens.size(1)
        assert torch.equal(tokens[row, :steps], alone_tokens[0])
        assert torch.equal(scores[row, :steps], alone_scores[0])
        assert int(lengths[row]) == int(alone_lengths[0])
        assert not tokens[row, steps:].any()
        assert not scores[row, steps:].any()


@given(SOURCES)
@settings(max_examples=25)
def test_attention_is_the_same_bits_alone_and_in_any_batch(
    both: tuple[GreedySearcher, Any], sources: list[list[int]]
) -> None:
    """Unlike scores, its weights are not rounded on their way, which could hide a difference."""
    _, searcher = both
    targets = torch.tensor([[7, 8, 9, EOS_ID]])
    weights = searcher.attention(*batch(sources), targets.repeat(len(sources), 1))
    for row, source in enumerate(sources):
        alone = searcher.attention(*batch([source]), targets)
        assert torch.equal(weights[row, :, : len(source)], alone[0])


@pytest.mark.parametrize("hidden_size", [500, 160])
def test_on_two_threads_a_step_of_a_widened_size_has_the_same_bits_in_any_batch(
    hidden_size: int,
) -> None:
    """Threads share out large tensors in the middle of rows."""
    torch.manual_seed(4)
    model = Seq2Seq(ModelConfig(VOCABULARY, 8, hidden_size, 1, 1, "dot"))
    size = widened(model).encoder.hidden_size
    from_input, from_state = torch.randn(141, 3 * size), torch.randn(141, 3 * size)
    state = torch.tanh(torch.randn(141, size))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for rows in (23, 46, 47, 141):
            together = gates(from_input[:rows], from_state[:rows], state[:rows])
            for row in range(rows):
                one = slice(row, row + 1)
                assert torch.equal(
                    gates(from_input[one], from_state[one], state[one])[0], together[row]
                )
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_a_widened_model_is_the_same_model(score: str) -> None:
    searcher = make_searcher(score, tied=False, layers=2)
    wide = GreedySearcher(widened(searcher.model), PAD_ID, BOS_ID, EOS_ID).eval()
    assert wide.model.encoder.hidden_size == 128
    assert torch.allclose(wide.target_scores(*pairs()), searcher.target_scores(*pairs()), atol=1e-5)


def test_the_log_probabilities_of_replies_are_nearly_those_of_float32(
    both: tuple[GreedySearcher, Any],
) -> None:
    reference, searcher = both
    expected, actual = (one.target_scores(*pairs()) for one in (reference, searcher))
    assert (expected - actual).abs().mean() < 0.1 * expected.abs().mean()


def test_precise_int8_is_several_times_as_close_to_float32() -> None:
    reference = make_searcher("general", tied=True, layers=1)
    expected = reference.target_scores(*pairs())
    errors = []
    for precise in (False, True):
        with quantised_tensors():
            searcher = quantise(reference, *pairs(), precise=precise)
        searcher.pack()
        errors.append(float((searcher.target_scores(*pairs()) - expected).abs().mean()))
    assert errors[1] < errors[0] / 2


def test_beam_search_of_one_and_sampling_without_chance_write_what_greedy_search_writes(
    both: tuple[GreedySearcher, Any],
) -> None:
    _, searcher = both
    ids, lengths, _ = pairs()
    nothing = torch.empty(0, dtype=torch.long)
    greedy = searcher(ids, lengths, 8)[0]
    beam = searcher.beam(ids, lengths, 8, 1, 0.6, 0, 0, nothing)[0]
    sampled = searcher.sample(ids, lengths, 8, 0, 0, nothing, 0.0, 0, torch.zeros(len(lengths), 8))[
        0
    ]
    assert torch.equal(beam[:, 0], greedy)
    assert torch.equal(sampled, greedy)


def test_attention_has_a_column_for_each_source_token_and_none_for_padding(
    both: tuple[GreedySearcher, Any],
) -> None:
    _, searcher = both
    ids, lengths, targets = pairs()
    weights = searcher.attention(ids, lengths, targets)
    assert weights.size() == (40, 6, 8)
    assert torch.allclose(weights.sum(dim=2), torch.ones(40, 6))
    assert not weights[ids.unsqueeze(1).expand(40, 6, 8) == PAD_ID].any()


def test_a_gru_step_is_torchs() -> None:
    torch.manual_seed(1)
    cell = torch.nn.GRUCell(5, 7).requires_grad_(False)
    x, state = torch.randn(3, 5), torch.tanh(torch.randn(3, 7))
    from_input = x @ as_gates_want(cell.weight_ih).T + as_gates_want(cell.bias_ih)
    from_state = state @ as_gates_want(cell.weight_hh).T + as_gates_want(cell.bias_hh)
    assert torch.allclose(gates(from_input, from_state, state), cell(x, state), atol=1e-6)


@pytest.mark.parametrize("precise", [False, True])
def test_a_product_of_integers_is_exact(precise: bool) -> None:
    torch.manual_seed(2)
    values = torch.randint(-127, 128, (6, 40), dtype=torch.int8)
    with quantised_tensors():
        linear = Int8Linear(values, torch.ones(6), torch.zeros(6), precise=precise)
    x = torch.randint(-127, 128, (3, 40)) / 127
    assert torch.allclose(linear(x), x @ values.float().T, rtol=1e-5)


def test_weights_and_inputs_of_15_bits_are_a_hundred_times_as_exact_as_of_8() -> None:
    torch.manual_seed(3)
    weight, bias, x = torch.randn(20, 64), torch.randn(20), torch.rand(9, 64) * 2 - 1
    rounded, residual = split_weight(weight)
    with quantised_tensors():
        fine = Int8Linear(*rounded, bias, precise=True, residual=residual)
        coarse = Int8Linear(*rounded, bias, precise=False)
    exact = x @ weight.T + bias
    error_15, error_8 = ((linear(x) - exact).abs().mean() for linear in (fine, coarse))
    assert error_15 * 80 < error_8
    assert torch.equal(rounded.scales, row_scales(weight))
