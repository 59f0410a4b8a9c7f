"""Poisson leaf: a count without an upper end; the parameter is the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.leaves.base import LeafFamily, Summary, Support, uniform_noise

#: Rates from data are at or above this: a count that was never seen stays possible.
_LEAST = 1e-6


@dataclass(frozen=True)
class Poisson(LeafFamily):
    """p(x) = rate^x exp(-rate) / x!, x = 0, 1, ...; twin: torch.distributions.Poisson."""

    name: ClassVar[str] = "poisson"

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """One rate."""
        return ()

    @property
    def support(self) -> Support:
        """0, 1, 2, ..."""
        return Support("count")

    @property
    def num_statistics(self) -> int:
        """(1, x)."""
        return 2

    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """(1, x)."""
        return torch.stack((torch.ones_like(x), x), dim, out=out)

    def coefficients(self, params: Tensor) -> Tensor:
        """(-rate, log rate)."""
        return torch.stack((-params, torch.log(params)), -1)

    def log_base(self, x: Tensor) -> Tensor:
        """-log x!."""
        return -torch.lgamma(x.double() + 1).to(x.dtype)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Weighted mean; pseudo-observations are ones."""
        count, total = statistics.unbind(-1)
        rate = (total + pseudocount) / (count + pseudocount).clamp_min(1e-30)
        rate = torch.where(count + pseudocount > 0, rate, torch.ones_like(rate))
        return rate.clamp_min(_LEAST)

    def observations(self, statistics: Tensor) -> Tensor:
        """The constant statistic."""
        return statistics[..., 0]

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Uniform on [0.5, 1.5], times the data's mean where it is known."""
        noise = uniform_noise(shape, generator, 0.5, 1.5)
        if summary is None:
            return noise
        return (noise * summary.mean[:, None].to(noise)).clamp_min(_LEAST)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """A draw for each rate."""
        return torch.poisson(params, generator=generator)

    def mode(self, params: Tensor) -> Tensor:
        """floor(rate)."""
        return torch.floor(params)

    def mean(self, params: Tensor) -> Tensor:
        """The rate."""
        return params

    def variance(self, params: Tensor) -> Tensor:
        """The rate."""
        return params

    def validate(self, params: Tensor) -> None:
        """Every rate must be finite and > 0."""
        legal = torch.isfinite(params) & (params > 0)
        self._require(legal, params, "is not a finite positive rate")

    def constrain(self, raw: Tensor) -> Tensor:
        """Through exp."""
        return torch.exp(raw).clamp_min(_LEAST)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Log-rate."""
        return torch.log(params)
