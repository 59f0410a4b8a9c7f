"""The layers of a compiled circuit: up, flow, max and choose.

Every layer reads its inputs from banks and writes or adds to banks (see plan.py), so the
same four passes serve likelihood, marginals, EM, gradients, MPE and sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pccore.compile.banks import WeightBank
from pccore.compile.buffers import Banks, Inputs
from pccore.compile.kernels import dense
from pccore.compile.plan import LayerSpec


@dataclass
class Pass:
    """What one up pass leaves behind.

    values: banks of log-values. observed, x: [B, V], x is 0 where not observed. kept:
    what a layer wants again in the flow pass, by layer number. mode: "sum" or "max".
    complete: nothing is missing.
    """

    x: Tensor
    observed: Tensor
    values: dict[int, Tensor]
    mode: str = "sum"
    complete: bool = False
    kept: dict[int, tuple[Tensor, ...]] = field(default_factory=dict[int, tuple[Tensor, ...]])

    @property
    def samples(self) -> int:
        """B."""
        return self.x.shape[0]


@dataclass
class Choice:
    """State of a top-down pass: the chosen unit per group and sample, and the result.

    active: banks [slots, B] of unit indices, -1 where a group is not in the induced tree.
    generator: random draws, or None for the maximum. x: [B, V], filled in at the leaves.
    """

    active: dict[int, Tensor]
    x: Tensor
    generator: torch.Generator | None


class Layer:
    """Base of all layers: slots [first, first + G) of the bank of `size`."""

    def __init__(self, number: int, spec: LayerSpec, device: torch.device) -> None:
        self.number = number
        self.spec = spec
        self.inputs = Inputs(spec.inputs, device) if spec.inputs[0] else None
        count = len(spec.groups)
        self.slots = slice(spec.first, spec.first + count)
        self.rows = _Rows(spec.rows, device) if spec.parameters is not None else None

    def read(self, banks: Banks) -> Tensor:
        """This layer's entries [G, B, K]."""
        return banks[self.spec.size][self.slots]

    def up(self, state: Pass, keep: bool) -> None:
        """Write log-values; with keep, remember what `flow` can reuse."""
        raise NotImplementedError

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Add this layer's flows to its inputs and expected counts to `statistics`."""
        raise NotImplementedError

    def up_max(self, state: Pass) -> None:
        """Write max-product log-values."""
        raise NotImplementedError

    def choose(self, state: Pass, choice: Choice) -> None:
        """Extend the induced trees from this layer's active units to its inputs."""
        raise NotImplementedError

    def active(self, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
        """(group rows, samples, unit index) of the active units, each [n]."""
        chosen = choice.active[self.spec.size][self.slots]
        rows, samples = torch.nonzero(chosen >= 0, as_tuple=True)
        return rows, samples, chosen[rows, samples]


class _Rows:
    """Rows of a parameter bank that a layer uses, a slice where consecutive."""

    def __init__(self, rows: tuple[int, ...], device: torch.device) -> None:
        self.start, self.stop = rows[0], rows[0] + len(rows)
        self.index: Tensor | None = None
        if list(rows) != list(range(self.start, self.stop)):
            self.index = torch.tensor(rows, dtype=torch.long, device=device)

    def of(self, tensor: Tensor) -> Tensor:
        """The rows, [G, ...]."""
        return tensor[self.start : self.stop] if self.index is None else tensor[self.index]

    def add(self, tensor: Tensor, amount: Tensor) -> None:
        """Add [G, ...]; tied rows receive the sum."""
        if self.index is None:
            tensor[self.start : self.stop] += amount
        else:
            tensor.index_add_(0, self.index, amount)

    def numbers(self, groups: Tensor) -> Tensor:
        """Bank rows of the layer's groups."""
        return groups + self.start if self.index is None else self.index[groups]


class SumLayer(Layer):
    """Dense sums: children [G, B, I], weights [G, I, O]; subclasses say what children are."""

    def __init__(
        self, number: int, spec: LayerSpec, device: torch.device, bank: WeightBank
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank

    @property
    def weights(self) -> Tensor:
        """Linear weights [G, I, O], scaled by exp(-log_scale) of their bank."""
        assert self.rows is not None
        return self.rows.of(self.bank.linear)

    @property
    def log_weights(self) -> Tensor:
        """Log-weights [G, I, O]."""
        assert self.rows is not None
        return self.rows.of(self.bank.log_weights)

    def log_children(self, banks: Banks) -> Tensor:
        """Log-values of the children [G, B, I]."""
        raise NotImplementedError

    def log_children_at(self, banks: Banks, rows: Tensor, samples: Tensor) -> Tensor:
        """Log-values of the children at (rows, samples): [n, I]."""
        raise NotImplementedError

    def up_max(self, state: Pass) -> None:
        """Maximum instead of sum."""
        log_weights = self.log_weights
        children = self.log_children(state.values)
        self.read(state.values).copy_(dense.max_sum(children, log_weights))

    def fix_up(self, sums: Tensor, out: Tensor, state: Pass) -> Tensor:
        """Undo the scaling and redo underflowed rows in log space; returns their indices
        [n, 2]."""
        if self.bank.log_scale is not None:
            assert self.rows is not None
            out += self.rows.of(self.bank.log_scale)
        lost = dense.lost_rows(sums)
        if len(lost):
            rows, samples = lost.unbind(-1)
            children = self.log_children_at(state.values, rows, samples)
            out[rows, samples] = dense.exact_sum(children, self.log_weights, rows)
        return lost

    def ratio(self, flow: Tensor, sums: Tensor, lost: Tensor) -> Tensor:
        """flow / sums, 0 at the rows that are redone in log space."""
        ratio = flow / sums
        if len(lost):
            ratio[lost[:, 0], lost[:, 1]] = 0
        return ratio

    def fix_flow(
        self, lost: Tensor, flow: Tensor, state: Pass, statistics: Tensor | None
    ) -> Tensor:
        """Exact child flows [n, I] at the lost rows; their edge counts go to `statistics`."""
        rows, samples = lost.unbind(-1)
        children = self.log_children_at(state.values, rows, samples)
        sums = self.read(state.values)[rows, samples]
        edge_flows = torch.zeros_like(self.weights) if statistics is not None else None
        result = dense.exact_flow(
            children, self.log_weights, rows, sums, flow[rows, samples], edge_flows
        )
        if statistics is not None and edge_flows is not None:
            assert self.rows is not None
            self.rows.add(statistics, edge_flows)
        return result

    def count(self, linear: Tensor, ratio: Tensor, statistics: Tensor) -> None:
        """Add weights * (linear^T ratio), the expected edge counts, to `statistics`."""
        assert self.rows is not None
        counts = torch.bmm(linear.transpose(1, 2), ratio)
        self.rows.add(statistics, counts.mul_(self.weights))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Pick one child for each active sum: sampled by its share, or the largest."""
        rows, samples, units = self.active(choice)
        step = max(1, dense.EXACT_CHUNK // max(1, self.weights.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            children = self.log_children_at(state.values, rows[part], samples[part])
            scores = children + self.log_weights[rows[part], :, units[part]]
            picked = dense.draw(scores, choice.generator)
            self.descend(choice, rows[part], samples[part], picked)

    def descend(self, choice: Choice, rows: Tensor, samples: Tensor, picked: Tensor) -> None:
        """Activate child `picked` [n] of the sums at (rows, samples)."""
        raise NotImplementedError


class DenseLayer(SumLayer):
    """Sums over the concatenated units of their inputs."""

    def log_children(self, banks: Banks) -> Tensor:
        """Concatenated inputs."""
        assert self.inputs is not None
        return self.inputs.concatenated(banks)

    def log_children_at(self, banks: Banks, rows: Tensor, samples: Tensor) -> Tensor:
        """Concatenated inputs at (rows, samples)."""
        assert self.inputs is not None
        columns = self.inputs.columns
        return torch.cat([banks[c.bank][c.slots(rows), samples] for c in columns], -1)

    def up(self, state: Pass, keep: bool) -> None:
        """log(W^T exp(children - max)) + max."""
        children = dense.shifted(self.log_children(state.values))
        sums = torch.bmm(children.linear, self.weights)
        out = self.read(state.values)
        out.copy_(torch.log(sums).add_(children.shift))
        lost = self.fix_up(sums, out, state)
        if keep:
            state.kept[self.number] = (children.linear, sums, lost)

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Child flow = linear child * (W ratio)."""
        assert self.inputs is not None
        linear, sums, lost = state.kept.pop(self.number)
        incoming = self.read(flows)
        ratio = self.ratio(incoming, sums, lost)
        if statistics is not None:
            self.count(linear, ratio, statistics)
        outgoing = torch.bmm(ratio, self.weights.transpose(1, 2)).mul_(linear)
        if len(lost):
            outgoing[lost[:, 0], lost[:, 1]] = self.fix_flow(lost, incoming, state, statistics)
        self.inputs.add_concatenated(flows, outgoing)

    def descend(self, choice: Choice, rows: Tensor, samples: Tensor, picked: Tensor) -> None:
        """The child is a unit of one of the inputs."""
        assert self.inputs is not None
        self.inputs.activate(choice.active, rows, samples, picked)


class EinsumLayer(SumLayer):
    """Sums over all pairs of units of two inputs: products fused in, never stored."""

    def _pair(self, banks: Banks) -> tuple[Tensor, Tensor]:
        assert self.inputs is not None
        left, right = self.inputs.columns
        return left.read(banks), right.read(banks)

    def log_children(self, banks: Banks) -> Tensor:
        """All pairwise sums of log-values."""
        left, right = self._pair(banks)
        return (left.unsqueeze(-1) + right.unsqueeze(-2)).flatten(-2)

    def log_children_at(self, banks: Banks, rows: Tensor, samples: Tensor) -> Tensor:
        """All pairwise sums of log-values at (rows, samples)."""
        assert self.inputs is not None
        left, right = (banks[c.bank][c.slots(rows), samples] for c in self.inputs.columns)
        return (left.unsqueeze(-1) + right.unsqueeze(-2)).flatten(-2)

    def up(self, state: Pass, keep: bool) -> None:
        """Log-einsum-exp."""
        left, right = (dense.shifted(side) for side in self._pair(state.values))
        pairs = dense.outer(left.linear, right.linear)
        sums = torch.bmm(pairs, self.weights)
        out = self.read(state.values)
        out.copy_(torch.log(sums).add_(left.shift).add_(right.shift))
        lost = self.fix_up(sums, out, state)
        if keep:
            state.kept[self.number] = (left.linear, right.linear, pairs, sums, lost)

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Pair flows, summed over the other side for each side."""
        assert self.inputs is not None
        left, right, pairs, sums, lost = state.kept.pop(self.number)
        incoming = self.read(flows)
        ratio = self.ratio(incoming, sums, lost)
        if statistics is not None:
            self.count(pairs, ratio, statistics)
        outgoing = torch.bmm(ratio, self.weights.transpose(1, 2))
        outgoing.mul_(pairs)
        if len(lost):
            outgoing[lost[:, 0], lost[:, 1]] = self.fix_flow(lost, incoming, state, statistics)
        grid = outgoing.unflatten(-1, (left.shape[-1], right.shape[-1]))
        self.inputs.columns[0].add(flows, grid.sum(-1))
        self.inputs.columns[1].add(flows, grid.sum(-2))

    def descend(self, choice: Choice, rows: Tensor, samples: Tensor, picked: Tensor) -> None:
        """The child is a pair."""
        assert self.inputs is not None
        width = self.inputs.sizes[1]
        for j, index in enumerate((picked // width, picked % width)):
            self.inputs.activate_column(j, choice.active, rows, samples, index)


class MixLayer(Layer):
    """Elementwise sums of n inputs: unit k mixes unit k of each, weights [G, n, K]."""

    def __init__(
        self, number: int, spec: LayerSpec, device: torch.device, bank: WeightBank
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank

    def _scores(self, banks: Banks) -> Tensor:
        assert self.inputs is not None and self.rows is not None
        log_weights = self.rows.of(self.bank.log_weights)
        return self.inputs.stacked(banks) + log_weights.unsqueeze(2)  # [G, n, B, K]

    def up(self, state: Pass, keep: bool) -> None:
        """Log-sum-exp over the inputs; n is small, so this stays in log space."""
        self.read(state.values).copy_(torch.logsumexp(self._scores(state.values), 1))

    def up_max(self, state: Pass) -> None:
        """Maximum over the inputs."""
        self.read(state.values).copy_(self._scores(state.values).amax(1))

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Each input receives its share."""
        assert self.inputs is not None and self.rows is not None
        values = self.read(state.values)
        safe = torch.where(torch.isinf(values), torch.zeros_like(values), values)
        share = torch.exp(self._scores(state.values) - safe.unsqueeze(1))
        share.mul_(self.read(flows).unsqueeze(1))
        if statistics is not None:
            self.rows.add(statistics, share.sum(2))
        self.inputs.add_stacked(flows, share)

    def choose(self, state: Pass, choice: Choice) -> None:
        """Pick one input; the unit index stays."""
        assert self.inputs is not None
        rows, samples, units = self.active(choice)
        if len(rows):
            scores = self._scores(state.values)[rows, :, samples, units]
            picked = dense.draw(scores, choice.generator)
            flat = picked * self.spec.size + units
            self.inputs.activate(choice.active, rows, samples, flat)
