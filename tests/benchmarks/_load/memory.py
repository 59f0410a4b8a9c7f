"""The memory and processor time of the server, read while it works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil


class Memory:
    """Of one process. peak in MiB; cpu: seconds of processor time while watched."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.peak = 0.0
        self.cpu = 0.0

    def now(self) -> float:
        """Resident memory of the server process in MiB."""
        return self._process.memory_info().rss / 2**20

    def workers(self) -> list[float]:
        """Resident memory of each of its training processes in MiB."""
        found: list[float] = []
        for child in self._process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(child.memory_info().rss / 2**20)
        return found

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Note the peak and the processor time until the end of the block."""
        before = sum(self._process.cpu_times()[:2])

        async def watch() -> None:
            while True:
                self.peak = max(self.peak, self.now())
                await asyncio.sleep(0.5)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            self.cpu = sum(self._process.cpu_times()[:2]) - before
