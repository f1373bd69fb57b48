"""What a beam keeps, step by step."""

import torch
from torch import Tensor

from bot.model.beam import Replies, best, continuations, finished_first, take

NOTHING = float("-inf")


def replies(ratings: list[list[float]], length: int = 2) -> Replies:
    """Replies whose ids and scores tell their row and number apart."""
    rated = torch.tensor(ratings)
    B, M = rated.size()  # noqa: N806 (as in bot.model)
    ids = torch.arange(B * M).view(B, M, 1).expand(B, M, length)
    return Replies(ids, -ids.float(), rated)


def numbers(found: Replies) -> list[list[int]]:
    ids: Tensor = found.token_ids[:, :, 0]
    return ids.tolist()


def test_each_row_takes_its_own_replies_with_their_scores_and_ratings() -> None:
    found = take(replies([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1, 1, 0], [0, 1, 0]]))
    assert numbers(found) == [[1, 1, 0], [2, 3, 2]]
    assert found.ratings.tolist() == [[2.0, 2.0, 1.0], [3.0, 4.0, 3.0]]
    assert torch.equal(found.scores, -found.token_ids.float())


def test_the_best_come_first_and_tell_which_they_are() -> None:
    found, which = best(replies([[1.0, 3.0, 2.0], [6.0, 5.0, 4.0]]), 2)
    assert which.tolist() == [[1, 2], [0, 1]]
    assert numbers(found) == [[1, 2], [3, 4]]


def test_a_continuation_is_rated_by_what_is_allowed_and_scored_by_what_the_model_says() -> None:
    live = replies([[-1.0, -2.0]])  # one row, K = 2
    model = torch.tensor([[-0.1, -3.0, -5.0], [-4.0, -0.5, -6.0]])  # V = 3
    allowed = model.clone()
    allowed[0, 0] = NOTHING
    longer, parents, tokens = continuations(live, model, allowed, 1)
    assert longer.ratings.tolist() == [[-2.5, -4.0, -6.0, -6.0]]
    assert parents[0, :2].tolist() == [1, 0]
    assert tokens[0, :2].tolist() == [1, 1]
    assert longer.token_ids[0, 0].tolist() == [1, 1]  # beginning 1, continued with token 1
    assert longer.scores[0, 1].tolist() == [0.0, -3.0]  # beginning 0, continued with token 1
    assert live.token_ids[0, 0].tolist() == [0, 0], "the beginnings stay as they are"


def test_cut_replies_fill_up_what_finished_ones_leave_free() -> None:
    finished = replies([[-1.0, NOTHING, NOTHING], [-1.0, -2.0, -3.0]])
    cut = Replies(finished.token_ids + 10, finished.scores, finished.ratings.nan_to_num(neginf=-9))
    found = finished_first(finished, cut)
    assert numbers(found) == [[0, 10, 11], [3, 4, 5]]
