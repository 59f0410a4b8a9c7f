"""Poisson leaf: counts 0, 1, 2, ... without a bound; the parameter is the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.leaves.base import LeafFamily, Summary, Support, uniform_noise

#: The rate that updates do not go below: at 0 every count but 0 would be impossible for good.
MIN_RATE = 1e-6
#: Rates that `unconstrain` tells from 0.
_TINY = 1e-30


@dataclass(frozen=True)
class Poisson(LeafFamily):
    """p(x) = rate^x exp(-rate) / x!; twin: torch.distributions.Poisson.

    Expectation parameter: the rate itself, so that EM's update is a weighted mean (Peharz et al.
    2020, eq. 7). A rate of 0 is legal and stands for the count 0 alone.
    """

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
        """-log x!"""
        return -torch.lgamma(x.double() + 1).to(x.dtype)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Weighted mean, at least MIN_RATE; pseudo-observations are counts of 1."""
        count, total = statistics[..., 0] + pseudocount, statistics[..., 1] + pseudocount
        rate = torch.where(count > 0, total / count.clamp_min(1e-30), 1.0)
        return rate.clamp_min(MIN_RATE)

    def observations(self, statistics: Tensor) -> Tensor:
        """The constant statistic."""
        return statistics[..., 0]

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """The data's mean (or 3) times a factor from 0.5 to 1.5."""
        noise = uniform_noise(shape, generator, 0.5, 1.5)
        if summary is None:
            return 3 * noise
        return (noise * summary.mean[:, None].to(noise)).clamp_min(MIN_RATE)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """A count."""
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
        """The rate must be finite and >= 0."""
        self._require(torch.isfinite(params) & (params >= 0), params, "is not a finite rate >= 0")

    def constrain(self, raw: Tensor) -> Tensor:
        """Exponential function."""
        return torch.exp(raw)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Log-rate."""
        return torch.log(params.clamp_min(_TINY))
