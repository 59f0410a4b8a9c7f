"""Reading layer inputs from the value banks and adding flows to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pccore.compile.plan import Address

#: Value or flow banks: one tensor [slots, B, K] for each group size K.
Banks = Mapping[int, Tensor]


class Gather:
    """The groups at given slots of one bank; a slice where they are consecutive."""

    def __init__(self, bank: int, slots: Sequence[int], device: torch.device) -> None:
        self.bank = bank
        self.count = len(slots)
        self.start = slots[0]
        self.index: Tensor | None = None
        if list(slots) != list(range(slots[0], slots[0] + len(slots))):
            self.index = torch.tensor(slots, dtype=torch.long, device=device)

    def read(self, banks: Banks) -> Tensor:
        """[count, B, K]; a view where the slots are consecutive."""
        bank = banks[self.bank]
        if self.index is None:
            return bank[self.start : self.start + self.count]
        return bank.index_select(0, self.index)

    def add(self, banks: Banks, flow: Tensor) -> None:
        """Add [count, B, K] to the bank; a slot read twice receives both."""
        bank = banks[self.bank]
        if self.index is None:
            bank[self.start : self.start + self.count] += flow
        else:
            bank.index_add_(0, self.index, flow)

    def slots(self, rows: Tensor) -> Tensor:
        """Bank slots of the given rows."""
        return rows + self.start if self.index is None else self.index[rows]


class Inputs:
    """All inputs of a layer: n addresses for each of G groups, column sizes alike.

    Columns of equal size are gathered in one operation.
    """

    def __init__(self, addresses: Sequence[Sequence[Address]], device: torch.device) -> None:
        self.groups = len(addresses)
        self.sizes = [address.bank for address in addresses[0]]
        self.uniform = len(set(self.sizes)) == 1
        self.columns: list[Gather] = [
            Gather(size, [row[j].slot for row in addresses], device)
            for j, size in enumerate(self.sizes)
        ]
        self._together: Gather | None = None
        if self.uniform and len(self.sizes) > 1:
            slots = [address.slot for row in addresses for address in row]
            self._together = Gather(self.sizes[0], slots, device)

    def stacked(self, banks: Banks) -> Tensor:
        """[G, n, B, K] for columns of equal size."""
        if self._together is None:
            return self.columns[0].read(banks).unsqueeze(1)
        return self._together.read(banks).unflatten(0, (self.groups, len(self.sizes)))

    def add_stacked(self, banks: Banks, flow: Tensor) -> None:
        """Add flows [G, n, B, K]."""
        gather = self._together or self.columns[0]
        gather.add(banks, flow.flatten(0, 1))

    def concatenated(self, banks: Banks) -> Tensor:
        """[G, B, sum of sizes]: the units of all inputs side by side."""
        if len(self.sizes) == 1:
            return self.columns[0].read(banks)
        if self.uniform:
            return self.stacked(banks).transpose(1, 2).flatten(-2)
        return torch.cat([column.read(banks) for column in self.columns], -1)

    def add_concatenated(self, banks: Banks, flow: Tensor) -> None:
        """Add flows [G, B, sum of sizes]."""
        if len(self.sizes) == 1:
            self.columns[0].add(banks, flow)
        elif self.uniform:
            parts = flow.unflatten(-1, (len(self.sizes), self.sizes[0])).transpose(1, 2)
            self.add_stacked(banks, parts)
        else:
            for column, part in zip(self.columns, flow.split(self.sizes, -1), strict=True):
                column.add(banks, part)

    def activate(self, active: Banks, rows: Tensor, samples: Tensor, flat: Tensor) -> None:
        """Mark unit `flat` [n] of the concatenated inputs as chosen, at (rows, samples)."""
        start = 0
        for column, size in zip(self.columns, self.sizes, strict=True):
            inside = (flat >= start) & (flat < start + size)
            slots = column.slots(rows[inside])
            active[size][slots, samples[inside]] = flat[inside] - start
            start += size

    def activate_column(
        self, j: int, active: Banks, rows: Tensor, samples: Tensor, index: Tensor
    ) -> None:
        """Mark unit `index` [n] of input j as chosen, at (rows, samples)."""
        column = self.columns[j]
        active[column.bank][column.slots(rows), samples] = index
