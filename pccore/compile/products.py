"""Product layers that are not fused into a sum."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.layer import InnerLayer
from pccore.compile.state import Choice, Pass


class HadamardLayer(InnerLayer):
    """Unit k multiplies unit k of every input."""

    def up(self, state: Pass, keep: bool) -> None:
        """Sum of log-values."""
        width = len(self.inputs.sizes) * self.spec.size
        for part in self.parts(width * state.samples):
            factors = self.inputs.stacked(state.values, part)
            out = self.read(state.values, part)
            if factors.shape[1] == 2:  # half the time
                torch.add(factors[:, 0], factors[:, 1], out=out)
            else:
                out.copy_(factors.sum(1))

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """A product has nothing to maximise."""
        self.up(state, keep=False)

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Every factor receives the whole flow."""
        incoming = self.read(flows)
        for column in self.inputs.columns:
            # index_add_ refuses a part of the buffer that it adds to.
            column.add(flows, incoming if column.index is None else incoming.clone())

    def choose(self, state: Pass, choice: Choice) -> None:
        """Every factor is in the induced tree."""
        groups, samples, units = self.active(choice)
        for j in range(len(self.inputs.sizes)):
            self.inputs.activate_column(j, choice.active, groups, samples, units)


class KroneckerLayer(InnerLayer):
    """One unit for each combination of input units, row-major."""

    def up(self, state: Pass, keep: bool) -> None:
        """Outer sum of log-values."""
        for part in self.parts(self.spec.size * state.samples):
            first, *others = (column.read(state.values, part) for column in self.inputs.columns)
            total = first
            for other in others:
                total = (total.unsqueeze(2) + other.unsqueeze(1)).flatten(1, 2)
            self.read(state.values, part).copy_(total)

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """A product has nothing to maximise."""
        self.up(state, keep=False)

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Each input unit receives the flows of its combinations."""
        sizes = self.inputs.sizes
        for part in self.parts(self.spec.size * state.samples):
            grid = self.read(flows, part).unflatten(1, sizes)
            for j, column in enumerate(self.inputs.columns):
                others = [1 + i for i in range(len(sizes)) if i != j]
                column.add(flows, grid.sum(others) if others else grid.clone(), part)

    def choose(self, state: Pass, choice: Choice) -> None:
        """Every factor of the combination is in the induced tree."""
        groups, samples, units = self.active(choice)
        for j in reversed(range(len(self.inputs.sizes))):
            width = self.inputs.sizes[j]
            self.inputs.activate_column(j, choice.active, groups, samples, units % width)
            units = units // width
