"""Gaussian leaf: a real variable; the parameters are mean and variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.errors import ParameterError
from pccore.leaves.base import LeafFamily, Summary, Support, uniform_noise


@dataclass(frozen=True)
class Gaussian(LeafFamily):
    """N(x; mean, variance); twin: torch.distributions.Normal (with scale = sqrt(variance)).

    The variance is kept inside [min_variance, max_variance] by every update, the projection
    of Peharz et al. 2020, sec. 4.2; without it a unit that explains one point collapses.
    """

    min_variance: float = 1e-4
    max_variance: float = 1e12
    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        if not 0 < self.min_variance <= self.max_variance < math.inf:
            raise ParameterError(
                "gaussian needs 0 < min_variance <= max_variance < inf, not "
                f"{self.min_variance} and {self.max_variance}"
            )

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """(mean, variance)."""
        return (2,)

    @property
    def support(self) -> Support:
        """The real line."""
        return Support("real")

    @property
    def num_statistics(self) -> int:
        """(1, x, x^2)."""
        return 3

    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """(1, x, x^2)."""
        if out is None:
            return torch.stack((torch.ones_like(x), x, x.square()), dim)
        one, first, second = out.unbind(dim)
        one.fill_(1.0)
        first.copy_(x)
        torch.mul(x, x, out=second)
        return out

    def coefficients(self, params: Tensor) -> Tensor:
        """(-mean^2 / 2v - log(2 pi v) / 2, mean / v, -1 / 2v)."""
        mean, variance = params[..., 0], params[..., 1]
        constant = -0.5 * (mean.square() / variance + torch.log(2 * math.pi * variance))
        return torch.stack((constant, mean / variance, -0.5 / variance), -1)

    def write_coefficients(self, params: Tensor, out: Tensor) -> None:
        """The same in place."""
        mean, variance = params.unbind(-1)
        constant, first, second = out.unbind(-1)
        torch.reciprocal(variance, out=second)
        torch.mul(mean, second, out=first)
        torch.log(variance, out=constant)
        constant.add_(math.log(2 * math.pi)).addcmul_(mean, first).mul_(-0.5)
        second.mul_(-0.5)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """From x - mean, where the linear form loses its digits (a mean far from 0)."""
        mean, variance = params[..., 0], params[..., 1]
        value = -0.5 * ((x - mean).square() / variance + torch.log(2 * math.pi * variance))
        return torch.where(torch.isfinite(x), value, torch.full_like(value, -torch.inf))

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Weighted mean and variance; pseudo-observations pull the variance towards itself.

        A conjugate prior with the running mean as its location: the mean is unchanged and
        the variance gains pseudocount * min_variance in its numerator.
        """
        count, first, second = statistics.unbind(-1)
        safe = count.clamp_min(1e-30)
        mean = torch.where(count > 0, first / safe, torch.zeros_like(first))
        spread = (second - first * mean).clamp_min(0) + pseudocount * self.min_variance
        variance = torch.where(count > 0, spread / (safe + pseudocount), torch.ones_like(first))
        variance = variance.clamp(self.min_variance, self.max_variance)
        return torch.stack((mean, variance), -1)

    def observations(self, statistics: Tensor) -> Tensor:
        """The constant statistic."""
        return statistics[..., 0]

    def blend(self, old: Tensor, new: Tensor, step: float) -> Tensor:
        """Blend means and second moments, then go back to the variance."""
        mean = torch.lerp(old[..., 0], new[..., 0], step)
        # E[x^2] - mean^2, written as differences so that large means do not cancel.
        within = torch.lerp(old[..., 1], new[..., 1], step)
        between = step * (1 - step) * (new[..., 0] - old[..., 0]).square()
        variance = (within + between).clamp(self.min_variance, self.max_variance)
        return torch.stack((mean, variance), -1)

    def advance(
        self, params: Tensor, statistics: Tensor, scale: float, pseudocount: float, step: float
    ) -> None:
        """`m_step` and `blend` in place: leaves are a large part of circuits with few units."""
        mean, variance = params.unbind(-1)
        count, first, second = statistics.unbind(-1)
        reached = count > 0
        old = None if bool(reached.all()) else params.clone()
        count.clamp_min_(1e-30)
        first.div_(count)
        second.div_(count).addcmul_(first, first, value=-1).clamp_min_(0)
        if pseudocount:
            prior = pseudocount / scale  # in units of the statistics
            second.mul_(count).add_(prior * self.min_variance).div_(count.add_(prior))
        variance.lerp_(second.clamp_(self.min_variance, self.max_variance), step)
        # E[x^2] - mean^2, written as differences so that large means do not cancel.
        first.sub_(mean)
        variance.addcmul_(first, first, value=step * (1 - step))
        variance.clamp_(self.min_variance, self.max_variance)
        mean.add_(first, alpha=step)
        if old is not None:
            params.copy_(torch.where(reached.unsqueeze(-1), params, old))

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Means spread like the data (or N(0, 1)), variances like the data's (or 1)."""
        noise = torch.randn(shape, generator=generator)
        scale = uniform_noise(shape, generator, 0.5, 1.0)
        if summary is not None:
            deviation = summary.variance.sqrt()[:, None].to(noise)
            mean = summary.mean[:, None].to(noise) + noise * deviation
            variance = scale * deviation.square()
        else:
            mean, variance = noise, scale
        variance = variance.clamp(self.min_variance, self.max_variance)
        return torch.stack((mean, variance), -1)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """mean + sqrt(variance) * standard normal."""
        noise = torch.randn(
            params.shape[:-1], generator=generator, dtype=params.dtype, device=params.device
        )
        return params[..., 0] + params[..., 1].sqrt() * noise

    def mode(self, params: Tensor) -> Tensor:
        """The mean."""
        return params[..., 0]

    def mean(self, params: Tensor) -> Tensor:
        """The mean."""
        return params[..., 0]

    def variance(self, params: Tensor) -> Tensor:
        """The variance."""
        return params[..., 1]

    def validate(self, params: Tensor) -> None:
        """The mean must be finite, the variance finite and > 0."""
        mean, variance = params[..., 0], params[..., 1]
        self._require(torch.isfinite(mean), mean, "is not a finite mean")
        legal = torch.isfinite(variance) & (variance > 0)
        self._require(legal, variance, "is not a finite positive variance")

    def constrain(self, raw: Tensor) -> Tensor:
        """Mean as it is, variance through exp, projected to the allowed interval."""
        variance = torch.exp(raw[..., 1]).clamp(self.min_variance, self.max_variance)
        return torch.stack((raw[..., 0], variance), -1)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Mean and log-variance."""
        return torch.stack((params[..., 0], torch.log(params[..., 1])), -1)

    def recentred(self, params: Tensor, shift: Tensor, out: Tensor | None = None) -> Tensor:
        """The same variance with the mean moved by -shift."""
        if out is None:
            return torch.stack((params[..., 0] - shift, params[..., 1]), -1)
        torch.sub(params[..., 0], shift, out=out[..., 0])
        out[..., 1].copy_(params[..., 1])
        return out

    def recentred_statistics(self, statistics: Tensor, shift: Tensor) -> Tensor:
        """(n, sum x, sum x^2) of x - shift."""
        count, first, second = statistics.unbind(-1)
        moved = first - count * shift
        squares = second - shift * (first + moved)
        return torch.stack((count.expand_as(moved), moved, squares), -1)
