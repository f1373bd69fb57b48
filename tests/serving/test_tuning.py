import logging
import threading

import pytest
import torch

from bot.artifact.options import GREEDY, SearchOptions
from bot.errors import SearchFailedError
from bot.serving import tuning
from bot.serving.tuning import fastest_plan, tuned_engine
from bot.settings import Settings, WorkerPlan

SOURCES = [[5, 2], [6, 2]]


class Searcher:
    """Takes its time by a clock that the test reads: so much a batch, for each number of threads.

    :param costs_s: seconds a batch, by the threads that work on it
    """

    def __init__(self, costs_s: dict[int, float]) -> None:
        self._costs_s = costs_s
        self._times = threading.local()
        self.threads: set[str] = set()
        self.batches = 0

    def perf_counter(self) -> float:
        """A thread's own time."""
        return getattr(self._times, "now", 0.0)

    def search(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        assert (source_ids, max_length, options) == (SOURCES, 40, GREEDY)
        self._times.now = self.perf_counter() + self._costs_s[torch.get_num_threads()]
        self.threads.add(threading.current_thread().name)
        self.batches += 1
        return source_ids


@pytest.mark.parametrize(("two_threads_s", "faster"), [(0.006, (1, 2)), (0.009, (3, 1))])
def test_the_plan_that_searches_more_sources_a_second_wins(
    two_threads_s: float,
    faster: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    searcher = Searcher({1: 0.02, 2: two_threads_s})
    monkeypatch.setattr(tuning, "time", searcher)
    plans = [WorkerPlan(3, 1), WorkerPlan(1, 2)]
    with caplog.at_level(logging.INFO):
        assert fastest_plan(plans, searcher, SOURCES, 40, GREEDY) == faster
    (record,) = caplog.records
    workers, threads = faster
    assert record.getMessage().startswith(f"{workers} workers with {threads} threads each")
    assert "3 x 1: 300/s" in record.getMessage()
    # As many batches as fit into the time, after the warm-up.
    assert searcher.batches < 100


def test_more_workers_than_cores_are_fewer_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tuning, "usable_cores", lambda: 2)
    searcher = Searcher({})
    for workers, lines in ((64, 1), (2, 0)):
        caplog.clear()
        settings = Settings(workers=workers, threads_per_worker=workers // 2)
        tuned_engine(searcher, settings, SOURCES)  # type: ignore[arg-type] # it is not called
        assert len(caplog.records) == lines
        assert all("64 x 32" in text and "2 x 1" in text for text in caplog.messages)


def test_without_a_choice_nothing_is_measured() -> None:
    searcher = Searcher({})
    assert fastest_plan([WorkerPlan(3, 5)], searcher, SOURCES, 40, GREEDY) == (3, 5)
    assert searcher.batches == 0


def test_a_searcher_that_fails_is_one_sentence_and_no_worker_waits_for_another() -> None:
    class Broken(Searcher):
        def search(
            self, source_ids: list[list[int]], max_length: int, options: SearchOptions
        ) -> list[list[int]]:
            if self.batches == 0:
                self.batches = 1
                raise RuntimeError("no kernel")
            return source_ids

    with pytest.raises(SearchFailedError, match="check the model"):
        fastest_plan([WorkerPlan(3, 1), WorkerPlan(1, 2)], Broken({}), SOURCES, 40, GREEDY)
