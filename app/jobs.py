"""Training jobs: a registry of the process, worker processes, a queue that is fair to owners.

    registry().start(circuit, dataset, owner=..., model=..., data=..., method="em") -> run id
    registry().pause|resume|stop(run, owner), view(run, owner) -> JobView, runs(owner)

An owner is a workspace; who sees and changes which runs is decided in `jobs_folders`. A job is a
run directory plus, while it is queued or trained, an entry here. The directory survives the server.
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pc_workbench import limits, paths, settings, workspaces
from pc_workbench.jobs_folders import RunFolders
from pc_workbench.jobs_limits import check_room, over_room, over_time
from pc_workbench.jobs_pool import Pool
from pc_workbench.jobs_process import WorkerProcess
from pc_workbench.jobs_queue import Job, Load, had_enough, in_order, load_of, to_park
from pc_workbench.jobs_state import (
    LIVE,
    RESUMABLE,
    JobView,
    ask_elsewhere,
    set_status,
    state_elsewhere,
    state_here,
)
from pccore.datasets import Dataset
from pccore.distillation import DistilRunOptions, prepare_distillation
from pccore.errors import PCError, RunError
from pccore.graph import Circuit
from pccore.learn import Origin, RunConfig, RunDirectory, TrainOptions, prepare_run
from pccore.learn.status import Command

LIMIT_VARIABLE = settings.JOBS
TURN = 30.0  # seconds that a run trains while others wait for their turn
TICK = 0.1  # seconds between looks while there are jobs
ABANDONED = 600.0  # seconds without a visitor until a job is paused; twice that until it stops
LISTED = 50  # newest runs that are listed
MEASURE = 10.0  # seconds between looks at the disk that a job has filled


class Registry:
    """The jobs of one server.

    folder: of the runs that belong to no workspace; open_: whether every visitor may change those.
    limit: how many train at once. turn: seconds that a job trains before it makes room for those of
    others that wait, 0: as long as it likes. abandoned: seconds without `beat` until one is paused.
    """

    def __init__(
        self, folder: Path, limit: int, *,
        turn: float = TURN, abandoned: float = ABANDONED, open_: bool = True,
    ) -> None:  # fmt: skip
        self.folders = RunFolders(folder, open_)
        self.limit = max(1, limit)
        self.turn = turn
        self.abandoned = abandoned
        self._changed = threading.Condition(threading.RLock())
        self._jobs: dict[Path, Job] = {}
        self._served: dict[str, float] = {}
        self._pool = Pool(self._hear)
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

        Raises QuotaError, and what `pccore.learn.prepare_run` raises; nothing was written then.
        """
        check_room(owner, len(self.owned(owner)), circuit)
        run = f"r-{secrets.token_hex(8)}"
        path = self.folders.home_of(owner) / run
        if isinstance(method_options, DistilRunOptions):
            prepare_distillation(
                path, circuit, dataset, model=model, data=data, options=method_options, threads=1,
                title=title,
            )  # fmt: skip
        else:
            prepare_run(
                path, circuit, dataset, model=model, data=data, method=method,
                method_options=method_options, train_options=train_options, threads=1, title=title,
                label=label, origin=origin,
            )  # fmt: skip
        self._enqueue(self.directory(run, owner), owner)
        return run

    def resume(self, run: str, owner: str = "") -> None:
        """Let a paused, stopped, failed or interrupted run go on. Raises RunError, QuotaError."""
        directory = self._changeable(run, owner)
        with self._changed:
            job = self._jobs.get(directory.path)
            if job is not None and not job.parking:
                self._go_on(job)
                return
        state = self._view(directory).state
        if state not in RESUMABLE:
            raise RunError(f"this run is {state} and cannot be resumed")
        check_room(owner, len(self.owned(owner)))
        self._enqueue(directory, owner)

    def pause(self, run: str, owner: str = "") -> None:
        """Ask a run to pause after its current batch; one elsewhere is asked through its file.

        Raises RunError for the run of somebody else.
        """
        self._ask(run, owner, "pause")

    def stop(self, run: str, owner: str = "") -> None:
        """Ask a run to stop after its current batch, as `pause` does; its checkpoint is kept."""
        self._ask(run, owner, "stop")

    def remove(self, run: str, owner: str) -> None:
        """Delete a run of a workspace. Raises RunError while something happens to it."""
        directory = self._changeable(run, owner)
        state = self._view(directory).state
        if state in LIVE or state == "paused":
            raise RunError(f"this run is {state}", hint="stop it first")
        workspaces.remove_run(owner, directory.name)

    def view(self, run: str, owner: str = "") -> JobView:
        """Where a run stands. Raises NotFoundError for no id, RunError where there is no run."""
        return self._view(self.directory(run, owner))

    def runs(self, owner: str = "") -> tuple[tuple[RunConfig, JobView], ...]:
        """The newest runs that an owner sees; damaged ones are left out."""
        found: list[tuple[RunConfig, JobView]] = []
        for directory in self.folders.listed(owner)[:LISTED]:
            try:
                found.append((directory.config(), self._view(directory)))
            except RunError:
                continue
        return tuple(found)

    def directory(self, run: str, owner: str = "") -> RunDirectory:
        """The directory of a run. Raises NotFoundError for no id, RunError if there is none."""
        return self.folders.find(run, owner)

    def may_change(self, run: str, owner: str) -> bool:
        """Whether an owner may pause, resume and stop a run. Raises as `directory` does."""
        return self.folders.may_change(self.directory(run, owner), owner)

    def beat(self, owner: str, runs: Iterable[str] = ()) -> None:
        """A visitor still looks at everything that owner started, and at these runs of its."""
        looked_at = set(runs)
        with self._changed:
            for job in self._jobs.values():
                looks = job.run.name in looked_at and self.folders.may_change(job.run, owner)
                if job.owner == owner or looks:
                    job.beat, job.absent = time.monotonic(), False

    def owned(self, owner: str) -> tuple[str, ...]:
        """Ids of the jobs of an owner that are not over."""
        with self._changed:
            return tuple(job.run.name for job in self._jobs.values() if job.owner == owner)

    def load(self) -> Load:
        """How many jobs train and wait, whoever they belong to."""
        with self._changed:
            return load_of(self._jobs.values(), self.limit)

    def warm(self) -> None:
        """Start a process ahead of the first job: reading torch takes seconds."""
        with self._changed:
            if not self._closed and not self._jobs:
                self._pool.warm()

    def processes(self) -> tuple[int, ...]:
        """The ids of the worker processes."""
        with self._changed:
            return tuple(worker.pid for worker in self._workers())

    def close(self, seconds: float = 5.0) -> None:
        """End every process; runs that were being trained can be resumed by another server."""
        with self._changed:
            self._closed = True
            workers = self._workers()
            self._jobs.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.dismiss()
        end = time.monotonic() + seconds
        for worker in workers:
            worker.wait(max(0.0, end - time.monotonic()))
        if self._thread is not None:
            self._thread.join(5.0)

    def _workers(self) -> list[WorkerProcess]:
        return [*(j.worker for j in self._jobs.values() if j.worker), *self._pool.workers()]

    # -- the queue -----------------------------------------------------------------------

    def _view(self, directory: RunDirectory) -> JobView:
        run, status = directory.name, directory.status()
        with self._changed:
            job = self._jobs.get(directory.path)
            if job is None:
                return JobView(run, state_elsewhere(status), status)
            if job.parking or job.absent:
                return JobView(run, "paused", status, here=True)
            if job.worker is None or job.waiting:
                place = self._queue().index(job) + 1
                return JobView(run, "queued", status, place, True)
            # Who makes room does so after a batch, and is in the queue then.
            now = "running" if job.yielding else state_here(job.wanted, job.worker.pid, status)
            return JobView(run, now, status, here=True)

    def _ask(self, run: str, owner: str, command: Command) -> None:
        directory = self._changeable(run, owner)
        with self._changed:
            job = self._jobs.get(directory.path)
            if job is None:
                ask_elsewhere(directory, command)
            elif command == "pause":
                self._pause(job)
            else:
                self._stop(job)

    def _changeable(self, run: str, owner: str) -> RunDirectory:
        directory = self.directory(run, owner)
        self.folders.check_change(directory, owner)
        return directory

    def _enqueue(self, directory: RunDirectory, owner: str) -> None:
        now = time.monotonic()
        used = directory.scores().seconds
        limits.current().check_time(used)
        with self._changed:
            if self._closed:
                raise RunError("the server is shutting down")
            if directory.path in self._jobs:
                raise RunError("this run has not stopped yet, try again in a moment")
            set_status(directory, state="queued")
            directory.request("run")
            on_gpu = directory.config().device != "cpu"
            self._jobs[directory.path] = Job(directory, owner, now, now, used=used, on_gpu=on_gpu)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._supervise, name="pcw-jobs", daemon=True
                )
                self._thread.start()
            self._schedule()
            self._changed.notify_all()

    def _queue(self) -> list[Job]:
        return in_order(self._jobs.values(), self._served)

    def _schedule(self) -> None:
        free = self.limit - sum(job.takes_slot for job in self._jobs.values())
        for job in self._queue()[: max(0, free)]:
            job.ordered = self._served[job.owner] = time.monotonic()
            job.began = job.ordered if job.worker is not None else 0.0
            if job.worker is not None:
                job.waiting = False
                self._apply(job)
                continue
            try:
                job.worker = self._pool.take()
            except OSError as error:
                why = f"no training process could be started: {error.strerror or error}"
                set_status(job.run, state="failed", message=why)
                del self._jobs[job.run.path]
                continue
            job.worker.order(str(job.run.path))

    def _apply(self, job: Job) -> None:
        """Make the control file say what is wanted: the run itself resets it when it begins."""
        leaves = job.parking or job.yielding
        wanted: Command = "stop" if leaves else "pause" if job.waiting else job.wanted
        try:
            if job.run.requested() != wanted:
                job.run.request(wanted)
        except PCError:
            return  # the directory was removed, or the disk is full: the worker will say so

    def _go_on(self, job: Job) -> None:
        job.beat, job.absent = time.monotonic(), False
        if job.wanted == "pause":
            job.wanted, job.waiting = "run", True
        self._changed.notify_all()

    def _pause(self, job: Job) -> None:
        if job.worker is not None and not job.waiting and job.wanted == "run":
            job.wanted, job.paused_at = "pause", time.monotonic()
            self._apply(job)

    def _stop(self, job: Job, reason: str = "") -> None:
        job.reason = job.reason or reason
        if job.worker is None:
            del self._jobs[job.run.path]
            set_status(job.run, state="stopped", message=job.reason)
        else:
            job.wanted, job.waiting, job.parking, job.yielding = "stop", False, False, False
            self._apply(job)

    # -- supervision ---------------------------------------------------------------------

    def _supervise(self) -> None:
        with self._changed:
            last = measured = time.monotonic()
            while not self._closed:
                now = time.monotonic()
                over, last = over_time(self._jobs.values(), now - last), now
                if now - measured > MEASURE:
                    over, measured = [*over, *over_room(self._jobs.values())], now
                for job, reason in over:
                    self._stop(job, reason)
                self._look_for_abandoned()
                for job in to_park(self._jobs.values(), self.limit):
                    job.parking = True
                for job in had_enough(self._jobs.values(), self._served, now, self.turn):
                    job.yielding = True
                for job in self._jobs.values():
                    if job.worker is not None:
                        self._apply(job)
                self._schedule()
                if not self._jobs:
                    self._served.clear()
                self._pool.dismiss_idle()
                self._changed.wait(TICK if self._jobs else 5.0)

    def _look_for_abandoned(self) -> None:
        now = time.monotonic()
        for job in list(self._jobs.values()):
            alone = now - job.beat
            if alone > 2 * self.abandoned:
                self._stop(job, f"stopped: nobody has looked at it for {alone / 60:.0f} minutes")
            elif alone > self.abandoned and job.wanted == "run":
                # It gives its process back, and waits until somebody looks before it queues.
                job.absent, job.yielding = True, job.worker is not None

    def _hear(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """A message of a worker, in that worker's thread."""
        event = message.get("event")
        with self._changed:
            job = next((j for j in self._jobs.values() if j.worker is worker), None)
            if job is not None:
                job.heard(str(event), time.monotonic())
            if event == "end" and job is not None:
                self._finish(job)
                self._pool.give(worker, leaving=bool(message.get("leaving")))
            elif event == "exit":
                self._pool.forget(worker)
                if job is not None:
                    set_status(job.run, state="failed", message=str(message.get("message")))
                    del self._jobs[job.run.path]
            if not self._closed:
                self._schedule()
            self._changed.notify_all()

    def _finish(self, job: Job) -> None:
        stopped = job.run.status().state == "stopped"
        if stopped and job.yielding and job.wanted == "run":
            job.worker, job.yielding, job.waiting = None, False, False
            set_status(job.run, state="paused" if job.absent else "queued")
            self._apply(job)
            return
        del self._jobs[job.run.path]
        if stopped:
            if job.parking or job.yielding:
                set_status(job.run, state="paused")
            elif job.reason:
                set_status(job.run, state="stopped", message=job.reason)


@functools.cache
def registry() -> Registry:
    """The registry of this server."""
    named = os.environ.get(LIMIT_VARIABLE, "")
    limit = int(named) if named.isdecimal() and int(named) > 0 else os.cpu_count() or 1
    turn = float(told) if (told := os.environ.get(settings.TURN, "")).isdecimal() else TURN
    found = Registry(paths.runs_folder(), limit, turn=turn, open_=not limits.is_public())
    atexit.register(found.close)
    return found
