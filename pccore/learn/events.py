"""What a training run tells: the events that trainer, files, terminal and app all share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Reason = Literal["epochs", "patience", "converged"]


@dataclass(frozen=True)
class Step:
    """One batch is done. rate: rows per second of training; seconds_left: estimate, or None."""

    epoch: int
    batch: int
    batches: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class Epoch:
    """One pass over the data is done.

    train_log_likelihood: mean nats per row as seen during the epoch, that is before the
    last update. valid_log_likelihood: after it, None without validation data. seconds:
    training time of this epoch alone. impossible: training rows of probability zero.
    Epoch 0 is the untrained model.
    """

    epoch: int
    train_log_likelihood: float
    valid_log_likelihood: float | None
    seconds: float
    best: bool
    impossible: int


@dataclass(frozen=True)
class Finished:
    """The run is over. best_epoch: the epoch whose parameters are kept."""

    reason: Reason
    epochs: int
    best_epoch: int
    best_log_likelihood: float


@dataclass(frozen=True)
class Paused:
    """The run waits, as it was asked to; epoch: the last finished one."""

    epoch: int


@dataclass(frozen=True)
class Resumed:
    """The run goes on after a pause, or in another process; epoch: the last finished one."""

    epoch: int


@dataclass(frozen=True)
class Repaired:
    """A resumed run has found files damaged and did without; message: which, and what it did.
    epoch: the last finished one."""

    epoch: int
    message: str


#: What a trainer yields.
Event = Step | Epoch | Finished
#: What happens to a run besides.
Mark = Paused | Resumed | Repaired


def to_dict(event: Event | Mark) -> dict[str, str | int | float | bool | None]:
    """JSON form with the event's name under "event"."""
    return {"event": type(event).__name__.lower(), **asdict(event)}
