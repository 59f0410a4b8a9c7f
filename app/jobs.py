"""Training jobs: a registry of the process, worker processes, a queue that is fair to sessions.

    registry().start(circuit, dataset, owner=..., model=..., data=..., method="em") -> run id
    registry().pause(run), resume(run), stop(run), view(run) -> JobView, runs()

A job is a run directory plus, while it is queued or trained, an entry here. What the directory
says survives the server: a run whose process is gone is shown as interrupted and can be resumed.
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pc_workbench import paths
from pc_workbench.jobs_process import WorkerProcess
from pc_workbench.jobs_state import (
    LIVE,
    RESUMABLE,
    JobView,
    set_status,
    state_elsewhere,
    state_here,
)
from pccore.datasets import Dataset
from pccore.distillation import DistilRunOptions, prepare_distillation
from pccore.errors import PCError, RunError
from pccore.graph import Circuit
from pccore.learn import Origin, RunConfig, RunDirectory, TrainOptions, find_runs, prepare_run
from pccore.learn.status import Command

LIMIT_VARIABLE = "PC_WORKBENCH_JOBS"
TICK = 0.1  # seconds between looks while there are jobs
IDLE_WORKER = 300.0  # seconds until an idle worker beyond the first is dismissed
ABANDONED = 600.0  # seconds without a visitor until a job is paused; twice that until it stops
LISTED = 50  # newest runs that are listed


@dataclass(eq=False)
class _Job:
    """An entry of the registry. waiting: is paused with its worker, wants to go on, has no slot.
    parking: its worker stops so that the memory of the paused job is freed."""

    run: RunDirectory
    owner: str
    submitted: float
    beat: float
    wanted: Command = "run"
    worker: WorkerProcess | None = None
    waiting: bool = False
    parking: bool = False
    absent: bool = False
    paused_at: float = 0.0
    on_gpu: bool = False

    @property
    def in_queue(self) -> bool:
        return self.waiting or self.worker is None

    @property
    def takes_slot(self) -> bool:
        return self.worker is not None and not self.waiting and self.wanted != "pause"


class Registry:
    """The jobs of one server over one folder of runs.

    limit: how many train at once. abandoned: seconds without `beat` until a job is paused.
    """

    def __init__(self, folder: Path, limit: int, *, abandoned: float = ABANDONED) -> None:
        self.folder = folder
        self.limit = max(1, limit)
        self._abandoned = abandoned
        self._changed = threading.Condition(threading.RLock())
        self._jobs: dict[str, _Job] = {}
        self._idle: list[WorkerProcess] = []
        self._leaving: list[WorkerProcess] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    # -- what pages ask for --------------------------------------------------------------

    def start(
        self,
        circuit: Circuit,
        dataset: Dataset,
        *,
        owner: str,
        model: str,
        data: str,
        method: str,
        method_options: object = None,
        train_options: TrainOptions | None = None,
        title: str = "",
        label: int | None = None,
        origin: Origin | None = None,
    ) -> str:
        """Queue a run and return its id, which cannot be guessed. label: of the only class.
        origin: the run that it goes on from.

        Raises what `pccore.learn.prepare_run` raises; nothing was written then.
        """
        run = f"r-{secrets.token_hex(8)}"
        if isinstance(method_options, DistilRunOptions):
            prepare_distillation(
                self.folder / run, circuit, dataset, model=model, data=data,
                options=method_options, threads=1, title=title,
            )  # fmt: skip
            self._enqueue(run, owner)
            return run
        prepare_run(
            self.folder / run, circuit, dataset, model=model, data=data, method=method,
            method_options=method_options, train_options=train_options, threads=1, title=title,
            label=label, origin=origin,
        )  # fmt: skip
        self._enqueue(run, owner)
        return run

    def resume(self, run: str, owner: str = "") -> None:
        """Let a paused, stopped, failed or interrupted run go on. Raises RunError otherwise."""
        with self._changed:
            job = self._jobs.get(run)
            if job is not None and not job.parking:
                if job.wanted == "pause":
                    job.wanted, job.absent, job.waiting = "run", False, True
                    job.beat = time.monotonic()
                    self._changed.notify_all()
                return
        state = self.view(run).state
        if state not in RESUMABLE:
            raise RunError(f"this run is {state} and cannot be resumed")
        self._enqueue(run, owner)

    def pause(self, run: str) -> None:
        """Ask a run to pause after its current batch; one elsewhere is asked through its file."""
        with self._changed:
            job = self._jobs.get(run)
            if job is None:
                self._ask_elsewhere(run, "pause")
            elif not job.in_queue and job.wanted == "run":
                job.wanted, job.paused_at = "pause", time.monotonic()
                self._apply(job)

    def stop(self, run: str) -> None:
        """Ask a run to stop after its current batch; its last checkpoint is kept."""
        with self._changed:
            job = self._jobs.get(run)
            if job is None:
                self._ask_elsewhere(run, "stop")
            elif job.worker is None:
                del self._jobs[run]
                set_status(job.run, state="stopped")
            else:
                job.wanted, job.waiting, job.parking = "stop", False, False
                self._apply(job)

    def view(self, run: str) -> JobView:
        """Where a run stands. Raises NotFoundError for no id, RunError where there is no run."""
        directory = self.directory(run)
        status = directory.status()
        with self._changed:
            job = self._jobs.get(run)
            if job is None:
                return JobView(run, state_elsewhere(status), status)
            if job.parking:
                return JobView(run, "paused", status, here=True)
            if job.worker is None or job.waiting:
                return JobView(run, "queued", status, self._queue().index(job) + 1, True)
            return JobView(run, state_here(job.wanted, job.worker.pid, status), status, here=True)

    def runs(self) -> tuple[tuple[RunConfig, JobView], ...]:
        """The newest runs of the folder, whoever started them; damaged ones are left out."""
        found: list[tuple[RunConfig, JobView]] = []
        for directory in find_runs(self.folder):
            if len(found) == LISTED:
                break
            if paths.is_id(directory.name):
                try:
                    found.append((directory.config(), self.view(directory.name)))
                except RunError:
                    continue
        return tuple(found)

    def directory(self, run: str) -> RunDirectory:
        """The directory of a run. Raises NotFoundError for no id, RunError if there is none."""
        directory = RunDirectory(paths.below(self.folder, run, "run"))
        if not directory.exists():
            raise RunError("this run is not on this server")
        return directory

    def beat(self, owner: str, runs: Iterable[str] = ()) -> None:
        """A visitor still looks at these runs and at everything that owner started."""
        looked_at = set(runs)
        with self._changed:
            for job in self._jobs.values():
                if job.owner == owner or job.run.name in looked_at:
                    job.beat = time.monotonic()
                    if job.absent and job.wanted == "pause" and not job.parking:
                        self.resume(job.run.name)
                    job.absent = False

    def owned(self, owner: str) -> tuple[str, ...]:
        """Ids of the jobs of an owner that are not over."""
        with self._changed:
            return tuple(name for name, job in self._jobs.items() if job.owner == owner)

    def warm(self) -> None:
        """Start a process ahead of the first job: reading torch takes seconds."""
        with self._changed:
            if not self._closed and not self._idle and not self._jobs:
                self._idle.append(WorkerProcess(self._hear))

    def processes(self) -> tuple[int, ...]:
        """The ids of the worker processes."""
        with self._changed:
            workers = [job.worker for job in self._jobs.values() if job.worker]
            return tuple(worker.pid for worker in (*workers, *self._idle, *self._leaving))

    def close(self, seconds: float = 5.0) -> None:
        """End every process; runs that were being trained can be resumed by another server."""
        with self._changed:
            self._closed = True
            workers = [job.worker for job in self._jobs.values() if job.worker]
            workers += [*self._idle, *self._leaving]
            self._jobs.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.dismiss()
        end = time.monotonic() + seconds
        for worker in workers:
            worker.wait(max(0.0, end - time.monotonic()))
        if self._thread is not None:
            self._thread.join(5.0)

    # -- the queue -----------------------------------------------------------------------

    def _enqueue(self, run: str, owner: str) -> None:
        directory = self.directory(run)
        now = time.monotonic()
        with self._changed:
            if self._closed:
                raise RunError("the server is shutting down")
            if run in self._jobs:
                raise RunError("this run has not stopped yet, try again in a moment")
            set_status(directory, state="queued")
            directory.request("run")
            on_gpu = directory.config().device != "cpu"
            self._jobs[run] = _Job(directory, owner, now, now, on_gpu=on_gpu)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._supervise, name="pcw-jobs", daemon=True
                )
                self._thread.start()
            self._schedule()
            self._changed.notify_all()

    def _queue(self) -> list[_Job]:
        """Who waits, in order: everybody's first job comes before anybody's second."""
        ahead: dict[str, int] = {}
        for job in self._jobs.values():
            if not job.in_queue:  # a paused job counts, too: it had its turn
                ahead[job.owner] = ahead.get(job.owner, 0) + 1
        ranked: list[tuple[int, float, _Job]] = []
        waiting = [job for job in self._jobs.values() if job.in_queue and not job.parking]
        for job in sorted(waiting, key=lambda job: job.submitted):
            ranked.append((ahead.get(job.owner, 0), job.submitted, job))
            ahead[job.owner] = ahead.get(job.owner, 0) + 1
        return [job for _, _, job in sorted(ranked, key=lambda entry: entry[:2])]

    def _schedule(self) -> None:
        free = self.limit - sum(job.takes_slot for job in self._jobs.values())
        for job in self._queue()[: max(0, free)]:
            if job.worker is not None:
                job.waiting = False
                self._apply(job)
                continue
            # A process that is already warm first.
            self._idle.sort(key=lambda worker: worker.ready)
            try:
                job.worker = self._idle.pop() if self._idle else WorkerProcess(self._hear)
            except OSError as error:
                why = f"no training process could be started: {error.strerror or error}"
                set_status(job.run, state="failed", message=why)
                del self._jobs[job.run.name]
                continue
            job.worker.order(str(job.run.path))

    def _apply(self, job: _Job) -> None:
        """Make the control file say what is wanted: the run itself resets it when it begins."""
        wanted: Command = "pause" if job.waiting else "stop" if job.parking else job.wanted
        try:
            if job.run.requested() != wanted:
                job.run.request(wanted)
        except PCError:
            return  # the directory was removed, or the disk is full: the worker will say so

    # -- supervision ---------------------------------------------------------------------

    def _supervise(self) -> None:
        with self._changed:
            while not self._closed:
                for job in self._jobs.values():
                    if job.worker is not None:
                        self._apply(job)
                self._look_for_abandoned()
                self._park()
                self._schedule()
                self._dismiss_idle()
                self._changed.wait(TICK if self._jobs else 5.0)

    def _look_for_abandoned(self) -> None:
        now = time.monotonic()
        for job in list(self._jobs.values()):
            alone = now - job.beat
            if alone > 2 * self._abandoned:
                self.stop(job.run.name)
            elif alone > self._abandoned and not job.in_queue and job.wanted == "run":
                self.pause(job.run.name)
                job.absent = True

    def _park(self) -> None:
        """Of more paused jobs than may run, the oldest give their process back; those on a GPU all
        do, whose memory others want."""
        paused = [j for j in self._jobs.values() if j.worker and j.wanted == "pause"]
        paused = sorted((j for j in paused if not j.parking), key=lambda job: job.paused_at)
        first = [job for job in paused if not job.on_gpu]
        for job in (*first[: max(0, len(first) - self.limit)], *(j for j in paused if j.on_gpu)):
            job.parking = True

    def _dismiss_idle(self) -> None:
        now = time.monotonic()
        for worker in self._idle[1:]:
            if now - worker.idle_since > IDLE_WORKER:
                self._idle.remove(worker)
                self._leaving.append(worker)
                worker.dismiss()

    def _hear(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """A message of a worker, in that worker's thread."""
        event = message.get("event")
        with self._changed:
            job = next((j for j in self._jobs.values() if j.worker is worker), None)
            if event == "end" and job is not None:
                self._finish(job)
                worker.idle_since = time.monotonic()
                (self._leaving if message.get("leaving") else self._idle).append(worker)
            elif event == "exit":
                for workers in (self._idle, self._leaving):
                    if worker in workers:
                        workers.remove(worker)
                if job is not None:
                    set_status(job.run, state="failed", message=str(message.get("message")))
                    del self._jobs[job.run.name]
            if not self._closed:
                self._schedule()
            self._changed.notify_all()

    def _finish(self, job: _Job) -> None:
        del self._jobs[job.run.name]
        if job.parking and job.run.status().state == "stopped":
            set_status(job.run, state="paused")

    def _ask_elsewhere(self, run: str, command: Command) -> None:
        directory = self.directory(run)
        status = directory.status()
        state = state_elsewhere(status)
        if state == "paused" and status.process == 0 and command == "stop":
            set_status(directory, state="stopped")
        elif state in LIVE or state == "paused":
            directory.request(command)


@functools.cache
def registry() -> Registry:
    """The registry of this server."""
    named = os.environ.get(LIMIT_VARIABLE, "")
    limit = int(named) if named.isdecimal() and int(named) > 0 else os.cpu_count() or 1
    found = Registry(paths.runs_folder(), limit)
    atexit.register(found.close)
    return found
