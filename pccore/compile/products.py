"""Product layers that are not fused into a sum, and irregular (sparse) layers."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.banks import SparseBank
from pccore.compile.buffers import Banks
from pccore.compile.kernels import dense
from pccore.compile.layers import Choice, Layer, Pass
from pccore.compile.plan import LayerSpec
from pccore.graph import SparseEdges


class HadamardLayer(Layer):
    """Unit k multiplies unit k of every input."""

    def up(self, state: Pass, keep: bool) -> None:
        """Sum of log-values."""
        assert self.inputs is not None
        self.read(state.values).copy_(self.inputs.stacked(state.values).sum(1))

    def up_max(self, state: Pass) -> None:
        """A product has nothing to maximise."""
        self.up(state, keep=False)

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Every factor receives the whole flow."""
        assert self.inputs is not None
        incoming = self.read(flows).unsqueeze(1)
        if len(self.inputs.sizes) == 1:
            incoming = incoming.clone()  # index_add_ refuses a part of the bank it adds to
        shape = (-1, len(self.inputs.sizes), -1, -1)
        self.inputs.add_stacked(flows, incoming.expand(shape))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Every factor is in the induced tree."""
        assert self.inputs is not None
        rows, samples, units = self.active(choice)
        for j in range(len(self.inputs.sizes)):
            self.inputs.activate_column(j, choice.active, rows, samples, units)


class KroneckerLayer(Layer):
    """One unit for each combination of input units, row-major."""

    def up(self, state: Pass, keep: bool) -> None:
        """Outer sum of log-values."""
        assert self.inputs is not None
        first, *others = (column.read(state.values) for column in self.inputs.columns)
        total = first
        for other in others:
            total = (total.unsqueeze(-1) + other.unsqueeze(-2)).flatten(-2)
        self.read(state.values).copy_(total)

    def up_max(self, state: Pass) -> None:
        """A product has nothing to maximise."""
        self.up(state, keep=False)

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Each input unit receives the flows of its combinations."""
        assert self.inputs is not None
        sizes = self.inputs.sizes
        grid = self.read(flows).unflatten(-1, sizes)
        for j, column in enumerate(self.inputs.columns):
            others = [2 + i for i in range(len(sizes)) if i != j]
            column.add(flows, grid.sum(others) if others else grid.clone())

    def choose(self, state: Pass, choice: Choice) -> None:
        """Every factor of the combination is in the induced tree."""
        assert self.inputs is not None
        rows, samples, units = self.active(choice)
        for j in reversed(range(len(self.inputs.sizes))):
            width = self.inputs.sizes[j]
            self.inputs.activate_column(j, choice.active, rows, samples, units % width)
            units = units // width


class SparseLayer(Layer):
    """One irregular group, sum (with a bank) or product: edges as an index list."""

    def __init__(
        self,
        number: int,
        spec: LayerSpec,
        device: torch.device,
        edges: SparseEdges,
        bank: SparseBank | None,
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank
        counts = torch.as_tensor(edges.offsets[1:] - edges.offsets[:-1])
        self.child = torch.as_tensor(edges.children).to(device)
        self.unit = torch.repeat_interleave(torch.arange(spec.size), counts).to(device)

    def _scores(self, banks: Banks) -> Tensor:
        """Log-value of the child of each edge, plus the log-weight of a sum: [B, E]."""
        assert self.inputs is not None
        children = self.inputs.concatenated(banks)[0].index_select(-1, self.child)
        return children + torch.log(self.bank.values) if self.bank is not None else children

    def _reduce(self, edge_values: Tensor, how: str) -> Tensor:
        """Reduce [B, E] over the edges of each unit: [B, size]."""
        start = -torch.inf if how == "amax" else 0.0
        out = edge_values.new_full((edge_values.shape[0], self.spec.size), start)
        index = self.unit.expand_as(edge_values)
        return out.scatter_reduce(1, index, edge_values, how)

    def up(self, state: Pass, keep: bool) -> None:
        """Segmented sum, or log-sum-exp."""
        scores = self._scores(state.values)
        if self.bank is None:
            result = self._reduce(scores, "sum")
        else:
            top = self._reduce(scores, "amax")
            shift = torch.where(torch.isinf(top), torch.zeros_like(top), top)
            linear = torch.exp(scores - shift.index_select(1, self.unit))
            result = torch.log(self._reduce(linear, "sum")) + shift
        self.read(state.values)[0].copy_(result)

    def up_max(self, state: Pass) -> None:
        """Segmented sum for products, maximum for sums."""
        how = "sum" if self.bank is None else "amax"
        self.read(state.values)[0].copy_(self._reduce(self._scores(state.values), how))

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Products pass their flow on, sums divide it."""
        assert self.inputs is not None
        edge_flow = self.read(flows)[0].index_select(1, self.unit)
        if self.bank is not None:
            values = self.read(state.values)[0]
            safe = torch.where(torch.isinf(values), torch.zeros_like(values), values)
            share = torch.exp(self._scores(state.values) - safe.index_select(1, self.unit))
            edge_flow = edge_flow * share
            if statistics is not None:
                statistics += edge_flow.sum(0)
        total = sum(self.inputs.sizes)
        child_flow = edge_flow.new_zeros(edge_flow.shape[0], total)
        child_flow.index_add_(1, self.child, edge_flow)
        self.inputs.add_concatenated(flows, child_flow.unsqueeze(0))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Products activate all children, sums one."""
        assert self.inputs is not None
        rows, samples, units = self.active(choice)
        if not len(rows):
            return
        mine = self.unit[None, :] == units[:, None]  # [n, E]
        if self.bank is None:
            which, edge = torch.nonzero(mine, as_tuple=True)
            self.inputs.activate(choice.active, rows[which], samples[which], self.child[edge])
        else:
            scores = self._scores(state.values)[samples].masked_fill(~mine, -torch.inf)
            edge = dense.draw(scores, choice.generator)
            self.inputs.activate(choice.active, rows, samples, self.child[edge])
