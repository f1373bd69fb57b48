"""Micro-batching on the event loop: requests wait fairly and are computed together.

A batch forms while the ones before it run, without a timer: as soon as a worker is idle, what
waits is its next batch.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from bot.errors import BusyError, CauserieError, DeadlineError, SearchFailedError
from bot.serving.queue import FairQueue, Request

logger = logging.getLogger(__name__)

OVERLOAD_WARNING_INTERVAL_S = 60.0

T = TypeVar("T")


class Statistics(NamedTuple):
    """What an engine has done. Each request ends in one of five ways.

    :param waiting: requests in the queue now
    :param running: requests in the batches that run now
    :param answered: ended with a result
    :param busy: ended because the queue was full: refused, or displaced from it
    :param expired: ended at their deadline
    :param cancelled: ended because their caller was cancelled
    :param failed: ended because the search failed or the engine was closed
    :param batches: how many batches were computed
    :param rows: how many requests there were in them
    """

    waiting: int
    running: int
    answered: int
    busy: int
    expired: int
    cancelled: int
    failed: int
    batches: int
    rows: int


COUNTED = Statistics._fields[2:]


@dataclass(eq=False, kw_only=True)
class _Search(Request):
    """A request whose caller waits for ``result``.

    :param compute: the results of a batch of this group's sources, one a source
    """

    source_ids: list[int]
    compute: Callable[[list[list[int]]], list[Any]]
    result: asyncio.Future[Any]


class Batcher:
    """Takes requests and has them computed in batches.

    :param workers: how many batches run at the same time
    :param queue_limit: how many requests may wait
    """

    def __init__(self, *, workers: int, queue_limit: int) -> None:
        self._workers = workers
        self._queue: FairQueue[_Search] = FairQueue(queue_limit)
        self._arrived = asyncio.Event()
        self._is_open = False
        self._working: set[asyncio.Task[None]] = set()
        self._busy_workers = 0
        self._running = 0
        self._counts: Counter[str] = Counter()
        self._overload_warning_due = -math.inf

    def start(self, executor: Executor) -> None:
        """Take requests from now on.

        :param executor: computes the batches; has a thread for each worker
        """
        self._is_open = True
        self._working = {asyncio.create_task(self._work(executor)) for _ in range(self._workers)}

    def statistics(self) -> Statistics:
        """What was done until now."""
        return Statistics(
            waiting=len(self._queue),
            running=self._running,
            **{name: self._counts[name] for name in COUNTED},
        )

    async def ask(
        self,
        compute: Callable[[list[list[int]]], list[T]],
        source_ids: list[int],
        *,
        group: Hashable,
        batch_size: int,
        user: Hashable,
        timeout_s: float | None,
    ) -> T:
        """The result for one source.

        :param compute: the results of a batch, one a source; called on a thread of the executor
        :param group: requests of equal groups have the same ``compute`` and may be in one batch
        :param batch_size: how many requests of this group a batch may have
        :raises BusyError, DeadlineError, SearchFailedError: as ``Engine.generate`` does
        :raises CauserieError: what ``compute`` raises
        """
        if not self._is_open:
            raise SearchFailedError("The engine is not running.")
        request = _Search(
            user=user,
            group=group,
            batch_size=batch_size,
            source_ids=source_ids,
            compute=compute,
            result=asyncio.get_running_loop().create_future(),
        )
        ending = "failed"
        try:
            self._put(request)
            async with asyncio.timeout(timeout_s):
                result: T = await request.result
            ending = "answered"
            return result
        except TimeoutError:
            ending = "expired"
            raise DeadlineError(f"The reply was not ready within {timeout_s:g} s.") from None
        except asyncio.CancelledError:
            ending = "cancelled"
            raise
        except BusyError:
            ending = "busy"
            raise
        finally:
            self._queue.discard(request)
            self._counts[ending] += 1

    def _put(self, request: _Search) -> None:
        turned_away = self._queue.put(request)
        self._arrived.set()
        if turned_away is None:
            return
        now = asyncio.get_running_loop().time()
        if now >= self._overload_warning_due:
            self._overload_warning_due = now + OVERLOAD_WARNING_INTERVAL_S
            logger.warning("the queue is full and requests are turned away (said once a minute)")
        busy = BusyError(
            f"All {len(self._queue)} places in the queue are taken; try again in a moment."
        )
        if turned_away is request:
            raise busy
        _fail(turned_away, busy)

    async def _work(self, executor: Executor) -> None:
        """One worker: a batch after the other until the batcher is closed."""
        while True:
            # Lets the event loop run once. Callers who were just answered may ask again and be in
            # the next batch, and requests whose deadline has come leave the queue.
            await asyncio.sleep(0)
            if not self._is_open:
                return
            # Idle workers share what waits.
            share = math.ceil(len(self._queue) / (self._workers - self._busy_workers))
            batch = self._queue.take_batch(share)
            if batch:
                self._busy_workers += 1
                await self._answer(batch, executor)
                self._busy_workers -= 1
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _answer(self, batch: list[_Search], executor: Executor) -> None:
        """Compute requests of one group and hand out the results.

        If that fails, each is tried alone, so that only those at fault fail.
        """
        batch = [request for request in batch if not request.result.done()]  # who is still there
        if not batch:
            return
        self._counts["batches"] += 1
        self._counts["rows"] += len(batch)
        self._running += len(batch)
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                executor, _compute, batch[0].compute, [request.source_ids for request in batch]
            )
        except Exception as error:
            failure = error
        else:
            for request, result in zip(batch, results, strict=True):
                if not request.result.done():  # the caller may have left meanwhile
                    request.result.set_result(result)
            return
        finally:
            self._running -= len(batch)
        if len(batch) == 1:
            _fail(batch[0], failure)
            return
        logger.warning("a batch of %d failed and each is tried alone: %s", len(batch), failure)
        for request in batch:
            if self._is_open:
                await self._answer([request], executor)
            else:
                _fail(request, _closed())

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and return when no batch runs any more.

        Does nothing where nothing was started.
        """
        if not self._is_open:
            return
        self._is_open = False
        for request in self._queue.clear():
            _fail(request, _closed())
        self._arrived.set()
        await asyncio.wait(self._working)
        logger.info("closed: %s", ", ".join(f"{self._counts[name]} {name}" for name in COUNTED))


def _closed() -> SearchFailedError:
    return SearchFailedError("The engine was closed before this search began.")


def search_failed(error: BaseException) -> SearchFailedError:
    """The sentence about what a searcher raised."""
    reason = str(error).strip().partition("\n")[0]
    return SearchFailedError(
        f"The searcher failed with {type(error).__name__} ({reason}); check the model with"
        " `python -m bot models verify`."
    )


def _compute(compute: Callable[[list[list[int]]], list[T]], sources: list[list[int]]) -> list[T]:
    """A result a source; raises nothing but ``CauserieError``."""
    try:
        results = compute(sources)
        if len(results) != len(sources):
            raise ValueError(f"{len(results)} results for {len(sources)} sources")
    except CauserieError:
        raise
    except BaseException as error:  # one that ends tasks must not end a worker
        raise search_failed(error) from error
    return results


def _fail(request: _Search, error: Exception) -> None:
    if not request.result.done():
        request.result.set_exception(error)
