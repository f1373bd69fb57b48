"""Search with options, through a published artifact."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import SEARCHER_FILE
from bot.artifact.options import GREEDY, SearchOptions
from bot.artifact.store import ModelStore
from bot.errors import SearcherError, UsageError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import compile_searcher
from bot.text.tokenizer import EOS_ID, PAD_ID, SPECIAL_SYMBOLS

FIRST_WORD = len(SPECIAL_SYMBOLS)


@pytest.fixture(scope="module")
def artifact(
    files: dict[str, bytes], fields: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    """An untrained model that is inclined to write special symbols."""
    torch.manual_seed(2)
    size = FIRST_WORD + 12
    model = Seq2Seq(ModelConfig(size, 16, 16, 1, 1))
    for parameter in model.parameters():
        parameter.data.mul_(3)
    model.output.bias.data[:FIRST_WORD] += 1
    model.output.bias.data[PAD_ID] -= 100  # what no trained model writes
    searcher = GreedySearcher(model).eval().requires_grad_(False)
    store = ModelStore(tmp_path_factory.mktemp("store"))
    content = {**files, SEARCHER_FILE: compile_searcher(searcher)}
    artifact = Artifact.load(store.publish("tiny", content, **fields, activate=True))
    assert artifact.tokenizer.vocabulary_size == size
    return artifact


@pytest.fixture
def old(published: Path) -> Artifact:
    """A searcher with nothing but ``forward``."""
    return Artifact.load(published)


words = st.integers(FIRST_WORD, FIRST_WORD + 11)
sources = st.lists(
    st.lists(words, max_size=6).map(lambda ids: [*ids, EOS_ID]), min_size=1, max_size=5
)
ALL_OPTIONS = [
    GREEDY,
    SearchOptions(beam_size=4, length_penalty=1.0),
    SearchOptions(beam_size=3, no_repeat_ngram=2, min_length=3),
    SearchOptions(no_repeat_ngram=1),
    SearchOptions(temperature=1.0, seed=7),
    SearchOptions(temperature=2.0, top_k=5, min_length=2, seed=7),
]


@given(sources, st.sampled_from(ALL_OPTIONS))
@settings(max_examples=60)
def test_a_sources_hypotheses_do_not_depend_on_its_batch(
    artifact: Artifact, sources: list[list[int]], options: SearchOptions
) -> None:
    together = artifact.hypotheses(sources, 10, options)
    for source, found in zip(sources, together, strict=True):
        (alone,) = artifact.hypotheses([source], 10, options)
        assert [one.token_ids for one in found] == [one.token_ids for one in alone]
        for ours, theirs in zip(found, alone, strict=True):
            assert math.isclose(ours.score, theirs.score, rel_tol=1e-4)


@given(sources, st.sampled_from(ALL_OPTIONS))
@settings(max_examples=60)
def test_search_returns_the_best_hypothesis_and_its_scores_are_the_models(
    artifact: Artifact, sources: list[list[int]], options: SearchOptions
) -> None:
    found = artifact.hypotheses(sources, 10, options)
    assert artifact.search(sources, 10, options) == [row[0].token_ids for row in found]
    for source, row in zip(sources, found, strict=True):
        assert 1 <= len(row) <= options.beam_size
        assert len({tuple(one.token_ids) for one in row if one.ended}) == sum(
            one.ended for one in row
        )
        for one in row:
            target = one.token_ids + [EOS_ID] * one.ended
            (scores,) = artifact.target_scores([source], [target])
            assert math.isclose(one.log_probability, sum(scores), rel_tol=1e-4)
            expected = one.log_probability / ((5 + len(target)) / 6) ** options.length_penalty
            assert math.isclose(one.score, expected)
        ended = [one.score for one in row if one.ended]
        assert ended == sorted(ended, reverse=True)


@given(sources)
@settings(max_examples=30)
def test_the_defaults_are_plain_greedy_search(artifact: Artifact, sources: list[list[int]]) -> None:
    assert artifact.search(sources, 10, GREEDY) == artifact.search(sources, 10)


@pytest.mark.parametrize("options", ALL_OPTIONS[1:], ids=repr)
def test_nothing_that_no_reader_would_see_is_written(
    artifact: Artifact, options: SearchOptions
) -> None:
    sources = [[word, EOS_ID] for word in range(FIRST_WORD, FIRST_WORD + 12)]
    plain = artifact.search(sources, 10)
    assert any(min(ids, default=FIRST_WORD) < FIRST_WORD for ids in plain), "it would if it could"
    for row in artifact.hypotheses(sources, 10, options):
        assert all(min(one.token_ids, default=FIRST_WORD) >= FIRST_WORD for one in row)


def test_banned_ids_are_not_written(artifact: Artifact) -> None:
    banned = tuple(range(FIRST_WORD, FIRST_WORD + 8))
    for options in (
        SearchOptions(banned_ids=banned),
        SearchOptions(banned_ids=banned, beam_size=3),
        SearchOptions(banned_ids=banned, temperature=3.0),
    ):
        for row in artifact.hypotheses([[5, 6, EOS_ID], [EOS_ID]], 10, options):
            assert not any(set(one.token_ids) & set(banned) for one in row)


def test_constraints_that_leave_fewer_replies_than_the_beam_return_those(
    artifact: Artifact,
) -> None:
    banned = tuple(range(FIRST_WORD, FIRST_WORD + 11))
    options = SearchOptions(beam_size=5, no_repeat_ngram=1, banned_ids=banned)
    (found,) = artifact.hypotheses([[5, EOS_ID]], 10, options)
    assert sorted(one.token_ids for one in found) == [[], [FIRST_WORD + 11]]


def test_a_seed_makes_chance_repeatable_and_another_seed_another_reply(artifact: Artifact) -> None:
    sources = [[word, EOS_ID] for word in range(FIRST_WORD, FIRST_WORD + 8)]

    def replies(seed: int | None) -> list[list[int]]:
        return artifact.search(sources, 10, SearchOptions(temperature=2.0, seed=seed))

    assert replies(1) == replies(1)
    assert replies(1) != replies(2)
    assert replies(-1) != replies(1)
    assert replies(None) != replies(None)
    assert artifact.search([sources[3]], 10, SearchOptions(temperature=2.0, seed=1)) == [
        replies(1)[3]
    ]


def test_sources_draw_their_own_chance(artifact: Artifact) -> None:
    """One quantile for a whole batch would make its replies begin alike."""
    options = SearchOptions(temperature=1e9, min_length=1, seed=1)
    sources = [[word, EOS_ID] for word in range(FIRST_WORD, FIRST_WORD + 12)]
    firsts = {reply[0] for reply in artifact.search(sources, 1, options)}
    assert len(firsts) > 4


def test_no_sources_have_no_hypotheses(artifact: Artifact) -> None:
    assert artifact.hypotheses([], 10, SearchOptions(beam_size=2)) == []
    assert artifact.search([], 10, SearchOptions(beam_size=2)) == []


def test_a_model_of_an_older_version_searches_greedily_and_says_what_it_cannot(
    old: Artifact,
) -> None:
    sources = [old.tokenizer.encode_source("hello there!")]
    (found,) = old.hypotheses(sources, 9)
    assert [one.token_ids for one in found] == old.search(sources, 9)
    for options, missing in (
        (SearchOptions(beam_size=2), "beam"),
        (SearchOptions(temperature=1.0), "sample"),
        (SearchOptions(min_length=1), "sample"),
    ):
        with pytest.raises(SearcherError, match=f"older Causerie and has no {missing}"):
            old.search(sources, 9, options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SearchOptions(min_length=11), "min_length is 11 and a reply has at most 10 tokens"),
        (SearchOptions(banned_ids=(17,)), "banned_ids has 17; the ids of this model are 0 to 16"),
        (SearchOptions(banned_ids=(-1,)), "banned_ids has -1"),
        (SearchOptions(banned_ids=(EOS_ID,)), "which ends a reply"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_model_are_usage_errors(
    artifact: Artifact, options: SearchOptions, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        artifact.search([[EOS_ID]], 10, options)
