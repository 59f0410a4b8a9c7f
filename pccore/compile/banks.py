"""Parameter banks: equally shaped parameters stacked, ready for the layers.

Each bank owns a tensor whose first dimension is the row of a parameter id, keeps what the
layers derive from it (log-weights, leaf coefficients), and knows how a maximisation step
turns accumulated statistics into parameters.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pccore.compile.plan import ONE_HOT_LIMIT, BankSpec
from pccore.errors import ParameterError
from pccore.graph import Circuit, SparseEdges, SumGroup
from pccore.leaves.base import LeafFamily

#: Stands for -inf inside matrix products, where 0 * -inf would be NaN.
IMPOSSIBLE = -1e30
#: Largest rounding error, in nats, that the shared shift of a bank of leaves may cost.
SHIFT_ERROR = 0.02
#: Weights above this are scaled before they meet the reciprocal of a small sum.
LARGE_WEIGHT = 1e6


class ParameterBank(Protocol):
    """What the learners need of a bank."""

    ids: tuple[str, ...]
    values: Tensor

    @property
    def trainable(self) -> bool:
        """Whether learning may change the values."""
        ...

    def set(self, values: Tensor) -> None:
        """Replace the values (same shape) and everything derived from them."""
        ...

    def zero_statistics(self) -> Tensor:
        """A zero accumulator for the flow pass."""
        ...

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """New values from accumulated statistics."""
        ...

    def blend(self, new: Tensor, step: float) -> Tensor:
        """(1 - step) * current + step * new, in expectation parameters."""
        ...

    def constrain(self, raw: Tensor) -> Tensor:
        """Legal values from unconstrained reals, differentiable."""
        ...

    def unconstrain(self) -> Tensor:
        """Unconstrained reals that `constrain` maps to the current values."""
        ...

    def expected_log(self, values: Tensor, statistics: Tensor) -> Tensor:
        """Expected complete log-likelihood at `values`, a differentiable scalar.

        Its gradient at the current values is the gradient of the log-likelihood.
        """
        ...

    def export(self) -> dict[str, Tensor]:
        """Tensors by parameter id in the layout of the store."""
        ...


def _row_major(tensor: Tensor) -> Tensor:
    """The tensor with row-major strides, dimensions of size 1 included.

    Matrix products take other paths, and round differently, where the stride of a
    dimension of size 1 differs; a resumed run must not.
    """
    strides: list[int] = []
    width = 1
    for size in reversed(tensor.shape):
        strides.append(width)
        width *= size
    if tensor.stride() == tuple(reversed(strides)):
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


class WeightBank:
    """Dense sum weights [rows, inputs, size]; statistics are expected edge counts.

    values = linear * exp(log_scale): matrix products take `linear`, which cannot make them
    overflow; log_scale [rows, 1, size] is None where nothing had to be scaled.
    """

    def __init__(
        self, ids: tuple[str, ...], stored: list[Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.ids = ids
        self._dtypes = [tensor.dtype for tensor in stored]
        stack = torch.stack([tensor.to(dtype) for tensor in stored]).transpose(1, 2)
        self.set(stack.to(device))

    @property
    def trainable(self) -> bool:
        """Weights always learn."""
        return True

    def set(self, values: Tensor) -> None:
        """Replace the weights; the log-weights follow when next asked for."""
        self.values = _row_major(values)
        self._log: Tensor | None = None
        self.linear = self.values
        self.log_scale: Tensor | None = None
        if float(self.values.max()) > LARGE_WEIGHT:
            scale = self.values.amax(1, keepdim=True).clamp_min(1.0)
            self.linear = self.values / scale
            self.log_scale = torch.log(scale)

    @property
    def log_weights(self) -> Tensor:
        """log of the weights, -inf for zeros; computed at first use."""
        log = self._log
        if log is None:
            log = torch.log(self.values)
            self._log = log
        return log

    def zero_statistics(self) -> Tensor:
        """[rows, inputs, size]."""
        return torch.zeros_like(self.values)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Normalised counts, the pseudocount spread over a sum's edges.

        Sums without any count keep their weights.
        """
        smoothed = statistics + pseudocount / statistics.shape[1]
        total = smoothed.sum(1, keepdim=True)
        return torch.where(total > 0, smoothed / total.clamp_min(1e-30), self.values)

    def blend(self, new: Tensor, step: float) -> Tensor:
        """Linear in the weights (EiNet paper, eq. 8)."""
        return torch.lerp(self.values, new, step)

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the edges of each sum."""
        return torch.softmax(raw, 1)

    def unconstrain(self) -> Tensor:
        """Log-weights, floored at log 1e-12."""
        return torch.log(self.values.clamp_min(1e-12))

    def expected_log(self, values: Tensor, statistics: Tensor) -> Tensor:
        """sum of counts * log weight (terms without count add nothing)."""
        return torch.special.xlogy(statistics, values).sum()

    def export(self) -> dict[str, Tensor]:
        """Weights as [size, inputs] by id."""
        rows = self.values.detach().transpose(1, 2).cpu()
        return {
            name: row.to(dtype).contiguous().clone()
            for name, row, dtype in zip(self.ids, rows, self._dtypes, strict=True)
        }


class SparseBank:
    """Weights of one irregular sum group [edges]; statistics are expected edge counts."""

    def __init__(
        self,
        ids: tuple[str, ...],
        stored: list[Tensor],
        edges: SparseEdges,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.ids = ids
        self._dtype = stored[0].dtype
        counts = torch.as_tensor(edges.offsets[1:] - edges.offsets[:-1])
        self._units = len(counts)
        self._unit = torch.repeat_interleave(torch.arange(self._units), counts).to(device)
        self.values = stored[0].to(device=device, dtype=dtype).contiguous()

    @property
    def trainable(self) -> bool:
        """Weights always learn."""
        return True

    def set(self, values: Tensor) -> None:
        """Replace the weights."""
        self.values = values

    def zero_statistics(self) -> Tensor:
        """[edges]."""
        return torch.zeros_like(self.values)

    def _per_edge(self, edge_values: Tensor) -> Tensor:
        """Sum over the edges of each unit, at every edge."""
        total = edge_values.new_zeros(self._units).index_add(0, self._unit, edge_values)
        return total[self._unit]

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Normalised counts, the pseudocount spread over a sum's edges."""
        smoothed = statistics + pseudocount / self._per_edge(torch.ones_like(statistics))
        total = self._per_edge(smoothed)
        return torch.where(total > 0, smoothed / total.clamp_min(1e-30), self.values)

    def blend(self, new: Tensor, step: float) -> Tensor:
        """Linear in the weights (EiNet paper, eq. 8)."""
        return torch.lerp(self.values, new, step)

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the edges of each sum."""
        top = raw.new_full((self._units,), -torch.inf)
        top = top.scatter_reduce(0, self._unit, raw.detach(), "amax")
        linear = torch.exp(raw - top[self._unit])
        return linear / self._per_edge(linear)

    def unconstrain(self) -> Tensor:
        """Log-weights, floored at log 1e-12."""
        return torch.log(self.values.clamp_min(1e-12))

    def expected_log(self, values: Tensor, statistics: Tensor) -> Tensor:
        """sum of counts * log weight."""
        return torch.special.xlogy(statistics, values).sum()

    def export(self) -> dict[str, Tensor]:
        """Edge weights by id."""
        return {self.ids[0]: self.values.detach().cpu().to(self._dtype).clone()}


class LeafBank:
    """Leaf parameters [rows, d, K, *P] with their coefficients [rows, d * S, K].

    shift: [rows, d, 1] or [rows, d, K], None for families that do not shift; parameters:
    those of x - shift, which coefficients and statistics belong to.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        stored: list[Tensor],
        family: LeafFamily,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.ids = ids
        self.family = family
        self._dtypes = [tensor.dtype for tensor in stored]
        self.gathers = family.one_hot and family.num_statistics > ONE_HOT_LIMIT
        self.set(torch.stack([tensor.to(dtype) for tensor in stored]).to(device))

    @property
    def trainable(self) -> bool:
        """Indicators do not learn."""
        return self.family.trainable

    def set(self, values: Tensor) -> None:
        """Replace the parameters and recompute shift and coefficients."""
        values = _row_major(values)
        self.values = values
        self._best: Tensor | None = None
        self._moments: Tensor | None = None
        rows, d, units = values.shape[:3]
        self.shift: Tensor | None = None
        local = values
        if self.family.recentred(values, values.new_zeros(())) is not None:
            # Work on x - shift: squares of large numbers would cost the digits that matter.
            means = self.family.mean(values)
            self.shift = means.mean(2, keepdim=True)
            local = self._recentred(values, self.shift)
            squares = self.family.mean(local).square() / self.family.variance(local)
            if float(squares.max()) * torch.finfo(values.dtype).eps > SHIFT_ERROR:
                # Narrow units far from each other: each needs a shift of its own.
                self.shift = means
                local = self._recentred(values, means)
        self.parameters = local
        coefficients = self.family.coefficients(local)  # [rows, d, K, S]
        if self.gathers:
            # One table row of K log-probabilities for each (row, variable, state), and a
            # last row of zeros that missing values point to.
            table = coefficients.movedim(3, 2).reshape(-1, units)
            self.coefficients = torch.cat([table, table.new_zeros(1, units)])
        else:
            matrix = coefficients.movedim(3, 2).reshape(rows, d * self.family.num_statistics, units)
            self.coefficients = _row_major(matrix.clamp_min(IMPOSSIBLE))

    @property
    def best(self) -> Tensor:
        """Log-density of each leaf's mode [rows, d, K]; computed at first use."""
        best = self._best
        if best is None:
            best = self.family.log_prob(self.family.mode(self.values), self.values)
            self._best = best
        return best

    @property
    def moments(self) -> Tensor:
        """E[x] and E[x^2] of each leaf [rows, d, K, 2]; computed at first use."""
        moments = self._moments
        if moments is None:
            mean = self.family.mean(self.values)
            moments = torch.stack((mean, self.family.variance(self.values) + mean.square()), -1)
            self._moments = moments
        return moments

    @property
    def shifts_each(self) -> bool:
        """Whether every unit has a shift of its own, so that a matrix product cannot serve."""
        return self.shift is not None and self.shift.shape[2] > 1

    def _recentred(self, values: Tensor, shift: Tensor) -> Tensor:
        moved = self.family.recentred(values, shift)
        assert moved is not None
        return moved

    def zero_statistics(self) -> Tensor:
        """[rows, d * S, K], or the gather table's shape [rows * d * C + 1, K]."""
        return torch.zeros_like(self.coefficients)

    def _statistics(self, accumulated: Tensor) -> Tensor:
        """Accumulator -> [rows, d, K, S]."""
        rows, d, units = self.values.shape[:3]
        if self.gathers:
            accumulated = accumulated[:-1]
        return accumulated.reshape(rows, d, -1, units).movedim(2, 3)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """The family's update; entries that no sample reached keep their parameters."""
        gathered = self._statistics(statistics)
        updated = self.family.m_step(gathered, pseudocount)
        if self.shift is not None:
            updated = self._recentred(updated, -self.shift)
        # Every family's statistics are zero exactly where the flow was.
        reached = gathered.abs().sum(-1) > 0
        reached = reached.reshape(reached.shape + (1,) * len(self.family.parameter_shape))
        return torch.where(reached, updated, self.values)

    def blend(self, new: Tensor, step: float) -> Tensor:
        """Linear in the family's expectation parameters (EiNet paper, eq. 9)."""
        return self.family.blend(self.values, new, step)

    def constrain(self, raw: Tensor) -> Tensor:
        """The family's map."""
        return self.family.constrain(raw)

    def unconstrain(self) -> Tensor:
        """The family's right inverse."""
        return self.family.unconstrain(self.values)

    def expected_log(self, values: Tensor, statistics: Tensor) -> Tensor:
        """sum of statistics * coefficients."""
        local = values if self.shift is None else self._recentred(values, self.shift)
        coefficients = self.family.coefficients(local)
        gathered = self._statistics(statistics)
        # A zero statistic times an infinite coefficient is an event that did not happen.
        return torch.where(gathered == 0, 0.0, gathered * coefficients).sum()

    def export(self) -> dict[str, Tensor]:
        """Parameters as [d, K, *P] by id."""
        rows = self.values.detach().cpu()
        return {
            name: row.to(dtype).contiguous().clone()
            for name, row, dtype in zip(self.ids, rows, self._dtypes, strict=True)
        }


def make_bank(
    spec: BankSpec, circuit: Circuit, device: torch.device, dtype: torch.dtype
) -> WeightBank | SparseBank | LeafBank:
    """Bank of `spec` filled from the circuit's parameters."""
    stored = [circuit.params[name] for name in spec.ids]
    for name, tensor in zip(spec.ids, stored, strict=True):
        if tensor.dtype != dtype and bool((tensor.abs() > torch.finfo(dtype).max).any()):
            raise ParameterError(f"parameter {name!r} holds numbers too large for {dtype}")
    if spec.kind == "leaf":
        assert spec.family is not None
        return LeafBank(spec.ids, stored, spec.family, device, dtype)
    if spec.kind == "weights":
        return WeightBank(spec.ids, stored, device, dtype)
    group = next(g for g in circuit.groups if g.kind != "product" and g.parameter == spec.ids[0])
    assert isinstance(group, SumGroup) and isinstance(group.edges, SparseEdges)
    return SparseBank(spec.ids, stored, group.edges, device, dtype)


__all__ = ["LeafBank", "ParameterBank", "SparseBank", "WeightBank", "make_bank"]
