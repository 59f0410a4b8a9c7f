"""Weights of scalar and irregular sums: all edges end to end."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pccore.compile.bank import LARGE_WEIGHT, expected_log_weights, project_to_simplex


class EdgeBank:
    """Edge weights [E] of several parameters; statistics are expected counts [E + 1].

    counts_per_sum: for each parameter the number of edges of each of its sums. linear,
    log_weights: [E + 1]; position E stands for an edge that is not there: its weight is 0. linear
    is None where some weight is too large for sums in the linear domain.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        stored: list[Tensor],
        edges_per_sum: list[np.ndarray],
        device: torch.device,
        dtype: torch.dtype,
        frozen: bool = False,
    ) -> None:
        self.ids = ids
        self.frozen = frozen
        self._stored = [(tensor.dtype, tensor.shape) for tensor in stored]
        edges = torch.as_tensor(np.concatenate(edges_per_sum))
        self._sums = len(edges)
        self._sum = torch.repeat_interleave(torch.arange(self._sums), edges).to(device)
        self._edges = edges.to(device=device, dtype=dtype)
        self.set(torch.cat([t.reshape(-1).to(dtype) for t in stored]).to(device))

    @property
    def trainable(self) -> bool:
        """Unless they are frozen."""
        return not self.frozen

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, twice, the log-weights and the sum of each edge."""
        return 3 * self.values.nbytes + self._sum.nbytes

    @property
    def learning_bytes(self) -> int:
        """The statistics, and the smoothed and the new weights of an update."""
        return 4 * self.values.nbytes

    def addresses(self) -> tuple[int, ...]:
        """Of the weights and the log-weights."""
        linear = () if self.linear is None else (self.linear.data_ptr(),)
        return self.log_weights.data_ptr(), *linear

    def set(self, values: Tensor) -> None:
        """Replace the weights."""
        self.values = values.contiguous()
        padded = torch.cat([self.values, self.values.new_zeros(1)])
        self.log_weights = torch.log(padded)
        self.linear = None if float(padded.max()) > LARGE_WEIGHT else padded

    def zero_statistics(self) -> Tensor:
        """[E + 1]."""
        return torch.zeros_like(self.log_weights)

    def counts(self, statistics: Tensor) -> Tensor:
        """[E]."""
        return statistics[:-1]

    def _per_sum(self, edge_values: Tensor) -> Tensor:
        """Sum over the edges of each sum, [sums]."""
        return edge_values.new_zeros(self._sums).index_add_(0, self._sum, edge_values)

    def add_counts(self, statistics: Tensor, counts: Tensor) -> None:
        """They are the statistics."""
        statistics[:-1] += counts

    def m_step(self, counts: Tensor, pseudocount: float) -> Tensor:
        """Normalised counts, the pseudocount spread over a sum's edges."""
        smoothed = counts + (pseudocount / self._edges)[self._sum]
        total = self._per_sum(smoothed)[self._sum]
        return torch.where(total > 0, smoothed / total.clamp_min(1e-30), self.values)

    def advance(self, statistics: Tensor, scale: float, pseudocount: float, step: float) -> None:
        """Linear in the weights (EiNet paper, eq. 8)."""
        target = self.m_step(self.counts(statistics).mul_(scale), pseudocount)
        self.values.lerp_(target, step)
        torch.log(self.values, out=self.log_weights[:-1])
        if self.linear is not None:
            self.linear[:-1] = self.values

    def gradient(self, statistics: Tensor) -> Tensor:
        """d log-likelihood / d weights, from the statistics; 0 for weights of 0."""
        counts = self.counts(statistics)
        return torch.where(self.values > 0, counts / self.values, 0.0)

    def totals(self, values: Tensor) -> Tensor:
        """What the edges of each sum add up to, for each edge."""
        return self._per_sum(values)[self._sum]

    def project(self, values: Tensor) -> Tensor:
        """The nearest weights >= 0 that add up to one."""
        return project_to_simplex(values, self.totals)

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the edges of each sum."""
        top = raw.new_full((self._sums,), -torch.inf)
        top = top.scatter_reduce(0, self._sum, raw.detach(), "amax")
        linear = torch.exp(raw - top[self._sum])
        total = linear.new_zeros(self._sums).index_add(0, self._sum, linear)
        return linear / total[self._sum]

    def unconstrain(self) -> Tensor:
        """Log-weights, floored at log 1e-12."""
        return torch.log(self.values.clamp_min(1e-12))

    def expected_log(self, values: Tensor, counts: Tensor) -> Tensor:
        """sum of counts * log weight."""
        return expected_log_weights(values, counts)

    def export(self) -> dict[str, Tensor]:
        """Edge weights by id, in the shapes of the store."""
        numbers = [shape.numel() for _, shape in self._stored]
        return {
            name: part.reshape(shape).to(dtype).clone()
            for name, part, (dtype, shape) in zip(
                self.ids, self.values.detach().cpu().split(numbers), self._stored, strict=True
            )
        }
