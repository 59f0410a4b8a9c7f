"""A disk that fails at a byte: in a child process, all that pccore writes goes through it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

End = Literal["count", "kill", "full"]


class Disk:
    """Counts bytes written, and each sync and rename as one more; at `limit` the process is killed
    (end="kill") or the disk is full from then on (end="full")."""

    def __init__(self, limit: int, end: End) -> None:
        self.limit, self.end = limit, end
        self.used = 0

    def install(self) -> None:
        """From here on, for the rest of this process."""
        opened: Callable[..., BinaryIO] = os.fdopen  # type: ignore[assignment]
        os.fdopen = lambda *a, **k: _Stream(opened(*a, **k), self)  # type: ignore[assignment]
        for name in ("fsync", "replace"):
            setattr(os, name, self._charged(getattr(os, name)))

    def _charged(self, call: Callable[..., None]) -> Callable[..., None]:
        def charged(*arguments: Any) -> None:
            if not self.take(1):
                self.fail()
            call(*arguments)

        return charged

    def take(self, count: int) -> int:
        """How many of so many bytes still fit."""
        fitting = count if self.end == "count" else max(0, min(count, self.limit - self.used))
        self.used += count
        return fitting

    def fail(self) -> None:
        """What happens at the limit."""
        if self.end == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Stream:
    """A file on such a disk."""

    def __init__(self, stream: BinaryIO, disk: Disk) -> None:
        self._stream, self._disk = stream, disk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        fitting = self._disk.take(len(view))
        self._stream.write(view[:fitting])
        if fitting < len(view):
            self._stream.flush()
            self._disk.fail()
        return len(view)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
