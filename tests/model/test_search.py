"""Greedy, beam and sampled search, eager and compiled."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from bot.artifact.artifact import load_searcher
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import compile_searcher
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


@pytest.fixture(scope="module")
def compiled(searcher: GreedySearcher) -> Any:
    """The same weights, as they are served."""
    return load_searcher(compile_searcher(searcher), "cpu")


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


def test_compiled_and_eager_search_write_the_same(searcher: GreedySearcher, compiled: Any) -> None:
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


NONE = torch.tensor([], dtype=torch.long)
WORDS_ONLY = torch.tensor([PAD_ID, BOS_ID, 3, 4])
constraints = st.tuples(st.integers(0, 6), st.integers(0, 3), st.just(WORDS_ONLY))


def uniforms(rows: int, steps: int, seed: int = 0) -> Tensor:
    return torch.rand(rows, steps, generator=torch.Generator().manual_seed(seed))


@given(sources, st.integers(1, 12))
@settings(max_examples=50)
def test_beam_width_one_is_greedy_search(
    searcher: GreedySearcher, compiled: Any, sources: list[list[int]], max_length: int
) -> None:
    for module in (searcher, compiled):
        tokens, scores, lengths = module(*batch(sources), max_length)
        beam = module.beam(*batch(sources), max_length, 1, 0.6, 0, 0, NONE)
        assert beam[0].squeeze(1).tolist() == tokens.tolist()
        torch.testing.assert_close(beam[1].squeeze(1), scores)
        assert beam[2].squeeze(1).tolist() == lengths.tolist()


@given(sources, st.integers(1, 12), st.sampled_from([(0.0, 0), (1e-300, 0), (0.7, 1)]))
@settings(max_examples=50)
def test_sampling_without_temperature_or_choice_is_greedy_search(
    searcher: GreedySearcher,
    compiled: Any,
    sources: list[list[int]],
    max_length: int,
    chance: tuple[float, int],
) -> None:
    for module in (searcher, compiled):
        expected = module(*batch(sources), max_length)
        noise = uniforms(len(sources), max_length)
        actual = module.sample(*batch(sources), max_length, 0, 0, NONE, *chance, noise)
        for ours, theirs in zip(actual, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


@given(sources, constraints)
@settings(max_examples=50)
def test_beam_width_one_and_temperature_zero_agree_under_constraints(
    compiled: Any, sources: list[list[int]], constraints: tuple[int, int, Tensor]
) -> None:
    tokens, scores, lengths = compiled.sample(
        *batch(sources), 12, *constraints, 0.0, 0, uniforms(len(sources), 12)
    )
    beam = compiled.beam(*batch(sources), 12, 1, 0.6, *constraints)
    assert beam[0].squeeze(1).tolist() == tokens.tolist()
    torch.testing.assert_close(beam[1].squeeze(1), scores)
    assert beam[2].squeeze(1).tolist() == lengths.tolist()


def plain_beam_search(
    searcher: GreedySearcher, source: list[int], max_length: int, k: int, alpha: float
) -> list[tuple[float, list[int]]]:
    """Beam search over one source in plain Python, without constraints."""
    finished: list[tuple[float, list[int]]] = []
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    for length in range(1, max_length + 1):
        rows = torch.tensor([[*ids, PAD_ID] for _, ids in live])
        attentional, _ = searcher._read_target(*batch([source] * len(live)), rows)
        step = searcher.model.logits(attentional[:, -1]).log_softmax(1).tolist()
        ranked = sorted(
            (
                (total + score, [*ids, token])
                for (total, ids), scores in zip(live, step, strict=True)
                for token, score in enumerate(scores)
            ),
            reverse=True,
        )[: 2 * k]
        penalty = ((5 + length) / 6) ** alpha
        finished += [(total / penalty, ids) for total, ids in ranked[:k] if ids[-1] == EOS_ID]
        live = [candidate for candidate in ranked if candidate[1][-1] != EOS_ID][:k]
        if len(finished) >= k:
            break
    finished.sort(reverse=True)
    return (finished + [(total / penalty, ids) for total, ids in live])[:k]


@given(sources, st.integers(2, 5), st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=40)
def test_beam_search_finds_what_a_plain_one_finds_row_by_row(
    searcher: GreedySearcher, compiled: Any, sources: list[list[int]], k: int, alpha: float
) -> None:
    tokens, scores, lengths, ratings = compiled.beam(*batch(sources), 7, k, alpha, 0, 0, NONE)
    for row, source in enumerate(sources):
        for slot, (rating, ids) in enumerate(plain_beam_search(searcher, source, 7, k, alpha)):
            written = tokens[row, slot].tolist()
            assert written == ids + [PAD_ID] * (len(written) - len(ids))
            assert lengths[row, slot] == len(ids) - (ids[-1] == EOS_ID)
            assert math.isclose(ratings[row, slot], rating, rel_tol=1e-4)
            total = rating * ((5 + len(ids)) / 6) ** alpha
            assert math.isclose(scores[row, slot].sum(), total, rel_tol=1e-4)


def test_a_beam_wide_enough_for_every_reply_ranks_them_all() -> None:
    torch.manual_seed(0)
    model = Seq2Seq(ModelConfig(6, 8, 8, 1, 1))
    searcher = GreedySearcher(model).eval().requires_grad_(False)
    source = torch.tensor([[3, 4, 5]]), torch.tensor([3])
    banned = torch.tensor([PAD_ID, BOS_ID])
    tokens, _, _, ratings = searcher.beam(*source, 3, 40, 0.6, 0, 0, banned)

    words = [3, 4, 5]
    replies = [[EOS_ID]] + [[a, EOS_ID] for a in words]
    replies += [[a, b, EOS_ID] for a in words for b in words]
    rated = []
    for reply in replies:
        score = searcher.target_scores(*source, torch.tensor([reply])).sum().item()
        rated.append((score / ((5 + len(reply)) / 6) ** 0.6, reply + [PAD_ID] * (3 - len(reply))))
    rated.sort(reverse=True)
    assert tokens[0, :13].tolist() == [reply for _, reply in rated]
    torch.testing.assert_close(ratings[0, :13], torch.tensor([rating for rating, _ in rated]))
    assert not (tokens[0, 13:] == EOS_ID).any(), "unfinished replies come last"


@given(sources, constraints)
@settings(max_examples=30)
def test_a_rows_beam_and_its_draws_do_not_depend_on_its_neighbours(
    compiled: Any, sources: list[list[int]], constraints: tuple[int, int, Tensor]
) -> None:
    noise = uniforms(len(sources), 12)
    beam = compiled.beam(*batch(sources), 12, 4, 0.6, *constraints)
    sample = compiled.sample(*batch(sources), 12, *constraints, 0.8, 10, noise)
    for row, source in enumerate(sources):
        alone = compiled.beam(*batch([source]), 12, 4, 0.6, *constraints)
        steps = alone[0].size(2)
        assert beam[0][row, :, :steps].tolist() == alone[0][0].tolist()
        torch.testing.assert_close(beam[1][row, :, :steps], alone[1][0])
        assert not beam[0][row, :, steps:].any()
        torch.testing.assert_close(beam[3][row], alone[3][0])

        alone = compiled.sample(
            *batch([source]), 12, *constraints, 0.8, 10, noise[row].unsqueeze(0)
        )
        steps = alone[0].size(1)
        assert sample[0][row, :steps].tolist() == alone[0][0].tolist()
        assert not sample[0][row, steps:].any()


@given(sources, st.integers(0, 8), st.integers(1, 3), st.sampled_from([0.0, 1.5]))
@settings(max_examples=40)
def test_constraints_hold_in_every_reply(
    compiled: Any, sources: list[list[int]], min_length: int, n: int, temperature: float
) -> None:
    banned = torch.cat((WORDS_ONLY, torch.arange(5, 15)))
    constraints = (min_length, n, banned)
    noise = uniforms(len(sources), 12)
    sample = compiled.sample(*batch(sources), 12, *constraints, temperature, 0, noise)
    beam = compiled.beam(*batch(sources), 12, 3, 0.6, *constraints)
    replies = [ids[:length] for ids, length in zip(sample[0], sample[2], strict=True)]
    replies += [
        ids[:length] for ids, length in zip(beam[0].flatten(0, 1), beam[2].flatten(), strict=True)
    ]
    for reply in (reply.tolist() for reply in replies):
        assert len(reply) >= min_length
        assert not set(reply) & set(banned.tolist())
        ngrams = [tuple(reply[i : i + n]) for i in range(len(reply) - n + 1)]
        assert len(set(ngrams)) == len(ngrams)


def test_scores_are_the_models_own_also_under_constraints_and_by_chance(
    searcher: GreedySearcher,
) -> None:
    torch.manual_seed(1)
    source = torch.randint(5, VOCABULARY, (8, 7)), torch.randint(1, 8, (8,))
    tokens, scores, _ = searcher.sample(*source, 10, 3, 2, WORDS_ONLY, 0.9, 5, uniforms(8, 10))
    torch.testing.assert_close(searcher.target_scores(*source, tokens), scores)
    tokens, scores, _, _ = searcher.beam(*source, 10, 3, 0.6, 3, 2, WORDS_ONLY)
    for slot in range(3):
        expected = searcher.target_scores(*source, tokens[:, slot])
        torch.testing.assert_close(expected, scores[:, slot])
