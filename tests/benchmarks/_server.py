"""The workbench as a user starts it, for benchmarks: a server with a home folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

CHROMIUM = os.environ.get("PC_CHROMIUM", "/usr/bin/chromium")


class Server:
    """A running workbench on a free port of this machine. more: environment variables."""

    def __init__(self, home: Path, data: Path, more: Mapping[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "server.log"
        self.started = time.perf_counter()
        options = ["--headless", "--port", str(self.port), "--host", "127.0.0.1"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pc_workbench", *options],
                env=os.environ
                | {"PC_WORKBENCH_HOME": str(home), "PCCORE_DATA": str(data)}
                | dict(more or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
                return
            if self.process.poll() is not None or time.perf_counter() - self.started > 60:
                self.close()
                raise SystemExit(f"the server did not start: {self.log.read_text()[-500:]}")
            time.sleep(0.02)

    def close(self) -> None:
        """End the server and its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
