"""Greedy search, eager and compiled."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.text.tokenizer import BOS_ID, EOS_ID, PAD_ID

VOCABULARY = 40


@pytest.fixture(scope="module", params=["dot", "general", "concat"])
def searcher(request: pytest.FixtureRequest) -> GreedySearcher:
    """An untrained model whose replies are of all lengths."""
    torch.manual_seed(3)
    model = Seq2Seq(ModelConfig(VOCABULARY, 16, 16, 1, 2, request.param))
    for parameter in model.parameters():
        parameter.data.mul_(3)  # decided enough for varied replies
    model.output.bias.data[EOS_ID] += 2  # and inclined to end them
    model.output.bias.data[PAD_ID] -= 100  # what no trained model writes
    return GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID).eval().requires_grad_(False)


def batch(sources: list[list[int]]) -> tuple[Tensor, Tensor]:
    rows = [torch.tensor(source) for source in sources]
    lengths = torch.tensor([len(source) for source in sources])
    return pad_sequence(rows, batch_first=True, padding_value=PAD_ID), lengths


sources = st.lists(
    st.lists(st.integers(5, VOCABULARY - 1), min_size=1, max_size=9), min_size=1, max_size=6
)


@given(sources)
@settings(max_examples=50)
def test_a_rows_tokens_do_not_depend_on_its_neighbours(
    searcher: GreedySearcher, sources: list[list[int]]
) -> None:
    tokens, scores, lengths = searcher(*batch(sources), 12)
    for row, source in enumerate(sources):
        alone_tokens, alone_scores, alone_lengths = searcher(*batch([source]), 12)
        steps = alone_tokens.size(1)
        assert tokens[row, :steps].tolist() == alone_tokens[0].tolist()
        assert not tokens[row, steps:].any()
        assert lengths[row] == alone_lengths[0]
        torch.testing.assert_close(scores[row, :steps], alone_scores[0])


def test_compiled_and_eager_search_write_the_same(searcher: GreedySearcher) -> None:
    compiled = torch.jit.script(searcher)
    torch.manual_seed(0)
    for _ in range(20):
        source_ids, lengths = torch.randint(5, VOCABULARY, (4, 7)), torch.randint(1, 8, (4,))
        with torch.inference_mode():
            expected, actual = searcher(source_ids, lengths, 10), compiled(source_ids, lengths, 10)
        for ours, theirs in zip(actual, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_result_keeps_its_contract(searcher: GreedySearcher) -> None:
    torch.manual_seed(0)
    source_ids, source_lengths = torch.randint(5, VOCABULARY, (64, 7)), torch.full((64,), 7)
    tokens, scores, lengths = searcher(source_ids, source_lengths, 15)
    assert (tokens.dtype, scores.dtype, lengths.dtype) == (torch.int64, torch.float32, torch.int64)
    assert tokens.shape == scores.shape
    assert lengths.unique().numel() > 1, "the test needs replies of different lengths"
    for row, length in enumerate(lengths.tolist()):
        reply, rest = tokens[row, :length], tokens[row, length:]
        assert EOS_ID not in reply.tolist()
        if rest.numel():
            assert rest[0] == EOS_ID
            assert not rest[1:].any()
            assert not scores[row, length + 1 :].any()
        assert (scores[row] <= 0).all()


def test_it_stops_when_every_row_has_ended(searcher: GreedySearcher) -> None:
    model = searcher.model
    bias = model.output.bias.data.clone()
    try:
        model.output.bias.data[EOS_ID] = 1e4
        tokens, _, lengths = searcher(*batch([[5, 6], [7]]), 1000)
    finally:
        model.output.bias.data = bias
    assert tokens.tolist() == [[EOS_ID], [EOS_ID]]
    assert lengths.tolist() == [0, 0]


def test_it_stops_at_the_maximum_length(searcher: GreedySearcher) -> None:
    model = searcher.model
    bias = model.output.bias.data.clone()
    try:
        model.output.bias.data[EOS_ID] = -1e4
        tokens, _, lengths = searcher(*batch([[5, 6], [7]]), 6)
    finally:
        model.output.bias.data = bias
    assert tokens.shape == (2, 6)
    assert lengths.tolist() == [6, 6]


def test_the_scores_of_what_greedy_search_wrote_are_its_own(searcher: GreedySearcher) -> None:
    torch.manual_seed(1)
    source_ids, lengths = torch.randint(5, VOCABULARY, (8, 7)), torch.randint(1, 8, (8,))
    tokens, scores, _ = searcher(source_ids, lengths, 10)
    torch.testing.assert_close(searcher.target_scores(source_ids, lengths, tokens), scores)


def test_attention_weights_are_distributions_over_the_source(searcher: GreedySearcher) -> None:
    source_ids, lengths = torch.randint(5, VOCABULARY, (3, 7)), torch.tensor([7, 2, 4])
    weights = searcher.attention(source_ids, lengths, torch.tensor([[6, 7, EOS_ID]] * 3))
    assert weights.shape == (3, 3, 7)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 3))
    assert not weights[1, :, 2:].any()
