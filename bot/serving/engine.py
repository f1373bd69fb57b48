"""The engine: searches in micro-batches, on threads.

The searcher releases Python's global lock while it computes, so the event loop runs on and
several workers make progress at once.
"""

import asyncio
import threading
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

import torch

from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.serving.batcher import Batcher, Statistics, search_failed
from bot.text.tokenizer import EOS_ID

# TorchScript profiles the first call, optimises during the second and runs fast from then on;
# short and long sources, one and several, take different paths through the kernels.
WARM_UP_SHAPES = ((1, 1), (1, 8), (1, 32), (8, 8))  # sources, and the length of each
WARM_UP_ROUNDS = 2

# Sources of up to so many tokens are searched together, those of up to twice as many, and so on.
SHORTEST_BUCKET = 8

MIN_BATCH_TOKENS = 256  # a batch may have so many, however small the maximum of its rows


class Searcher(Protocol):
    """What the engine needs of an artifact; called from several threads at once.

    A row's result does not depend on the batch.
    """

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

    :param workers: how many batches run at the same time
    :param threads_per_worker: how many threads torch uses within one batch
    :param queue_limit: how many requests may wait
    :param max_batch_size: how many requests are computed together at most; fewer of long ones
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
        max_batch_size: int,
        max_reply_tokens: int,
        options: SearchOptions = GREEDY,
    ) -> None:
        self._searcher = searcher
        self.workers = workers
        self.threads_per_worker = threads_per_worker
        self._max_batch_size = max_batch_size
        self._max_reply_tokens = max_reply_tokens
        self._options = options
        self._executor: ThreadPoolExecutor | None = None
        self._batcher = Batcher(workers=workers, queue_limit=queue_limit)

    async def start(self) -> None:
        """Create the workers and let each search a few times, so that no user waits for it.

        :raises SearchFailedError: if the searcher raises
        """
        executor = ThreadPoolExecutor(
            self.workers,
            thread_name_prefix="searcher",
            initializer=torch.set_num_threads,  # a thread's own setting
            initargs=(self.threads_per_worker,),
        )
        everyone = threading.Barrier(self.workers)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(
                *(
                    loop.run_in_executor(executor, self._warm_up, everyone)
                    for _ in range(self.workers)
                )
            )
        except BaseException as error:
            everyone.abort()
            executor.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, Exception):
                raise search_failed(error) from error
            raise
        self._executor = executor
        self._batcher.start(executor)

    def _warm_up(self, everyone: threading.Barrier) -> None:
        # No worker can take a second share while another has not begun its first.
        everyone.wait()
        for _ in range(WARM_UP_ROUNDS):
            for rows, length in WARM_UP_SHAPES:
                self._search([[EOS_ID] * length] * min(rows, self._max_batch_size))

    async def generate(
        self, source_ids: list[int], *, user: Hashable = None, timeout_s: float | None = None
    ) -> list[int]:
        """The reply to one source, which does not depend on what else is asked.

        A request whose caller is cancelled, or whose time is over, leaves the queue without being
        computed; in a batch that runs already it is computed in vain.

        :param source_ids: at least one id
        :param user: whose request this is; users take turns, and ``None`` is one of them
        :param timeout_s: how long the caller waits, the time in the queue included; ``None``
            is for ever
        :returns: at most ``max_reply_tokens`` ids, perhaps none
        :raises BusyError: at once, if the queue is full; or later, if the place is needed for
            another user and this one has most
        :raises DeadlineError: after ``timeout_s``
        :raises SearchFailedError: if the searcher raised or the engine does not run
        """
        bucket = _bucket(source_ids)
        return await self._batcher.ask(
            self._search,
            source_ids,
            group=("search", bucket),
            batch_size=self._batch_size(bucket, self._options),
            user=user,
            timeout_s=timeout_s,
        )

    async def hypotheses(
        self,
        source_ids: list[int],
        options: SearchOptions,
        *,
        user: Hashable = None,
        timeout_s: float | None = None,
    ) -> list[Hypothesis]:
        """Every reply that a search found for one source, the best first.

        :raises UsageError, SearcherError: if this model cannot search in that way
        :raises BusyError, DeadlineError, SearchFailedError: as ``generate`` does
        """

        def compute(sources: list[list[int]]) -> list[list[Hypothesis]]:
            return self._searcher.hypotheses(sources, self._max_reply_tokens, options)

        bucket = _bucket(source_ids)
        return await self._batcher.ask(
            compute,
            source_ids,
            group=("hypotheses", options, bucket),
            batch_size=self._batch_size(bucket, options),
            user=user,
            timeout_s=timeout_s,
        )

    async def attention(
        self,
        source_ids: list[int],
        target_ids: list[int],
        *,
        user: Hashable = None,
        timeout_s: float | None = None,
    ) -> list[list[float]]:
        """Attention weights while writing a reply: a row a target, a column a source token.

        :raises SearcherError: if the model was exported by a version that did not show them
        :raises BusyError, DeadlineError, SearchFailedError: as ``generate`` does
        """

        def compute(sources: list[list[int]]) -> list[list[list[float]]]:
            return [self._searcher.attention(source, target_ids) for source in sources]

        alone = object()  # equal to nothing else
        return await self._batcher.ask(
            compute, source_ids, group=alone, batch_size=1, user=user, timeout_s=timeout_s
        )

    def statistics(self) -> Statistics:
        """What this engine has done until now."""
        return self._batcher.statistics()

    def _search(self, sources: list[list[int]]) -> list[list[int]]:
        return self._searcher.search(sources, self._max_reply_tokens, self._options)

    def _batch_size(self, bucket: int, options: SearchOptions) -> int:
        """How many sources of a bucket are searched together at most.

        A beam of k has k rows a source, and memory grows with the tokens of a batch.
        """
        rows = self._max_batch_size // options.beam_size
        tokens = max(self._max_batch_size * SHORTEST_BUCKET, MIN_BATCH_TOKENS)
        return max(1, min(rows, tokens // bucket))

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and return when no search runs any more.

        Does nothing on an engine that is not running.
        """
        executor, self._executor = self._executor, None
        if executor is not None:
            await self._batcher.close()
            executor.shutdown()

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


def _bucket(source_ids: list[int]) -> int:
    """The longest source that this one is searched with: a power of two, and at least
    ``SHORTEST_BUCKET``."""
    return 1 << (max(len(source_ids), SHORTEST_BUCKET) - 1).bit_length()
