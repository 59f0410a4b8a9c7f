"""Weights of dense sums and of mixing layers: one block for each parameter, stacked."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.bank import LARGE_WEIGHT, expected_log_weights, project_to_simplex, row_major

#: Numbers that one step of `advance` works on: a few passes over what stays in the cache.
CHUNK = 2**18
#: Counts that are surely not 0, nor so small that dividing by them overflows.
CERTAIN = 1e-30
#: Edges of a sum up to which a softmax is quicker across the sums than along their edges.
FEW = 16


class WeightBank:
    """Sum weights [rows, size, inputs], in the layout of the store.

    The statistics are gradients d log S / d linear, a plain matrix product in the flow pass.
    values = linear * exp(log_scale): matrix products take `linear`, which cannot make them
    overflow; log_scale [rows, size, 1] is None where nothing had to be scaled.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        stored: list[Tensor],
        device: torch.device,
        dtype: torch.dtype,
        frozen: bool = False,
    ) -> None:
        self.ids = ids
        self.frozen = frozen
        self._dtypes = [tensor.dtype for tensor in stored]
        self.set(torch.stack([tensor.to(dtype) for tensor in stored]).to(device))

    @property
    def trainable(self) -> bool:
        """Unless they are frozen."""
        return not self.frozen

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, and of the log-weights where somebody asked for them."""
        log = 0 if self._log is None else self._log.nbytes
        return self.values.nbytes + log

    @property
    def learning_bytes(self) -> int:
        """The statistics."""
        return self.values.nbytes if self.trainable else 0

    def addresses(self) -> tuple[int, ...]:
        """Of the weights and, where they are in use, the log-weights."""
        log = () if self._log is None else (self._log.data_ptr(),)
        return self.linear.data_ptr(), *log

    def set(self, values: Tensor) -> None:
        """Replace the weights; the log-weights follow when next asked for."""
        self.values = row_major(values)
        self._log: Tensor | None = None
        self.linear = self.values
        self.log_scale: Tensor | None = None
        if float(self.values.max()) > LARGE_WEIGHT:
            scale = self.values.amax(2, keepdim=True).clamp_min(1.0)
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
        """[rows, size, inputs]."""
        return torch.zeros_like(self.values)

    def counts(self, statistics: Tensor) -> Tensor:
        """Weight times gradient."""
        return statistics * self.linear

    def add_counts(self, statistics: Tensor, counts: Tensor) -> None:
        """Counts over weight; an edge of weight zero has none."""
        tiny = torch.finfo(self.linear.dtype).tiny
        statistics += torch.where(self.linear > 0, counts / self.linear.clamp_min(tiny), 0.0)

    def m_step(self, counts: Tensor, pseudocount: float) -> Tensor:
        """Normalised counts, the pseudocount spread over a sum's edges.

        Sums without any count keep their weights.
        """
        smoothed = counts + pseudocount / counts.shape[2]
        total = smoothed.sum(2, keepdim=True)
        return torch.where(total > 0, smoothed / total.clamp_min(1e-30), self.values)

    def advance(self, statistics: Tensor, scale: float, pseudocount: float, step: float) -> None:
        """Linear in the weights (EiNet paper, eq. 8), in place and in parts: each number is
        fetched from memory once."""
        rows, size, inputs = self.values.shape
        per_part = max(1, CHUNK // (size * inputs))
        # In units of the statistics.
        prior = self.values.new_full((), pseudocount / (inputs * scale))
        certain = float(prior) > CERTAIN
        for start in range(0, rows, per_part):
            part = slice(start, start + per_part)
            values, counts = self.values[part], statistics[part]
            torch.addcmul(prior, counts, self.linear[part], out=counts)
            total = counts.sum(2, keepdim=True)
            if certain:
                values.mul_(1.0 - step).addcmul_(counts, step / total)
            else:  # sums without any count keep their weights
                gain = (total > 0).to(total.dtype).mul_(step)
                values.mul_(1.0 - gain).addcmul_(counts, gain.div_(total.clamp_min_(CERTAIN)))
        if self.log_scale is not None:
            self.set(self.values)
        elif self._log is not None:
            torch.log(self.values, out=self._log)

    def gradient(self, statistics: Tensor) -> Tensor:
        """d log-likelihood / d weights, from the statistics; of weights of 0 as well."""
        if self.log_scale is None:
            return statistics
        return statistics / torch.exp(self.log_scale)

    def totals(self, values: Tensor) -> Tensor:
        """What the edges of each sum add up to, broadcast to the edges."""
        return values.sum(2, keepdim=True).expand_as(values)

    def project(self, values: Tensor) -> Tensor:
        """The nearest weights >= 0 that add up to one."""
        return project_to_simplex(values, self.totals)

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the edges of each sum."""
        if raw.shape[2] > FEW:
            return torch.softmax(raw, 2)
        across = raw.flatten(0, 1).T.contiguous()
        return torch.softmax(across, 0).T.unflatten(0, raw.shape[:2])

    def unconstrain(self) -> Tensor:
        """Log-weights, floored at log 1e-12."""
        return torch.log(self.values.clamp_min(1e-12))

    def expected_log(self, values: Tensor, counts: Tensor) -> Tensor:
        """sum of counts * log weight (terms without count add nothing)."""
        return expected_log_weights(values, counts)

    def export(self) -> dict[str, Tensor]:
        """Weights as [size, inputs] by id."""
        rows = self.values.detach().cpu()
        return {
            name: row.to(dtype).contiguous().clone()
            for name, row, dtype in zip(self.ids, rows, self._dtypes, strict=True)
        }
