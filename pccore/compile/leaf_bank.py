"""Parameters of leaves, with the coefficients that the layers multiply by."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.bank import row_major
from pccore.compile.plan import ONE_HOT_LIMIT
from pccore.leaves.base import LeafFamily

#: Stands for -inf inside matrix products, where 0 * -inf would be NaN.
IMPOSSIBLE = -1e30
#: Largest rounding error, in nats, that the shared shift of a bank of leaves may cost.
SHIFT_ERROR = 0.02


class LeafBank:
    """Leaf parameters [rows, d, K, *P] with their coefficients [rows, K, d * S].

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
        values = row_major(values)
        self.values = values
        self._best: Tensor | None = None
        self._moments: Tensor | None = None
        rows, _, units = values.shape[:3]
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
            matrix = coefficients.transpose(1, 2).reshape(rows, units, -1)
            self.coefficients = row_major(matrix.clamp_min(IMPOSSIBLE))

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
        """[rows, K, d * S], or the gather table's shape [rows * d * C + 1, K]."""
        return torch.zeros_like(self.coefficients)

    def counts(self, statistics: Tensor) -> Tensor:
        """Expected sufficient statistics, [rows, d, K, S]."""
        rows, d, units = self.values.shape[:3]
        if self.gathers:
            return statistics[:-1].reshape(rows, d, -1, units).movedim(2, 3)
        return statistics.reshape(rows, units, d, -1).transpose(1, 2)

    def m_step(self, counts: Tensor, pseudocount: float) -> Tensor:
        """The family's update; entries that no sample reached keep their parameters."""
        updated = self.family.m_step(counts, pseudocount)
        if self.shift is not None:
            updated = self._recentred(updated, -self.shift)
        # Every family's statistics are zero exactly where the flow was.
        reached = counts.abs().sum(-1) > 0
        reached = reached.reshape(reached.shape + (1,) * len(self.family.parameter_shape))
        return torch.where(reached, updated, self.values)

    def advance(self, statistics: Tensor, scale: float, pseudocount: float, step: float) -> None:
        """Linear in the family's expectation parameters (EiNet paper, eq. 9)."""
        target = self.m_step(self.counts(statistics.mul_(scale)), pseudocount)
        self.set(self.family.blend(self.values, target, step))

    def constrain(self, raw: Tensor) -> Tensor:
        """The family's map."""
        return self.family.constrain(raw)

    def unconstrain(self) -> Tensor:
        """The family's right inverse."""
        return self.family.unconstrain(self.values)

    def expected_log(self, values: Tensor, counts: Tensor) -> Tensor:
        """sum of statistics * coefficients."""
        local = values if self.shift is None else self._recentred(values, self.shift)
        coefficients = self.family.coefficients(local)
        # A zero statistic times an infinite coefficient is an event that did not happen.
        return torch.where(counts == 0, 0.0, counts * coefficients).sum()

    def export(self) -> dict[str, Tensor]:
        """Parameters as [d, K, *P] by id."""
        rows = self.values.detach().cpu()
        return {
            name: row.to(dtype).contiguous().clone()
            for name, row, dtype in zip(self.ids, rows, self._dtypes, strict=True)
        }
