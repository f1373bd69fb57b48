"""A batcher with a client that tests drive."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from bot.serving.batcher import Batcher

Sources = list[list[int]]


class Client:
    """Asks for sources in reverse, after the work that the test hands it; keeps the batches."""

    def __init__(
        self, batcher: Batcher, work: Callable[[Sources], object], batch_size: int
    ) -> None:
        self.batcher = batcher
        self.batch_size = batch_size
        self.work = work
        self.batches: list[Sources] = []

    def compute(self, sources: Sources) -> Sources:
        self.batches.append(sources)
        self.work(sources)
        return [source[::-1] for source in sources]

    async def ask(
        self,
        *source: int,
        user: Hashable = None,
        group: Hashable = "group",
        timeout_s: float | None = None,
    ) -> list[int]:
        return await self.batcher.ask(
            self.compute,
            list(source),
            group=group,
            batch_size=self.batch_size,
            user=user,
            timeout_s=timeout_s,
        )

    async def start_asking(self, *source: int, **how: object) -> asyncio.Task[list[int]]:
        """A task whose request waits or runs already."""
        task = asyncio.create_task(self.ask(*source, **how))
        await asyncio.sleep(0)
        return task

    async def fill(self, sources: Iterable[int], **how: object) -> list[asyncio.Task[list[int]]]:
        return [await self.start_asking(source, **how) for source in sources]


@asynccontextmanager
async def batching(
    work: Callable[[Sources], object] = lambda _: None,
    *,
    workers: int = 1,
    queue_limit: int = 64,
    max_batch_size: int = 8,
) -> AsyncIterator[Client]:
    batcher = Batcher(workers=workers, queue_limit=queue_limit)
    with ThreadPoolExecutor(workers) as executor:
        batcher.start(executor)
        yield Client(batcher, work, max_batch_size)
        await batcher.close()


class Clock:
    """The event loop's clock, which the test moves: timers come when it says."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        loop.time = lambda: self.now  # type: ignore[method-assign]

    async def move(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)  # the timers that have come
        await asyncio.sleep(0)  # the tasks that these have woken


async def fails_with(error: type[Exception], task: asyncio.Task[list[int]]) -> None:
    with pytest.raises(error):
        await task


# Batches
