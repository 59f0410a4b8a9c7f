"""What the limits of a server (`limits`) mean for its jobs."""

from __future__ import annotations

from collections.abc import Iterable

from pc_workbench import limits, workspaces
from pc_workbench.jobs_queue import Job
from pccore.graph import Circuit

#: Bytes that a run writes, by those of its circuit: three models, and a checkpoint twice as large.
FOOTPRINT = 6


def check_room(owner: str, jobs: int, circuit: Circuit | None = None) -> None:
    """Raise QuotaError where a workspace that has so many jobs has no room for another run.

    circuit: of a run that is new.
    """
    allowed = limits.current()
    allowed.check_jobs(jobs)
    needs = 0
    if circuit is not None:
        allowed.check_model(circuit.num_parameters)
        needs = FOOTPRINT * 4 * circuit.num_parameters
    if workspaces.is_workspace(owner):
        allowed.check_disk(workspaces.usage(owner).disk, needs, workspaces.total())


def over_time(jobs: Iterable[Job], seconds: float) -> list[tuple[Job, str]]:
    """Count the time in which jobs trained; who has had all of it, and why each has to stop."""
    allowed = limits.current()
    found: list[tuple[Job, str]] = []
    for job in jobs:
        if job.takes_slot and job.worker is not None and job.worker.ready:
            job.used += seconds
            if allowed.job_seconds is not None and job.used > allowed.job_seconds:
                found.append((job, f"stopped: this server allows {allowed.time()} of training"))
    return found


def over_room(jobs: Iterable[Job]) -> list[tuple[Job, str]]:
    """Jobs whose workspace has grown beyond its disk space, and why they stop."""
    most = limits.current().disk
    everyone = [job for job in jobs if most is not None and workspaces.is_workspace(job.owner)]
    used = {owner: workspaces.usage(owner).disk for owner in {job.owner for job in everyone}}
    why = f"stopped: this workspace has all of its {limits.size(most or 0)} in use"
    return [(job, why) for job in everyone if used[job.owner] > (most or 0)]
