"""One worker process as the server sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pc_workbench import settings

Listener = Callable[["WorkerProcess", dict[str, Any]], None]


class WorkerProcess:
    """A running `pc_workbench.worker`.

    listener is called from a thread of its own with each message, and last of all, when the
    process has ended and was reaped, with {"event": "exit", "message": why}.
    """

    def __init__(self, listener: Listener) -> None:
        mine = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        mine.pop(settings.ACCESS_CODE, None)  # what it does not need to know
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pc_workbench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=mine,
            text=True,
            encoding="utf-8",
        )
        self._listener = listener
        self.idle_since = time.monotonic()
        self.ready = False
        self._thread = threading.Thread(target=self._read, name="pcw-worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def order(self, path: str) -> bool:
        """Ask for a run; False where the process is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"run": path}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def dismiss(self) -> None:
        """Tell the process to end; it does so at its next batch, within some seconds."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait for the end after `dismiss`, and kill what is still there then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        self.ready = True
                        self._listener(self, message)
        code = self._process.wait()
        self.dismiss()
        self._listener(self, {"event": "exit", "message": _cause(code)})


def _cause(code: int) -> str:
    if code >= 0:
        return f"the training process ended with status {code}"
    with contextlib.suppress(ValueError):
        return f"the training process was ended by {signal.Signals(-code).name}"
    return f"the training process was ended by signal {-code}"


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has this id (a zombie counts until it is reaped)."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return True
