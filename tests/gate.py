"""Parts of the tests of what runs on worker threads."""

import asyncio
import threading


class Gate:
    """Work that says when it has begun and waits until the test opens the gate."""

    def __init__(self) -> None:
        self._began = threading.Event()
        self._open = threading.Event()

    def __call__(self, work: object) -> None:
        self._began.set()
        assert self._open.wait(10)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._began.wait, 10)

    def open(self) -> None:
        self._open.set()
