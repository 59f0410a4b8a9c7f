"""Reading layer inputs from the value buffer and adding flows to them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from pccore.compile.plan import Address
from pccore.compile.state import Workspace

#: The part of a layer's groups that is worked on.
ALL = slice(0, None)


class RowSet:
    """The rows of G groups of K units each; a view where they lie at equal distances."""

    def __init__(self, firsts: Sequence[int], size: int, device: torch.device) -> None:
        self.size = size
        self.count = len(firsts)
        self.start = firsts[0]
        self.step = firsts[1] - firsts[0] if len(firsts) > 1 else size
        self.index: Tensor | None = None
        regular = all(b - a == self.step for a, b in itertools.pairwise(firsts))
        if not regular or self.step < size:
            starts = torch.tensor(firsts, dtype=torch.long, device=device)
            self.index = starts[:, None] + torch.arange(size, device=device)  # [G, K]
        self._device = device

    def _view(self, buffer: Tensor, part: slice) -> Tensor:
        begin, end, _ = part.indices(self.count)
        samples = buffer.shape[1]
        return buffer.as_strided(
            (end - begin, self.size, samples),
            (self.step * samples, samples, 1),
            buffer.storage_offset() + (self.start + begin * self.step) * samples,
        )

    def read(self, buffer: Tensor, part: slice = ALL, workspace: Workspace | None = None) -> Tensor:
        """[G, K, B] of the buffer [rows, B]; what has to be gathered goes to the workspace."""
        if self.index is None:
            return self._view(buffer, part)
        index = self.index[part]
        if workspace is None:
            return buffer.index_select(0, index.reshape(-1)).unflatten(0, index.shape)
        out = workspace.take("gathered", (index.numel(), buffer.shape[1]), buffer)
        torch.index_select(buffer, 0, index.reshape(-1), out=out)
        return out.unflatten(0, index.shape)

    def add(self, buffer: Tensor, flow: Tensor, part: slice = ALL) -> None:
        """Add [G, K, B]; a group that is there twice receives both."""
        if self.index is None:
            self._view(buffer, part).add_(flow)
        else:
            buffer.index_add_(0, self.index[part].reshape(-1), flow.flatten(0, 1))

    def firsts(self, groups: Tensor) -> Tensor:
        """First row of the given groups."""
        return self.start + groups * self.step if self.index is None else self.index[groups, 0]


class Inputs:
    """All inputs of a layer: n addresses for each of G groups, column sizes alike."""

    def __init__(self, addresses: Sequence[Sequence[Address]], device: torch.device) -> None:
        self.groups = len(addresses)
        self.sizes = [address.size for address in addresses[0]]
        self.uniform = len(set(self.sizes)) == 1
        self.columns: list[RowSet] = [
            RowSet([row[j].first for row in addresses], size, device)
            for j, size in enumerate(self.sizes)
        ]
        #: Slots of the inputs, [G, n].
        self.slots = torch.tensor(
            [[address.slot for address in row] for row in addresses], device=device
        )
        self._together: RowSet | None = None
        if self.uniform and len(self.sizes) > 1:
            firsts = [address.first for row in addresses for address in row]
            self._together = RowSet(firsts, self.sizes[0], device)

    def _all_columns(self, part: slice) -> slice:
        begin, end, _ = part.indices(self.groups)
        return slice(begin * len(self.sizes), end * len(self.sizes))

    def stacked(
        self, buffer: Tensor, part: slice = ALL, workspace: Workspace | None = None
    ) -> Tensor:
        """[G, n, K, B] for columns of equal size; see RowSet.read."""
        if self._together is None:
            return self.columns[0].read(buffer, part, workspace).unsqueeze(1)
        rows = self._together.read(buffer, self._all_columns(part), workspace)
        return rows.unflatten(0, (-1, len(self.sizes)))

    def add_stacked(self, buffer: Tensor, flow: Tensor, part: slice = ALL) -> None:
        """Add flows [G, n, K, B]."""
        if self._together is None:
            self.columns[0].add(buffer, flow.flatten(0, 1), part)
        else:
            self._together.add(buffer, flow.flatten(0, 1), self._all_columns(part))

    def concatenated(self, buffer: Tensor, part: slice = ALL) -> Tensor:
        """[G, sum of sizes, B]: the units of all inputs one after the other."""
        if self.uniform:
            return self.stacked(buffer, part).flatten(1, 2)
        return torch.cat([column.read(buffer, part) for column in self.columns], 1)

    def add_concatenated(self, buffer: Tensor, flow: Tensor, part: slice = ALL) -> None:
        """Add flows [G, sum of sizes, B]."""
        if self.uniform:
            self.add_stacked(buffer, flow.unflatten(1, (len(self.sizes), -1)), part)
        else:
            for column, piece in zip(self.columns, flow.split(self.sizes, 1), strict=True):
                column.add(buffer, piece, part)

    def at(self, buffer: Tensor, groups: Tensor, samples: Tensor) -> list[Tensor]:
        """The values of each input at (groups, samples) [n]: one [n, K] for each column."""
        return [
            buffer[
                column.firsts(groups)[:, None] + torch.arange(column.size, device=buffer.device),
                samples[:, None],
            ]
            for column in self.columns
        ]

    def activate(self, active: Tensor, groups: Tensor, samples: Tensor, flat: Tensor) -> None:
        """Mark unit `flat` [n] of the concatenated inputs as chosen, at (groups, samples)."""
        start = 0
        for j, size in enumerate(self.sizes):
            inside = (flat >= start) & (flat < start + size)
            self.activate_column(j, active, groups[inside], samples[inside], flat[inside] - start)
            start += size

    def activate_column(
        self, j: int, active: Tensor, groups: Tensor, samples: Tensor, index: Tensor
    ) -> None:
        """Mark unit `index` [n] of input j as chosen, at (groups, samples)."""
        active[self.slots[groups, j], samples] = index
