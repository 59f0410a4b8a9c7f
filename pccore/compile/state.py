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
#: Shapes of one buffer that are kept: making a view takes as long as a small operation.
MOST_VIEWS = 64


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Memory, and the shapes that it has been taken in."""

    whole: Tensor
    views: dict[tuple[int, ...], Tensor]


class Workspace:
    """Buffers by name that are kept between passes: fresh large tensors cost page faults, which
    take longer than the arithmetic on them.

    What `take` gives is overwritten by the next `take` of the same name, so a workspace belongs
    to one pass at a time.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], _Buffer] = {}

    def take(
        self, name: str, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype | None = None
    ) -> Tensor:
        """An uninitialised tensor of this shape on the device of `like`, in its dtype if no other
        is named."""
        key = (name, dtype or like.dtype, like.device)
        buffer = self._buffers.get(key)
        view = None if buffer is None else buffer.views.get(shape)
        if view is not None:
            return view
        count = math.prod(shape)
        if buffer is None or buffer.whole.numel() < count:
            whole = torch.empty(count, dtype=key[1], device=like.device)
            buffer = self._buffers[key] = _Buffer(whole, {})
        elif len(buffer.views) >= MOST_VIEWS:
            buffer.views.clear()
        return buffer.views.setdefault(shape, buffer.whole[:count].view(shape))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(buffer.whole.nbytes for buffer in self._buffers.values())


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

    columns, seen: the data, 0 where not seen, and what is seen, [V, B]. values: log-values
    [rows, B]. mode: "sum" or "max". complete: nothing is missing. kept: what a layer
    wants again in the flow pass, by layer number. underflown: layers with sums that had to be
    redone. sides: chunks of factors that are there in the linear domain (see sides.py). fresh:
    banks whose statistics the layers overwrite instead of adding to them.
    """

    columns: Tensor
    seen: Tensor
    values: Tensor
    workspace: Workspace
    mode: str = "sum"
    complete: bool = False
    kept: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    underflown: set[int] = field(default_factory=set[int])
    sides: set[int] = field(default_factory=set[int])
    fresh: frozenset[int] = frozenset()

    @property
    def samples(self) -> int:
        """B."""
        return self.columns.shape[1]

    @property
    def x(self) -> Tensor:
        """The data [B, V]."""
        return self.columns.T

    @property
    def observed(self) -> Tensor:
        """What is seen [B, V]."""
        return self.seen.T


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
