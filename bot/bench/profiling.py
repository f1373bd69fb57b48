"""Where the time of a search goes."""

from typing import Any

import torch

from bot.artifact.artifact import search_batch
from bot.bench.models import MAX_STEPS, BenchModel
from bot.bench.searches import WARM_UP_CALLS, typical_source

CALLS = 10
OPERATORS = 12


def profile_search(searcher: Any, model: BenchModel) -> str:
    """The operators that ten steps at batch 1 in one thread spend most time in, as a table.

    :param searcher: one of the model's own
    """
    source = typical_source(model.sources)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with model.writing_on():
            for _ in range(WARM_UP_CALLS):
                search_batch(searcher, [source], MAX_STEPS, "cpu")
            with torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True
            ) as profiler:
                for _ in range(CALLS):
                    search_batch(searcher, [source], MAX_STEPS, "cpu")
    finally:
        torch.set_num_threads(threads)
    events = sorted(
        profiler.key_averages(), key=lambda event: event.self_cpu_time_total, reverse=True
    )
    total = sum(event.self_cpu_time_total for event in events)
    lines = [f"{'operator':50} {'share':>7} {'calls a reply':>14}"]
    lines += [
        f"{event.key[:50]:50} {event.self_cpu_time_total / total:7.1%} {event.count / CALLS:14.0f}"
        for event in events[:OPERATORS]
    ]
    return "\n".join(lines)
