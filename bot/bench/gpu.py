"""On a CUDA device: many replies at once in half precision, against the tutorial's searcher."""

import copy
from dataclasses import dataclass
from itertools import cycle, islice

from bot.artifact.artifact import search_batch
from bot.bench.models import MAX_STEPS, BenchModel
from bot.bench.timing import Timing, take_turns
from bot.bench.tutorial_search import TutorialSearcher

FLIGHT = 256
TUTORIAL_REPLIES = 20  # of the tutorial's a round
WARM_UP_CALLS = 3


@dataclass(frozen=True)
class GpuSearches:
    """Replies a second to real prompts: ours ``FLIGHT`` at once, the tutorial's one at a time."""

    ours: float
    tutorial: float

    @property
    def times_tutorial(self) -> float:
        """How many times the tutorial's."""
        return self.ours / self.tutorial


def measure_gpu(model: BenchModel, rounds: int) -> GpuSearches:
    """Measure both; what they return is read back, which waits for the device."""
    ours = copy.deepcopy(model.fp32).half().to("cuda")
    tutorial = TutorialSearcher(copy.deepcopy(model.eager), "cuda")
    batch = list(islice(cycle(model.sources), FLIGHT))

    def search_all(_: int) -> object:
        return search_batch(ours, batch, MAX_STEPS, "cuda")

    def search_some(_: int) -> object:
        return [tutorial.search(ids, MAX_STEPS) for ids in batch[:TUTORIAL_REPLIES]]

    for _ in range(WARM_UP_CALLS):
        search_all(0)
        search_some(0)
    subjects = {"ours": search_all, "tutorial": search_some}
    seconds = take_turns(subjects, items=1, rounds=rounds, turn=1)
    return GpuSearches(
        ours=FLIGHT * 1e3 / Timing.of(seconds["ours"]).mean_ms,
        tutorial=TUTORIAL_REPLIES * 1e3 / Timing.of(seconds["tutorial"]).mean_ms,
    )
