"""When int8 may be published beside float32."""

import math
from pathlib import Path

import pytest
import torch
from rounded import RoundedSearcher

from bot.errors import AgreementError
from bot.publishing.agreement import Agreement, measure_agreement
from bot.publishing.export import TrainedRun
from bot.training.held_out import held_out_loss


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> TrainedRun:
    return TrainedRun.read(trained_run)


def test_a_searcher_agrees_with_itself(trained: TrainedRun) -> None:
    pairs = trained.splits["test"]
    agreement = measure_agreement(trained.searcher, trained.searcher, pairs, "prompts", 12)
    assert agreement == Agreement(len(pairs), "prompts", 0, 0.0, 0.0)
    assert agreement.figures.endswith("as fp32 does (100.0%)")
    agreement.check()


def test_replies_that_differ_are_counted_and_their_prompts_losses_compared(
    trained: TrainedRun,
) -> None:
    pairs = trained.splits["train"].sample(100, seed=2)
    other = RoundedSearcher(trained.searcher, levels=127).eval()
    other.pack()
    (meow, *_) = trained.tokenizer.encode("meow")
    other.model.output.bias[meow] -= 20.0  # nothing it says of cats is right
    sources = [pairs.source(i).tolist() for i in range(len(pairs))]

    def replies(searcher: torch.nn.Module) -> list[list[int]]:
        found = []
        for ids in sources:  # one by one, unlike what is tested
            tokens, _, lengths = searcher(torch.tensor([ids]), torch.tensor([len(ids)]), 12)
            found.append(tokens[0, : lengths[0]].tolist())
        return found

    both = zip(replies(trained.searcher), replies(other), strict=True)
    different = [i for i, (reference, reply) in enumerate(both) if reference != reply]
    assert 0 < len(different) < len(pairs), "the comparison has both cases"
    agreement = measure_agreement(trained.searcher, other, pairs, "prompts", 12)
    assert (agreement.prompts, agreement.different) == (100, len(different))
    expected = held_out_loss(trained.searcher.model, pairs.select(different)).nats_per_token
    assert agreement.fp32_nats == pytest.approx(expected, rel=1e-5)
    expected = held_out_loss(other.model, pairs.select(different)).nats_per_token
    assert agreement.int8_nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "agreement",
    [
        Agreement(1000, "held-out prompts", 0, 0.0, 0.0),
        Agreement(1000, "held-out prompts", 20, 3.0, 3.0149),
        Agreement(1000, "held-out prompts", 20, 3.0, 2.0),
        Agreement(50, "held-out prompts", 1, 3.0, 3.0),
    ],
)
def test_98_percent_of_the_replies_and_half_a_percent_of_the_loss_are_enough(
    agreement: Agreement,
) -> None:
    agreement.check()


@pytest.mark.parametrize(
    ("agreement", "figures"),
    [
        (
            Agreement(1000, "held-out prompts", 21, 3.0, 3.0),
            ["979 of 1,000 held-out prompts", "(97.9%)", "at least 98% alike is asked"],
        ),
        (
            Agreement(1000, "held-out prompts", 20, 3.0, 3.0151),
            ["980 of 1,000", "on the other 20", "3.0151", "0.50% worse than fp32's 3.0000"],
        ),
        (Agreement(1000, "held-out prompts", 1, 3.0, 3.3), ["10.00% worse", "at most 0.5% worse"]),
        (Agreement(1000, "held-out prompts", 1, 3.0, math.nan), ["nan"]),
        (Agreement(2997, "held-out prompts", 60, 3.0, 3.0), ["2,937 of 2,997", "(97.9%)"]),
    ],
)
def test_less_is_refused_in_one_sentence_with_the_figures_and_what_to_do(
    agreement: Agreement, figures: list[str]
) -> None:
    with pytest.raises(AgreementError, match="nothing was published; --no-int8 publishes") as error:
        agreement.check()
    for figure in figures:
        assert figure in str(error.value)
    assert "\n" not in str(error.value)
