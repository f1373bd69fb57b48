"""Which plan of workers and threads is the faster one on this machine: measured, at start."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from bot.artifact.options import GREEDY, SearchOptions
from bot.serving.batcher import search_failed
from bot.serving.engine import WARM_UP_ROUNDS, Engine, Searcher
from bot.settings import Settings, WorkerPlan, candidate_plans, usable_cores

logger = logging.getLogger(__name__)

# What people write; what the model answers takes as long as in earnest.
TEXTS = ("hello", "how are you?", "do you like tea?", "what did you do at the weekend?")

MEASURED_S = 0.05


def tuned_engine(
    searcher: Searcher,
    settings: Settings,
    sources: list[list[int]],
    options: SearchOptions = GREEDY,
    *,
    cuda: bool = False,
) -> Engine:
    """The engine that the settings describe, with the fastest plan that they allow.

    :param sources: a batch, as messages make them
    :param cuda: whether the searcher is on a GPU
    :raises SearchFailedError: if the searcher raises
    """
    cores = usable_cores()
    plans = candidate_plans(
        cores,
        cuda=cuda,
        workers=settings.workers,
        threads_per_worker=settings.threads_per_worker,
    )
    asked = WorkerPlan(
        settings.workers or plans[0].workers,
        settings.threads_per_worker or plans[0].threads_per_worker,
    )
    if asked != plans[0]:
        logger.warning(
            "WORKERS x THREADS_PER_WORKER is %d x %d, more than the cores of this process (%d);"
            " it works with %d x %d",
            *asked,
            cores,
            *plans[0],
        )
    plan = fastest_plan(plans, searcher, sources, settings.max_reply_tokens, options)
    return Engine(
        searcher,
        workers=plan.workers,
        threads_per_worker=plan.threads_per_worker,
        max_batch_size=settings.max_batch_size,
        queue_limit=settings.queue_limit,
        max_reply_tokens=settings.max_reply_tokens,
        options=options,
    )


def fastest_plan(
    plans: Sequence[WorkerPlan],
    searcher: Searcher,
    sources: list[list[int]],
    max_reply_tokens: int,
    options: SearchOptions,
) -> WorkerPlan:
    """The plan that searches most sources a second, all of its workers at work.

    :param plans: at least one; a single one is not measured
    :param sources: a batch, as messages make them
    :raises SearchFailedError: if the searcher raises
    """
    if len(plans) == 1:
        return plans[0]

    def work(everyone: threading.Barrier, warm_up_rounds: int) -> float:
        """A worker's searched sources a second."""
        try:
            for _ in range(warm_up_rounds):
                searcher.search(sources, max_reply_tokens, options)
        except BaseException:
            everyone.abort()
            raise
        everyone.wait()
        began = time.perf_counter()
        batches = 0
        while batches == 0 or time.perf_counter() - began < MEASURED_S:
            searcher.search(sources, max_reply_tokens, options)
            batches += 1
        return batches * len(sources) / (time.perf_counter() - began)

    def measure(plan: WorkerPlan) -> float:
        everyone = threading.Barrier(plan.workers)
        with ThreadPoolExecutor(
            plan.workers,
            initializer=torch.set_num_threads,
            initargs=(plan.threads_per_worker,),
        ) as executor:
            # What TorchScript optimised for the first plan is there for the others.
            rounds = WARM_UP_ROUNDS if plan is plans[0] else 1
            working = [executor.submit(work, everyone, rounds) for _ in range(plan.workers)]
            # Those that waited for the one that failed have nothing to tell.
            failures = [error for worker in working if (error := worker.exception())]
            for failure in failures:
                if not isinstance(failure, threading.BrokenBarrierError):
                    raise failure
            return sum(worker.result() for worker in working)

    try:
        rates = {plan: measure(plan) for plan in plans}
    except Exception as error:
        raise search_failed(error) from error
    fastest = max(rates, key=lambda plan: rates[plan])
    measured = ", ".join(
        f"{plan.workers} x {plan.threads_per_worker}: {rate:.0f}/s" for plan, rate in rates.items()
    )
    logger.info(
        "%d workers with %d threads each (replies a second, workers x threads: %s)",
        *fastest,
        measured,
    )
    return fastest
