"""The worker processes of a server that have no job: warm ones, and those that are about to end."""

from __future__ import annotations

import time

from pc_workbench.jobs_process import Listener, WorkerProcess

IDLE_WORKER = 300.0  # seconds until an idle worker beyond the first is dismissed


class Pool:
    """For the registry, which calls it under its lock. idle: processes that could take a job."""

    def __init__(self, listener: Listener) -> None:
        self.idle: list[WorkerProcess] = []
        self._leaving: list[WorkerProcess] = []
        self._listener = listener

    def warm(self) -> None:
        """Start a process ahead of the first job: reading torch takes seconds."""
        if not self.idle:
            self.idle.append(WorkerProcess(self._listener))

    def take(self) -> WorkerProcess:
        """A process for a job, one that is already warm first. Raises OSError where none can be
        started."""
        self.idle.sort(key=lambda worker: worker.ready)
        return self.idle.pop() if self.idle else WorkerProcess(self._listener)

    def give(self, worker: WorkerProcess, leaving: bool) -> None:
        """Take a process back. leaving: it is about to end."""
        worker.idle_since = time.monotonic()
        (self._leaving if leaving else self.idle).append(worker)

    def forget(self, worker: WorkerProcess) -> None:
        """A process has ended."""
        for workers in (self.idle, self._leaving):
            if worker in workers:
                workers.remove(worker)

    def dismiss_idle(self) -> None:
        """Let those go that have had nothing to do for long, but for one."""
        now = time.monotonic()
        for worker in self.idle[1:]:
            if now - worker.idle_since > IDLE_WORKER:
                self.idle.remove(worker)
                self._leaving.append(worker)
                worker.dismiss()

    def workers(self) -> list[WorkerProcess]:
        """All of them."""
        return [*self.idle, *self._leaving]
