"""The engine: a bounded number of searches, each on a worker thread of its own pool.

The searcher releases Python's global lock while it computes, so the event loop runs on and
several workers make progress at once.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self, TypeVar

import torch

from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.errors import BusyError, CauserieError, SearchFailedError
from bot.text.tokenizer import EOS_ID

# TorchScript profiles the first call, optimises during the second and runs fast from then on;
# short and long sources take different paths through the kernels.
WARM_UP_LENGTHS = (1, 8, 32)
WARM_UP_ROUNDS = 2

T = TypeVar("T")


class Searcher(Protocol):
    """What the engine needs of an artifact; called from several threads at once."""

    def search(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        """Reply ids, ``EOS`` and ``PAD`` left out, at most ``max_length`` for each row."""
        ...

    def hypotheses(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """Every reply that a search found for each row, the best first."""
        ...

    def attention(self, source_ids: list[int], target_ids: list[int]) -> list[list[float]]:
        """Attention weights while writing a reply: a row a target, a column a source token."""
        ...


class Engine:
    """Runs a searcher on worker threads. ``async with Engine(...)`` starts and closes it.

    :param workers: how many searches run at the same time
    :param threads_per_worker: how many threads torch uses within one search
    :param queue_limit: how many requests may wait or run; the next one is refused
    :param max_reply_tokens: where the searcher stops if it has not ended the reply itself
    :param options: how ``generate`` searches
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        workers: int,
        threads_per_worker: int,
        queue_limit: int,
        max_reply_tokens: int,
        options: SearchOptions = GREEDY,
    ) -> None:
        self._searcher = searcher
        self._workers = workers
        self._threads_per_worker = threads_per_worker
        self._queue_limit = queue_limit
        self._max_reply_tokens = max_reply_tokens
        self._options = options
        self._executor: ThreadPoolExecutor | None = None
        self._idle_workers = asyncio.Semaphore(workers)
        self._places_taken = 0

    async def start(self) -> None:
        """Create the workers and let each search a few times, so that no user waits for it.

        :raises SearchFailedError: if the searcher raises
        """
        executor = ThreadPoolExecutor(
            self._workers,
            thread_name_prefix="searcher",
            initializer=torch.set_num_threads,  # a thread's own setting
            initargs=(self._threads_per_worker,),
        )
        everyone = threading.Barrier(self._workers)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(
                *(
                    loop.run_in_executor(executor, self._warm_up, everyone)
                    for _ in range(self._workers)
                )
            )
        except BaseException as error:
            everyone.abort()
            executor.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, Exception):
                raise _search_failed(error) from error
            raise
        self._executor = executor

    def _warm_up(self, everyone: threading.Barrier) -> None:
        # No worker can take a second share while another has not begun its first.
        everyone.wait()
        for _ in range(WARM_UP_ROUNDS):
            for length in WARM_UP_LENGTHS:
                self._search([EOS_ID] * length)

    async def generate(self, source_ids: list[int]) -> list[int]:
        """The reply to one source.

        If the caller is cancelled, a request that waits never runs and gives up its place at
        once; one that runs keeps its place until its thread is free again.

        :param source_ids: at least one id
        :returns: at most ``max_reply_tokens`` ids, perhaps none
        :raises BusyError: at once, if ``queue_limit`` requests already wait or run
        :raises SearchFailedError: if the searcher raised or the engine does not run
        """
        return await self._run(lambda: self._search(source_ids))

    async def hypotheses(self, source_ids: list[int], options: SearchOptions) -> list[Hypothesis]:
        """Every reply that a search found for one source, the best first.

        :raises UsageError, SearcherError: if this model cannot search in that way
        :raises BusyError, SearchFailedError: as ``generate`` does
        """

        def search() -> list[Hypothesis]:
            (found,) = self._searcher.hypotheses([source_ids], self._max_reply_tokens, options)
            return found

        return await self._run(search)

    async def attention(self, source_ids: list[int], target_ids: list[int]) -> list[list[float]]:
        """Attention weights while writing a reply: a row a target, a column a source token.

        :raises SearcherError: if the model was exported by a version that did not show them
        :raises BusyError, SearchFailedError: as ``generate`` does
        """
        return await self._run(lambda: self._searcher.attention(source_ids, target_ids))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._executor is None:
            raise SearchFailedError("The engine is not running.")
        if self._places_taken >= self._queue_limit:
            raise BusyError(
                f"All {self._queue_limit} places in the queue are taken; try again in a moment."
            )
        self._places_taken += 1
        try:
            # Requests wait here and not in the pool's queue, which keeps the cancelled ones.
            await self._idle_workers.acquire()
        except asyncio.CancelledError:
            self._places_taken -= 1
            raise
        if self._executor is None:
            self._give_up_place()
            raise SearchFailedError("The engine was closed before this search began.")
        search = self._executor.submit(work)
        loop = asyncio.get_running_loop()
        search.add_done_callback(lambda _: loop.call_soon_threadsafe(self._give_up_place))
        try:
            return await asyncio.wrap_future(search)
        except CauserieError:
            raise
        except Exception as error:
            raise _search_failed(error) from error

    def _search(self, source_ids: list[int]) -> list[int]:
        (reply_ids,) = self._searcher.search([source_ids], self._max_reply_tokens, self._options)
        return reply_ids

    def _give_up_place(self) -> None:
        self._places_taken -= 1
        self._idle_workers.release()

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and return when no search runs any more.

        Does nothing on an engine that is not running.
        """
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _search_failed(error: Exception) -> SearchFailedError:
    reason = str(error).strip().partition("\n")[0]
    return SearchFailedError(
        f"The searcher failed with {type(error).__name__} ({reason}); check the model with"
        " `python -m bot models verify`."
    )
