"""Sum layers: dense sums over concatenated inputs and over all pairs of two inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile.buffers import ALL
from pccore.compile.kernels import dense
from pccore.compile.kernels.fused import Kernels
from pccore.compile.layer import BankRows, InnerLayer
from pccore.compile.plan import LayerSpec
from pccore.compile.sides import Pairs, Sides
from pccore.compile.state import Choice, Pass
from pccore.compile.weight_bank import WeightBank
from pccore.logarithm import log


@dataclass(frozen=True, slots=True)
class Children:
    """Children in the linear domain: exp(log-values) = linear * exp(shift).

    linear: [G, I, B], in [0, 1]. shift: [G, 1, B]. factors: the two sides of pairs, [G, K, B].
    """

    linear: Tensor
    shift: Tensor
    factors: tuple[Tensor, Tensor] | None = None


class SumLayer(InnerLayer):
    """Dense sums: children [G, I, B], weights [G, O, I]; subclasses say what children are."""

    def __init__(
        self,
        number: int,
        spec: LayerSpec,
        device: torch.device,
        bank: WeightBank,
        kernels: Kernels | None,
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank
        self.rows = BankRows(spec.rows, device)
        self._kernels = kernels

    @property
    def fused(self) -> Kernels | None:
        """The fused kernels, where there are any and the weights need no scaling."""
        return self._kernels if self.bank.log_scale is None else None

    def up_fused(self, kernels: Kernels, state: Pass) -> None:
        """`up` in one kernel."""
        raise NotImplementedError

    def flow_fused(
        self, kernels: Kernels, state: Pass, flows: Tensor, gradient: Tensor | None
    ) -> None:
        """`flow` in one kernel; gradient [G, O, I] is added to."""
        raise NotImplementedError

    def children(self, state: Pass, part: slice) -> Children:
        """The children in the linear domain, in the workspace."""
        raise NotImplementedError

    def log_children(self, values: Tensor, part: slice = ALL) -> Tensor:
        """Log-values of the children [G, I, B]."""
        raise NotImplementedError

    def log_children_at(self, values: Tensor, groups: Tensor, samples: Tensor) -> Tensor:
        """Log-values of the children at (groups, samples): [n, I]."""
        raise NotImplementedError

    def add_flow(
        self, state: Pass, flows: Tensor, flow: Tensor, children: Children, part: slice
    ) -> None:
        """Add flows [G, I, B] of the children to those of the inputs."""
        raise NotImplementedError

    def descend(self, choice: Choice, groups: Tensor, samples: Tensor, picked: Tensor) -> None:
        """Activate child `picked` [n] of the sums at (groups, samples)."""
        raise NotImplementedError

    @property
    def _work(self) -> int:
        """Numbers that one sample of one group needs."""
        return max(1, self.spec.work // len(self.spec.groups))

    def up(self, state: Pass, keep: bool) -> None:
        """log(W exp(children - shift)) + shift."""
        fused = self.fused
        if fused is not None:
            return self.up_fused(fused, state)
        whole = self.read(state.values)
        kept = None
        if keep:
            kept = state.workspace.take(f"sums {self.number}", tuple(whole.shape), whole)
            state.kept[self.number] = kept
        for part in self.parts(self._work * state.samples):
            children = self.children(state, part)
            weights = self.rows.of(self.bank.linear, part)
            out = whole[part]
            # What nobody wants again stays in the cache.
            take = state.workspace.take
            sums = take("sums", tuple(out.shape), out) if kept is None else kept[part]
            torch.bmm(weights, children.linear, out=sums)
            log(sums, out)
            out += children.shift
            if self.bank.log_scale is not None:
                out += self.rows.of(self.bank.log_scale, part)
            if dense.underflows(sums):
                state.underflown.add(self.number)
                self._redo(state, part, sums, out)

    def _redo(self, state: Pass, part: slice, sums: Tensor, out: Tensor) -> None:
        """Compute columns whose sums have underflowed in log space."""
        possible = (self.log_children(state.values, part) > -torch.inf).to(sums.dtype)
        positive = (self.rows.of(self.bank.linear, part) > 0).to(sums.dtype)
        lost = dense.lost_columns(sums, torch.bmm(positive, possible))
        if len(lost):
            groups, samples = lost.unbind(-1)
            children = self.log_children_at(state.values, groups + part.start, samples)
            log_weights = self.rows.of(self.bank.log_weights, part)
            out[groups, :, samples] = dense.exact_sum(children, log_weights, groups)

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """Maximum instead of sum."""
        for part in self.parts(self._work * state.samples):
            children = self.log_children(state.values, part)
            log_weights = self.rows.of(self.bank.log_weights, part)
            dense.max_sum(children, log_weights, self.read(state.values, part))

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Child flow = linear child * (W^T ratio) with ratio = flow / sum."""
        fused = self.fused
        if fused is not None:
            return self._flow_fused(fused, state, flows, statistics)
        whole = self.spec.parameters in state.fresh
        learn = self.rows.put_product if whole else self.rows.add_product
        for part in self.parts(self._work * state.samples):
            children = self.children(state, part)
            incoming = self.read(flows, part)
            sums = state.kept[self.number][part]
            lost = None
            if self.number in state.underflown and dense.underflows(sums):
                ratio = dense.ratio(incoming, sums)
                reached = self.read(state.values, part) > -torch.inf
                lost = dense.lost_columns(sums, reached)
                ratio[lost[:, 0], :, lost[:, 1]] = 0
            else:
                ratio = state.workspace.take("ratio", tuple(sums.shape), sums)
                torch.div(incoming, sums, out=ratio)
            if statistics is not None:
                learn(statistics, ratio, children.linear.mT, part)
            outgoing = state.workspace.take("back", tuple(children.linear.shape), incoming)
            torch.bmm(self.rows.of(self.bank.linear, part).mT, ratio, out=outgoing)
            outgoing *= children.linear
            if lost is not None and len(lost):
                self._redo_flow(state, part, lost, incoming, outgoing, statistics)
            self.add_flow(state, flows, outgoing, children, part)

    def _flow_fused(
        self, kernels: Kernels, state: Pass, flows: Tensor, statistics: Tensor | None
    ) -> None:
        if statistics is None or self.rows.index is None:
            gradient = None if statistics is None else self.rows.of(statistics)
            self.flow_fused(kernels, state, flows, gradient)
        else:  # tied weights: the kernels add to rows of their own
            gradient = torch.zeros_like(self.rows.of(self.bank.linear))
            self.flow_fused(kernels, state, flows, gradient)
            self.rows.add(statistics, gradient)

    def _redo_flow(
        self,
        state: Pass,
        part: slice,
        lost: Tensor,
        incoming: Tensor,
        outgoing: Tensor,
        statistics: Tensor | None,
    ) -> None:
        """Flows of the columns that are computed in log space, and what their weights learn."""
        groups, samples = lost.unbind(-1)
        children = self.log_children_at(state.values, groups + part.start, samples)
        sums = self.read(state.values, part)[groups, :, samples]
        log_weights = self.rows.of(self.bank.log_weights, part)
        gradient = None if statistics is None else torch.zeros_like(log_weights)
        outgoing[groups, :, samples] = dense.exact_flow(
            children, log_weights, groups, sums, incoming[groups, :, samples], gradient
        )
        if statistics is not None and gradient is not None:
            if self.bank.log_scale is not None:  # with respect to the scaled weights
                gradient *= torch.exp(self.rows.of(self.bank.log_scale, part))
            self.rows.add(statistics, gradient, part)

    def choose(self, state: Pass, choice: Choice) -> None:
        """Pick one child for each active sum: sampled by its share, or the largest."""
        groups, samples, units = self.active(choice)
        counts = choice.counts_of(self.spec.parameters)
        log_weights = self.rows.of(self.bank.log_weights)
        step = max(1, dense.EXACT_CHUNK // max(1, log_weights.shape[2]))
        for start in range(0, len(groups), step):
            part = slice(start, start + step)
            children = self.log_children_at(state.values, groups[part], samples[part])
            scores = children + log_weights[groups[part], units[part]]
            picked = dense.draw(scores, choice.generator)
            if counts is not None:
                self.rows.tally(counts, groups[part], units[part], picked)
            self.descend(choice, groups[part], samples[part], picked)


class DenseLayer(SumLayer):
    """Sums over the concatenated units of their inputs."""

    def children(self, state: Pass, part: slice) -> Children:
        """Shifted by the largest input."""
        values = self.log_children(state.values, part)
        shift = dense.top_of(values, 1)
        linear = state.workspace.take("children", tuple(values.shape), values)
        return Children(dense.exp_(torch.sub(values, shift, out=linear)), shift)

    def up_fused(self, kernels: Kernels, state: Pass) -> None:
        """One kernel for the layer."""
        children = self.inputs.concatenated(state.values)
        kernels.dense_up(children, self.rows.of(self.bank.linear), self.read(state.values))

    def flow_fused(
        self, kernels: Kernels, state: Pass, flows: Tensor, gradient: Tensor | None
    ) -> None:
        """One call for the layer."""
        children = self.inputs.concatenated(state.values)
        below = state.workspace.take("back", tuple(children.shape), flows)
        weights, out = self.rows.of(self.bank.linear), self.read(state.values)
        kernels.dense_flow(children, weights, out, self.read(flows), below, gradient)
        self.inputs.add_concatenated(flows, below)

    def log_children(self, values: Tensor, part: slice = ALL) -> Tensor:
        """Concatenated inputs."""
        return self.inputs.concatenated(values, part)

    def log_children_at(self, values: Tensor, groups: Tensor, samples: Tensor) -> Tensor:
        """Concatenated inputs at (groups, samples)."""
        return torch.cat(self.inputs.at(values, groups, samples), -1)

    def add_flow(
        self, state: Pass, flows: Tensor, flow: Tensor, children: Children, part: slice
    ) -> None:
        """Each input has its rows."""
        self.inputs.add_concatenated(flows, flow, part)

    def descend(self, choice: Choice, groups: Tensor, samples: Tensor, picked: Tensor) -> None:
        """The child is a unit of one of the inputs."""
        self.inputs.activate(choice.active, groups, samples, picked)


class EinsumLayer(SumLayer):
    """Sums over all pairs of units of two inputs: products fused in, never stored."""

    def __init__(
        self,
        number: int,
        spec: LayerSpec,
        device: torch.device,
        bank: WeightBank,
        kernels: Kernels | None,
        sides: Sides,
    ) -> None:
        super().__init__(number, spec, device, bank, kernels)
        self._pairs = Pairs(sides, spec.inputs, device)

    def children(self, state: Pass, part: slice) -> Children:
        """Outer product of the two sides, each shifted by its largest unit."""
        left, right, shift = self._pairs.read(state, part)
        shape = (left.shape[0], left.shape[1], right.shape[1], left.shape[2])
        pairs = state.workspace.take("children", shape, left)
        torch.mul(left.unsqueeze(2), right.unsqueeze(1), out=pairs)
        return Children(pairs.flatten(1, 2), shift, (left, right))

    def up_fused(self, kernels: Kernels, state: Pass) -> None:
        """One kernel for the layer."""
        left, right = (column.read(state.values) for column in self.inputs.columns)
        kernels.einsum_up(left, right, self.rows.of(self.bank.linear), self.read(state.values))

    def flow_fused(
        self, kernels: Kernels, state: Pass, flows: Tensor, gradient: Tensor | None
    ) -> None:
        """One call for the layer."""
        left, right = (column.read(state.values) for column in self.inputs.columns)
        first = state.workspace.take("left", tuple(left.shape), left)
        second = state.workspace.take("right", tuple(right.shape), right)
        weights, out = self.rows.of(self.bank.linear), self.read(state.values)
        kernels.einsum_flow(left, right, weights, out, self.read(flows), first, second, gradient)
        self.inputs.columns[0].add(flows, first)
        self.inputs.columns[1].add(flows, second)

    def log_children(self, values: Tensor, part: slice = ALL) -> Tensor:
        """All pairwise sums of log-values."""
        left, right = (column.read(values, part) for column in self.inputs.columns)
        return (left.unsqueeze(2) + right.unsqueeze(1)).flatten(1, 2)

    def log_children_at(self, values: Tensor, groups: Tensor, samples: Tensor) -> Tensor:
        """All pairwise sums of log-values at (groups, samples)."""
        left, right = self.inputs.at(values, groups, samples)
        return (left.unsqueeze(-1) + right.unsqueeze(-2)).flatten(-2)

    def add_flow(
        self, state: Pass, flows: Tensor, flow: Tensor, children: Children, part: slice
    ) -> None:
        """Pair flows, summed over the other side for each side."""
        assert children.factors is not None
        grid = flow.unflatten(1, (children.factors[0].shape[1], -1))
        for column, side, other in zip(self.inputs.columns, children.factors, (2, 1), strict=True):
            total = state.workspace.take("side", tuple(side.shape), side)
            column.add(flows, torch.sum(grid, other, out=total), part)

    def descend(self, choice: Choice, groups: Tensor, samples: Tensor, picked: Tensor) -> None:
        """The child is a pair."""
        width = self.inputs.sizes[1]
        for j, index in enumerate((picked // width, picked % width)):
            self.inputs.activate_column(j, choice.active, groups, samples, index)
