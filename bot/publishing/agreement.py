"""Whether the int8 searcher may stand in for the float32 one: same replies, and as good ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bot.artifact.artifact import search_batch
from bot.data.batches import collate
from bot.data.dataset import EncodedPairs
from bot.errors import AgreementError
from bot.text.tokenizer import PAD_ID

MIN_IDENTICAL_PERCENT = 98
MAX_WORSE = 0.005
BATCH_SIZE = 32


@dataclass(frozen=True)
class Agreement:
    """How the int8 searcher's greedy replies compare with those of the float32 one.

    :param prompts: how many were answered by both
    :param what: what the prompts are, in the plural
    :param different: how many got another reply
    :param fp32_nats, int8_nats: the mean cross-entropy a token, ``EOS`` included, of the real
        replies to the prompts whose replies differ; 0 if there is none
    """

    prompts: int
    what: str
    different: int
    fp32_nats: float
    int8_nats: float

    @property
    def figures(self) -> str:
        """The comparison as a sentence without its full stop."""
        identical = self.prompts - self.different
        # Cut and not rounded, so that what is refused never reads as 98.0%.
        share = int(1000 * identical / self.prompts) / 10
        told = (
            f"The int8 variant answers {identical:,} of {self.prompts:,} {self.what} as fp32 does"
            f" ({share}%)"
        )
        if self.different:
            # A model may be so sure of its replies that its loss is 0.
            change = self.int8_nats / max(self.fp32_nats, 1e-9) - 1
            told += (
                f"; on the other {self.different:,} its loss of the real replies is"
                f" {self.int8_nats:.4f} nats a token, {abs(change):.2%}"
                f" {'worse' if change > 0 else 'better'} than fp32's {self.fp32_nats:.4f}"
            )
        return told

    @property
    def _is_alike(self) -> bool:
        return 100 * (self.prompts - self.different) >= MIN_IDENTICAL_PERCENT * self.prompts

    @property
    def suffices(self) -> bool:
        """Whether at least 98% of the replies are identical, and the loss of the others is at most
        0.5% worse."""
        # In this form a loss that is no number is refused too.
        return self._is_alike and self.int8_nats <= (1 + MAX_WORSE) * self.fp32_nats

    def check(self) -> None:
        """See whether int8 may be published.

        :raises AgreementError: if the agreement does not suffice
        """
        if not self.suffices:
            asked = (
                f"at most {MAX_WORSE:.1%} worse"
                if self._is_alike
                else f"at least {MIN_IDENTICAL_PERCENT}% alike"
            )
            raise AgreementError(
                f"{self.figures}, and {asked} is asked, so nothing was published; --no-int8"
                " publishes the model without int8, and CPUs then serve it in fp32."
            )


def measure_agreement(
    fp32: Any, int8: Any, pairs: EncodedPairs, what: str, max_reply_tokens: int
) -> Agreement:
    """Answer every prompt with both searchers, in batches.

    :param fp32, int8: compiled searchers, loaded, on the CPU
    :param pairs: real prompts and replies, at least one
    :param what: what they are, in the plural
    """
    different: list[int] = []
    by_length = pairs.source_starts.diff().argsort(stable=True)
    for indices in by_length.split(BATCH_SIZE):
        sources = [pairs.source(i).tolist() for i in indices.tolist()]
        replies = [search_batch(s, sources, max_reply_tokens, "cpu") for s in (fp32, int8)]
        compared = zip(indices.tolist(), *replies, strict=True)
        different += [i for i, reference, reply in compared if reference != reply]
    nats = [_mean_nats(searcher, pairs, different) for searcher in (fp32, int8)]
    return Agreement(len(pairs), what, len(different), *nats)


def _mean_nats(searcher: Any, pairs: EncodedPairs, indices: Sequence[int]) -> float:
    nats, tokens = 0.0, 0
    for start in range(0, len(indices), BATCH_SIZE):
        batch = collate(pairs, indices[start : start + BATCH_SIZE])
        with torch.inference_mode():
            scores = searcher.target_scores(
                batch.source_ids, batch.source_lengths, batch.next_ids.contiguous()
            )
        nats -= scores.double().sum().item()
        tokens += int((batch.next_ids != PAD_ID).sum())
    return nats / tokens if tokens else 0.0
