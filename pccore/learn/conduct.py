"""What whoever does a run says of it, and is told: its status file and its control file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from pccore.errors import PCError
from pccore.learn.directory import RunDirectory
from pccore.learn.events import Step
from pccore.learn.status import Command, State, Status

#: Seconds between status updates that may wait, and between looks at the command while paused.
STATUS_EVERY, PAUSED_EVERY = 0.25, 0.05


class Conduct:
    """Says where a run stands and hears what the user wants."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.status = Status("running", time.time(), os.getpid())
        self._last = 0.0
        #: What the next status will say.
        self._changes: dict[str, Any] = {}
        #: The control file when it was last read, and what it said.
        self._heard: tuple[tuple[int, ...] | None, Command] = (None, "run")

    def report(
        self, state: State, step: Step | None = None, throttle: bool = False, **changes: Any
    ) -> None:
        """Write the status with changes of its fields; throttle: unless that was just done."""
        if step is not None:
            changes |= {"epoch": step.epoch, "rate": step.rate, "seconds_left": step.seconds_left}
        self._changes |= changes
        now = time.time()
        if not throttle or now - self._last >= STATUS_EVERY:
            self.status = replace(self.status, state=state, heartbeat=now, **self._changes)
            self._changes.clear()
            self.run.write_status(self.status)
            self._last = now

    @contextlib.contextmanager
    def reports_failure(self) -> Generator[None]:
        """An error inside is written to the status, and raised again."""
        try:
            yield
        except Exception as error:
            known = isinstance(error, PCError)
            message = str(error) if known else f"{type(error).__name__}: {error}"
            with contextlib.suppress(PCError):  # a full disk must not hide what went wrong
                self.report("failed", message=message)
            raise

    def command(self) -> Command:
        """What the user wants now. The file is read only when it has been written."""
        stamp = self.run.control_stamp()
        if stamp != self._heard[0]:
            self._heard = stamp, self.run.requested()
        return self._heard[1]

    def wait(self, command: Callable[[], Command]) -> Command:
        """Show that the run is paused until there is another command; returns that."""
        while (now := command()) == "pause":
            self.report("paused", throttle=self.status.state == "paused")
            time.sleep(PAUSED_EVERY)
        return now
