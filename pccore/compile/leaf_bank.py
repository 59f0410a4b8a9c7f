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


#: Numbers that one step of `advance` works on in a table: a few passes over what is in the cache.
CHUNK = 2**19
#: Rows of a table with at least so many numbers are added to one by one at no loss.
LONG_ROW = 16


class LeafBank:
    """Leaf parameters [rows, d, K, *P] with their coefficients [rows, K, S * d].

    In memory each number of the parameters and each statistic is a plane [rows, K, d] of its own,
    so that learning works on whole planes.

    Families whose states are looked up (`gathers`) have a table instead: one row of K
    log-probabilities for each (row, variable, state), and a last row of zeros that missing values
    point to; their values lie in the same order, or, with `states_last`, state after state for
    each unit, and so do their statistics: short rows of a table cost more to find than to add to.
    The table of the latter is made when it is asked for: a batch that is learned from needs the
    logarithms of few of its numbers. shift: [rows, d, 1] or [rows, d, K], None for families that
    do not shift; parameters: those of x - shift, which coefficients and statistics belong to.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        stored: list[Tensor],
        family: LeafFamily,
        device: torch.device,
        dtype: torch.dtype,
        rows_apart: bool = False,
        frozen: bool = False,
    ) -> None:
        """rows_apart: each row belongs to one group and no fused kernel reads the table."""
        self.ids = ids
        self.frozen = frozen
        self.family = family
        self._dtypes = [tensor.dtype for tensor in stored]
        self.gathers = family.one_hot and family.num_statistics > ONE_HOT_LIMIT
        short = stored[0].shape[1] < LONG_ROW
        self.states_last = self.gathers and rows_apart and short
        self.set(torch.stack([tensor.to(dtype) for tensor in stored]).to(device))

    @property
    def trainable(self) -> bool:
        """Indicators do not learn, nor what is frozen."""
        return self.family.trainable and not self.frozen

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters and the coefficients."""
        moved = 0 if self.parameters is self.values else self.parameters.nbytes
        return self.values.nbytes + moved + self._coefficients.nbytes

    @property
    def learning_bytes(self) -> int:
        """The statistics; tables are updated in parts, others make new parameters."""
        if not self.trainable:
            return 0
        fresh = 0 if self.gathers else 4 * self.values.nbytes
        return self._coefficients.nbytes + fresh

    def addresses(self) -> tuple[int, ...]:
        """Of the coefficients and the shift."""
        shift = () if self.shift is None else (self.shift.data_ptr(),)
        return self._coefficients.data_ptr(), *shift

    @property
    def coefficients(self) -> Tensor:
        """What the layers multiply by, or look up."""
        if self._stale:
            self._write_table()
            self._stale = False
        return self._coefficients

    @property
    def learns_from_values(self) -> bool:
        """Whether batches that are learned from read the values instead of the table. Never one
        after the other: they add up in another order, and a resumed run must not."""
        return self._probabilities and self.trainable and not self._given

    def give_table(self) -> Tensor:
        """The table [rows, d, S, K] for somebody else to fill in; from now on the values mean
        nothing."""
        self._given = True
        return self.table(self.coefficients)

    def set(self, values: Tensor) -> None:
        """Replace the parameters and recompute shift and coefficients."""
        #: Whether the table is older than the values, and whether it has nothing to do with them.
        self._stale = self._given = False
        self._best: Tensor | None = None
        self._moments: Tensor | None = None
        self.shift: Tensor | None = None
        rows, _, units = values.shape[:3]
        if self.gathers:
            if self.states_last:
                values = row_major(values)
            elif values.ndim == 4:  # probabilities of states, in the order of the table
                values = row_major(values.movedim(3, 2)).movedim(2, 3)
            self.values = self.parameters = values
            count = values.shape[1] * rows * self.family.num_statistics
            self._coefficients = values.new_empty(count + 1, units)
            self._coefficients[-1] = 0
            self._stale = True
            return
        self.values = self.parameters = _in_planes(values)
        width = values.shape[1] * self.family.num_statistics
        self._coefficients = values.new_empty(rows, units, width)
        self._derive()

    def _write_table(self) -> None:
        """Compute the table, part by part."""
        logs = self._table(self._coefficients)
        per_part = max(1, CHUNK // logs[0].numel())
        # Functions of what lies in another order are slow, copies are not.
        scratch = torch.empty_like(self.values[:per_part]) if self._probabilities else None
        for start in range(0, len(logs), per_part):
            part = slice(start, start + per_part)
            values = self.values[part]
            if scratch is None:
                self.family.write_coefficients(values, logs[part])
            else:
                self.family.write_coefficients(values, scratch[: len(values)])
                logs[part].copy_(scratch[: len(values)])

    @property
    def _probabilities(self) -> bool:
        """Whether the values are one number for each state, lying together."""
        return self.states_last and self.values.ndim == 4

    def _derive(self) -> None:
        """Shift, shifted parameters and coefficients of families that are multiplied; where they
        are in memory does not change unless the shape of the shift does."""
        values, family = self.values, self.family
        if family.recentred(values[:0], values.new_zeros(())) is not None:
            # Work on x - shift: squares of large numbers would cost the digits that matter.
            if self.parameters is values:
                self.parameters = torch.empty_like(values)
            means = family.mean(values)
            shift = means.mean(2, keepdim=True)
            local = self._recentred(values, shift, self.parameters)
            squares = family.mean(local).square().div_(family.variance(local))
            if float(squares.max()) * torch.finfo(values.dtype).eps > SHIFT_ERROR:
                # Narrow units far from each other: each needs a shift of its own.
                shift = means.clone()
                self._recentred(values, shift, self.parameters)
            if self.shift is None or self.shift.shape != shift.shape:
                self.shift = shift
            else:
                self.shift.copy_(shift)
        family.write_coefficients(self.parameters, self._per_unit(self._coefficients))
        self._coefficients.clamp_min_(IMPOSSIBLE)

    def _per_unit(self, matrix: Tensor) -> Tensor:
        """[rows, K, S * d], of coefficients or statistics, as [rows, d, K, S], a view."""
        return matrix.unflatten(2, (self.family.num_statistics, -1)).permute(0, 3, 1, 2)

    def table(self, tensor: Tensor) -> Tensor:
        """The entries of a table, or of its statistics, as [rows, d, S, K], a view."""
        rows, d = self.values.shape[:2]
        return tensor[:-1].unflatten(0, (rows, d, -1))

    def _table(self, tensor: Tensor) -> Tensor:
        """The same as [rows, d, K, S]."""
        return self.table(tensor).movedim(2, 3)

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

    def _recentred(self, values: Tensor, shift: Tensor, out: Tensor | None = None) -> Tensor:
        moved = self.family.recentred(values, shift, out)
        assert moved is not None
        return moved

    def zero_statistics(self) -> Tensor:
        """[rows, K, S * d], or the gather table's shape [rows * d * C + 1, K]; [rows, d, K, C]
        where states are last."""
        if self.states_last:
            rows, d, units = self.values.shape[:3]
            return self.values.new_zeros(rows, d, units, self.family.num_statistics)
        return torch.zeros_like(self._coefficients)

    def counts(self, statistics: Tensor) -> Tensor:
        """Expected sufficient statistics, [rows, d, K, S]."""
        if self.gathers:
            return statistics if self.states_last else self._table(statistics)
        return self._per_unit(statistics)

    def absolute(self, counts: Tensor) -> Tensor:
        """Counts as they would be without a shift, in float64 where there is one: those of
        several updates, each with a shift of its own, can be added up."""
        if self.shift is None:
            return counts
        return self.family.recentred_statistics(counts.double(), -self.shift.double())

    def local(self, absolute: Tensor) -> Tensor:
        """What `absolute` came from, at the current shift."""
        if self.shift is None:
            return absolute
        moved = self.family.recentred_statistics(absolute, self.shift.double())
        return moved.to(self.values.dtype)

    def share(self, statistics: Tensor, number: float) -> None:
        """Add, to each unit that has seen something, `number` observations that look like what
        all units of its group have seen together."""
        counts = self.counts(statistics)
        # Units with shifts of their own are few, and converted all at once.
        per_part = len(counts) if self.shifts_each else max(1, CHUNK // counts[0].numel())
        for start in range(0, len(counts), per_part):
            part = counts[start : start + per_part]
            own = self.absolute(part) if self.shifts_each else part
            whole = own.sum(2, keepdim=True)
            seen = self.family.observations(whole).unsqueeze(-1)
            whole = torch.where(seen > 0, whole * (number / seen), 0.0)
            if self.shifts_each:
                whole = self.local(whole.expand_as(own))
            part += whole * (self.family.observations(part) > 0).unsqueeze(-1)

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
        counts = self.counts(statistics)
        self._best = self._moments = None
        if not self.gathers:
            self.family.advance(self.parameters, counts, scale, pseudocount, step)
            if self.shift is not None:
                self._recentred(self.parameters, -self.shift, self.values)
            self._derive()
            return
        # Tables are large: in parts, so that each number is fetched from memory once.
        logs = self._table(self._coefficients)
        per_part = max(1, CHUNK // counts[0].numel())
        for start in range(0, len(counts), per_part):
            part = slice(start, start + per_part)
            values = self.values[part]
            self.family.advance(values, counts[part], scale, pseudocount, step)
            if not self._probabilities:
                self.family.write_coefficients(values, logs[part])
        self._stale = self._probabilities

    def constrain(self, raw: Tensor) -> Tensor:
        """The family's map."""
        return self.family.constrain(raw)

    def unconstrain(self) -> Tensor:
        """The family's right inverse."""
        return self.family.unconstrain(self.values)

    def gradient(self, statistics: Tensor) -> Tensor:
        """d log-likelihood / d parameters, from the statistics, in the shape of the values."""
        values = self.values.detach().clone().requires_grad_()
        with torch.enable_grad():
            expected = self.expected_log(values, self.counts(statistics))
            (gradient,) = torch.autograd.grad(expected, values)
        # An infinite slope times the zero count of an impossible event.
        return torch.nan_to_num(gradient, nan=0.0)

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


def _in_planes(values: Tensor) -> Tensor:
    """[rows, d, K, *P] with [*P, rows, K, d] in memory."""
    inner = tuple(range(3, values.ndim))
    planes = row_major(values.permute(*inner, 0, 2, 1))
    count = len(inner)
    return planes.permute(count, count + 2, count + 1, *range(count))
