"""Where a run stands, as its directory says it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Literal, get_args

State = Literal["queued", "running", "paused", "stopped", "finished", "failed"]
Command = Literal["run", "pause", "stop"]

#: States after which nothing more happens unless the run is resumed.
ENDED: tuple[State, ...] = ("stopped", "finished", "failed")


@dataclass(frozen=True)
class Status:
    """Where a run stands. heartbeat: seconds since the epoch of the last sign of life. machine: on
    which the process is."""

    state: State
    heartbeat: float
    process: int = 0
    machine: str = field(default_factory=platform.node)
    message: str = ""
    epoch: int = 0
    epochs: int = 0
    rate: float = 0.0
    seconds_left: float | None = None


def makes_sense(status: Status) -> bool:
    """Whether the values are of the right kinds, which a damaged file need not have."""
    left = status.seconds_left
    return (
        status.state in get_args(State)
        and all(isinstance(n, int) for n in (status.process, status.epoch, status.epochs))
        and all(isinstance(n, int | float) for n in (status.heartbeat, status.rate))
        and isinstance(status.message, str)
        and isinstance(status.machine, str)
        and (left is None or isinstance(left, int | float))
    )
