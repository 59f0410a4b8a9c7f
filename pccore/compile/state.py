"""What the passes of a program carry from layer to layer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

#: Workspaces that a program keeps, and bytes of the largest.
MOST_SPARE = 2
LARGEST_SPARE = 2**28


class Workspace:
    """Buffers by name that are kept between passes: fresh large tensors cost page faults, which
    take longer than the arithmetic on them.

    What `take` gives is overwritten by the next `take` of the same name, so a workspace belongs
    to one pass at a time.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """An uninitialised tensor of this shape, in the dtype and on the device of `like`."""
        key = (name, like.dtype, like.device)
        count = math.prod(shape)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < count:
            buffer = torch.empty(count, dtype=like.dtype, device=like.device)
            self._buffers[key] = buffer
        return buffer[:count].view(shape)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(buffer.nbytes for buffer in self._buffers.values())


class Spare:
    """Workspaces that wait for the next pass; any number of threads may borrow one each."""

    def __init__(self) -> None:
        self._waiting: deque[Workspace] = deque(maxlen=MOST_SPARE)

    @contextmanager
    def borrow(self) -> Generator[Workspace]:
        """A workspace for the time of a pass, kept afterwards if it is not too large."""
        try:
            workspace = self._waiting.pop()
        except IndexError:
            workspace = Workspace()
        yield workspace
        if workspace.nbytes <= LARGEST_SPARE:
            self._waiting.append(workspace)


@dataclass
class Pass:
    """What one up pass leaves behind.

    x, observed: [B, V], x is 0 where not observed. columns, seen: the same, [V, B]. values:
    log-values [rows, B]. mode: "sum" or "max". complete: nothing is missing. kept: what a layer
    wants again in the flow pass, by layer number. underflown: layers with sums that had to be
    redone. sides: chunks of factors that are there in the linear domain (see sides.py).
    """

    x: Tensor
    observed: Tensor
    columns: Tensor
    seen: Tensor
    values: Tensor
    workspace: Workspace
    mode: str = "sum"
    complete: bool = False
    kept: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    underflown: set[int] = field(default_factory=set[int])
    sides: set[int] = field(default_factory=set[int])

    @property
    def samples(self) -> int:
        """B."""
        return self.x.shape[0]


@dataclass
class Choice:
    """State of a top-down pass: the chosen unit per group and sample, and the result.

    active: [slots, B] unit indices, -1 where a group is not in the induced tree. generator:
    random draws, or None for the maximum. x: [B, V], filled in at the leaves; None where only
    the tree is wanted. counts: for each bank how often an edge was chosen, added to by the sums;
    leaves and indicators have no place there.
    """

    active: Tensor
    x: Tensor | None
    generator: torch.Generator | None
    counts: list[Tensor | None] | None = None

    def counts_of(self, bank: int | None) -> Tensor | None:
        """The counts of a bank, where they are wanted."""
        return None if self.counts is None or bank is None else self.counts[bank]
