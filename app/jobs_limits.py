"""What the limits of a server (`limits`) mean for its jobs."""

from __future__ import annotations

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


def out_of_time(job: Job) -> str:
    """Why a job has to stop for the time that it has trained, "" where it need not."""
    allowed = limits.current()
    over = allowed.job_seconds is not None and job.used > allowed.job_seconds
    return f"stopped: this server allows {allowed.time()} of training" if over else ""


def out_of_room(owner: str) -> str:
    """Why the jobs of an owner have to stop for what they have written, "" where they need not."""
    most = limits.current().disk
    if most is None or not workspaces.is_workspace(owner):
        return ""
    over = workspaces.usage(owner).disk > most
    return f"stopped: this workspace has all of its {limits.size(most)} in use" if over else ""
