"""Where a training job stands, as told by its directory and by whoever runs it."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from pc_workbench.jobs_process import is_alive
from pccore.errors import PCError
from pccore.learn import RunDirectory, Status
from pccore.learn.status import ENDED, Command

FRESH = 15.0  # seconds for which the heartbeat of a process elsewhere is believed
LONGEST_BATCH = 600.0  # seconds that a live process may be silent

JobState = Literal[
    "queued", "starting", "running", "pausing", "paused", "stopping", "stopped", "finished",
    "failed", "interrupted",
]  # fmt: skip

#: States in which something happens or is about to.
LIVE: frozenset[JobState] = frozenset({"queued", "starting", "running", "pausing", "stopping"})
#: States from which training can go on.
RESUMABLE: frozenset[JobState] = frozenset({"paused", "stopped", "failed", "interrupted"})


@dataclass(frozen=True, slots=True)
class JobView:
    """Where a job stands. position: 1 for the next in the queue, None if it does not wait.

    message: why it failed. rate: rows a second. here: this server runs or queues it.
    """

    id: str
    state: JobState
    status: Status
    position: int | None = None
    here: bool = False

    @property
    def message(self) -> str:
        """Why it failed, or empty."""
        return self.status.message


def state_here(wanted: Command, pid: int, status: Status) -> JobState:
    """The state of a job that a worker process has."""
    own = status.process == pid
    if wanted == "stop":
        return "stopping"
    if wanted == "pause":
        return "paused" if own and status.state == "paused" else "pausing"
    return "running" if own and status.state in ("running", "paused") else "starting"


def state_elsewhere(status: Status) -> JobState:
    """The state of a run that this registry does not hold, by its last sign of life."""
    if status.state in ENDED:
        return status.state
    if status.state == "paused" and status.process == 0:
        return "paused"  # parked: no process is needed to be paused
    silent = time.time() - status.heartbeat
    # It may be on another machine, of which we hear only this, or be silent in a long batch.
    here, alive = status.machine == platform.node(), is_alive(status.process)
    believed = (silent < FRESH and not here) or (silent < LONGEST_BATCH and alive)
    if status.process and believed:
        return status.state
    return "interrupted"


def set_status(run: RunDirectory, **changes: Any) -> None:
    """Write a status as the one who looks after a run that no process has."""
    changes = {"message": "", "seconds_left": None, **changes}
    try:
        run.write_status(replace(run.status(), heartbeat=time.time(), process=0, **changes))
    except PCError:
        return  # the directory was removed while the job was going on, or the disk is full


def ask_elsewhere(directory: RunDirectory, command: Command) -> None:
    """Ask whoever runs it; a run that nobody runs and that is paused is stopped at once."""
    status = directory.status()
    state = state_elsewhere(status)
    if state == "paused" and status.process == 0 and command == "stop":
        set_status(directory, state="stopped")
    elif state in LIVE or state == "paused":
        directory.request(command)
