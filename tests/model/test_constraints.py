"""What may be written next."""

import torch
from torch import Tensor

from bot.model.constraints import constrain

EOS = 2
NONE = torch.tensor([], dtype=torch.long)
INFINITY = float("inf")


def allowed(written: list[int], min_length: int = 0, n: int = 0, banned: Tensor = NONE) -> set[int]:
    """What may follow, of six ids."""
    scores = torch.linspace(-1, -2, 6).unsqueeze(0)
    constrained = constrain(scores, torch.tensor([written]).long(), EOS, min_length, n, banned)
    kept = constrained > -INFINITY
    assert torch.equal(constrained[kept], scores[kept]), "what is allowed keeps its score"
    return set(kept[0].nonzero().flatten().tolist())


def test_without_constraints_everything_is_allowed() -> None:
    assert allowed([3, 3, 3]) == {0, 1, 2, 3, 4, 5}


def test_banned_ids_are_never_allowed() -> None:
    assert allowed([], banned=torch.tensor([0, 4])) == {1, 2, 3, 5}


def test_a_reply_does_not_end_before_its_minimum_length() -> None:
    assert EOS not in allowed([3], min_length=2)
    assert EOS in allowed([3, 4], min_length=2)


def test_an_ngram_is_not_completed_twice() -> None:
    assert allowed([3, 4, 3], n=1) == {0, 1, 2, 5}
    assert allowed([3, 4, 5, 3], n=2) == {0, 1, 2, 3, 5}
    assert allowed([3, 4, 5, 3, 4], n=3) == {0, 1, 2, 3, 4}
    assert allowed([3, 4, 3, 5, 3], n=2) == {0, 1, 2, 3}
    assert allowed([3, 4], n=3) == {0, 1, 2, 3, 4, 5}


def test_rows_are_constrained_by_what_they_wrote_themselves() -> None:
    scores = torch.zeros(2, 6)
    constrained = constrain(scores, torch.tensor([[3, 4], [5, 5]]), EOS, 0, 1, NONE)
    assert (constrained > -INFINITY).tolist() == [
        [True, True, True, False, False, True],
        [True, True, True, True, True, False],
    ]


def test_where_nothing_is_left_the_reply_ends() -> None:
    banned = torch.tensor([0, 1, 5])
    assert allowed([3, 4], min_length=9, n=1, banned=banned) == {EOS}


def test_the_models_scores_are_not_changed_in_place() -> None:
    scores = torch.zeros(1, 6)
    constrain(scores, torch.tensor([[3]]), EOS, 9, 1, torch.tensor([0]))
    assert not scores.any()
