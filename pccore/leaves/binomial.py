"""Binomial leaf: counts 0 .. trials, such as grey levels; the parameter is a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.errors import ParameterError
from pccore.leaves.base import Summary, Support, uniform_noise
from pccore.leaves.shared import ProbabilityFamily


@dataclass(frozen=True)
class Binomial(ProbabilityFamily):
    """p(x) = C(n, x) p^x (1 - p)^(n - x) with n = trials; twin: torch.distributions.Binomial."""

    trials: int = 1
    name: ClassVar[str] = "binomial"

    def __post_init__(self) -> None:
        if self.trials != int(self.trials) or not 1 <= self.trials <= 2**24:
            raise ParameterError(f"binomial needs 1 <= trials <= 2^24, not {self.trials}")

    @property
    def support(self) -> Support:
        """0 .. trials."""
        return Support("finite", self.trials + 1)

    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """(n - x, x)."""
        return torch.stack((self.trials - x, x), dim, out=out)

    def log_base(self, x: Tensor) -> Tensor:
        """Log of the binomial coefficient."""
        n = torch.tensor(float(self.trials), dtype=torch.float64)
        y = x.double()
        return (torch.lgamma(n + 1) - torch.lgamma(y + 1) - torch.lgamma(n - y + 1)).to(x.dtype)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Mean over trials; each pseudo-observation adds trials/2 to both statistics."""
        smoothed = statistics + pseudocount * self.trials / 2
        total = smoothed.sum(-1)
        return torch.where(total > 0, smoothed[..., 1] / total.clamp_min(1e-30), 0.5)

    def observations(self, statistics: Tensor) -> Tensor:
        """Trials over trials per value."""
        return statistics.sum(-1) / self.trials

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Uniform on [0.1, 0.9], or the data's mean blended half with such noise."""
        noise = uniform_noise(shape, generator, 0.1, 0.9)
        if summary is None:
            return noise
        share = (summary.mean / self.trials)[:, None].to(noise)
        return 0.5 * noise + 0.5 * share.clamp(0.01, 0.99)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """Number of successes in `trials` draws."""
        count = torch.full_like(params, float(self.trials))
        return torch.binomial(count, params, generator=generator)

    def mode(self, params: Tensor) -> Tensor:
        """floor((n + 1) p), at most n."""
        return torch.floor((self.trials + 1) * params).clamp_max(self.trials)

    def mean(self, params: Tensor) -> Tensor:
        """n p."""
        return self.trials * params

    def variance(self, params: Tensor) -> Tensor:
        """n p (1 - p)."""
        return self.trials * params * (1 - params)
