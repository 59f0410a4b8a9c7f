"""Bernoulli leaf: a binary variable; the parameter is the probability of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.leaves.base import Summary, Support, uniform_noise
from pccore.leaves.shared import ProbabilityFamily


@dataclass(frozen=True)
class Bernoulli(ProbabilityFamily):
    """p(x) = p^x (1 - p)^(1 - x), x in {0, 1}; twin: torch.distributions.Bernoulli."""

    name: ClassVar[str] = "bernoulli"

    @property
    def support(self) -> Support:
        """0 or 1."""
        return Support("finite", 2)

    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """(1 - x, x)."""
        return torch.stack((1 - x, x), dim, out=out)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Relative frequency of 1, with half the pseudocount on each value."""
        smoothed = statistics + pseudocount / 2
        total = smoothed.sum(-1)
        return torch.where(total > 0, smoothed[..., 1] / total.clamp_min(1e-30), 0.5)

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Uniform on [0.2, 0.8], or the data's frequency blended half with such noise."""
        noise = uniform_noise(shape, generator, 0.2, 0.8)
        if summary is None:
            return noise
        return 0.5 * noise + 0.5 * summary.mean[:, None].to(noise).clamp(0.01, 0.99)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """1 with probability p."""
        draw = torch.rand(
            params.shape, generator=generator, dtype=params.dtype, device=params.device
        )
        return (draw < params).to(params.dtype)

    def mode(self, params: Tensor) -> Tensor:
        """1 where p > 1/2."""
        return (params > 0.5).to(params.dtype)

    def mean(self, params: Tensor) -> Tensor:
        """p."""
        return params

    def variance(self, params: Tensor) -> Tensor:
        """p (1 - p)."""
        return params * (1 - params)
