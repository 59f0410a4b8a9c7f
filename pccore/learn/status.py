"""Where a run stands, as its directory says it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

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


def makes_sense(fields: Mapping[str, Any]) -> bool:
    """Whether the values of a status are of the right kinds, which a damaged file need not have."""
    left = fields["seconds_left"]
    return (
        fields["state"] in get_args(State)
        and all(isinstance(fields[name], int) for name in ("process", "epoch", "epochs"))
        and all(isinstance(fields[name], int | float) for name in ("heartbeat", "rate"))
        and all(isinstance(fields[name], str) for name in ("message", "machine"))
        and (left is None or isinstance(left, int | float))
    )
