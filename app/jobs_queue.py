"""The entries of the registry of jobs, and who of them is next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pc_workbench.jobs_process import WorkerProcess
from pccore.learn import RunDirectory
from pccore.learn.status import Command


@dataclass(eq=False)
class Job:
    """An entry of the registry. waiting: is paused with its worker, wants to go on, has no slot.
    parking: its worker stops so that the memory of the paused job is freed. used: seconds in which
    it had a slot. reason: why it is stopped, where nobody asked for that. on_gpu: its process holds
    memory of a GPU."""

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
    used: float = 0.0
    reason: str = ""
    on_gpu: bool = False

    @property
    def in_queue(self) -> bool:
        """Whether it waits for a slot."""
        return self.waiting or self.worker is None

    @property
    def takes_slot(self) -> bool:
        """Whether it counts among those that train at once."""
        return self.worker is not None and not self.waiting and self.wanted != "pause"


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is: jobs that train, jobs that wait, and how many may train at once."""

    running: int
    waiting: int
    limit: int


def load_of(jobs: Iterable[Job], limit: int) -> Load:
    """How busy a server with these jobs is."""
    everyone = tuple(jobs)
    return Load(sum(job.takes_slot for job in everyone), len(in_order(everyone)), limit)


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Who waits, in order: everybody's first job comes before anybody's second."""
    everyone = tuple(jobs)
    ahead: dict[str, int] = {}
    for job in everyone:
        if not job.in_queue:  # a paused job counts, too: it had its turn
            ahead[job.owner] = ahead.get(job.owner, 0) + 1
    ranked: list[tuple[int, float, Job]] = []
    waiting = [job for job in everyone if job.in_queue and not job.parking]
    for job in sorted(waiting, key=lambda job: job.submitted):
        ranked.append((ahead.get(job.owner, 0), job.submitted, job))
        ahead[job.owner] = ahead.get(job.owner, 0) + 1
    return [job for _, _, job in sorted(ranked, key=lambda entry: entry[:2])]
