"""Categorical leaf: a variable with `categories` states and a probability for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pccore.leaves.base import Summary
from pccore.leaves.shared import OneHotFamily
from pccore.logarithm import log

#: The least probability that gradient learning gives a category.
_LEAST = 1e-30


@dataclass(frozen=True)
class Categorical(OneHotFamily):
    """p(x = c) = p_c, c in 0 .. categories - 1; twin: torch.distributions.Categorical."""

    name: ClassVar[str] = "categorical"

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """One probability per category."""
        return (self.categories,)

    def coefficients(self, params: Tensor) -> Tensor:
        """log p_c."""
        return torch.log(params)

    def write_coefficients(self, params: Tensor, out: Tensor) -> None:
        """log p_c, without a copy."""
        log(params, out)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """log p_x: looked up before the logarithm is taken."""
        inside = self.support.contains(x)
        shape = np.broadcast_shapes(x.shape, params.shape[:-1])
        index = torch.where(inside, x, 0.0).long().unsqueeze(-1).expand(*shape, 1)
        table = params.expand(*shape, self.categories)
        value = torch.log(torch.gather(table, -1, index).squeeze(-1))
        return torch.where(inside, value, torch.full_like(value, -torch.inf))

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Relative frequencies, the pseudocount spread evenly over the categories."""
        smoothed = statistics + pseudocount / self.categories
        total = smoothed.sum(-1, keepdim=True)
        uniform = 1.0 / self.categories
        return torch.where(total > 0, smoothed / total.clamp_min(1e-30), uniform)

    def advance(
        self, params: Tensor, statistics: Tensor, scale: float, pseudocount: float, step: float
    ) -> None:
        """In few passes: tables of 256 categories are the largest part of many circuits."""
        total = statistics.sum(-1, keepdim=True)
        reached = total > 0
        gain = torch.where(reached, step / (total * scale + pseudocount), 0.0)
        params *= torch.where(reached, 1.0 - step, 1.0)
        params.addcmul_(statistics, gain * scale)
        if pseudocount:
            params += gain * (pseudocount / self.categories)

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Uniform point of the simplex, blended half with smoothed data frequencies."""
        noise = -torch.log(torch.rand((*shape, self.categories), generator=generator) + 1e-6)
        noise = noise.clamp_min(1e-6)
        noise = noise / noise.sum(-1, keepdim=True)
        if summary is None or summary.counts is None:
            return noise
        counts = summary.counts.to(noise)
        counts = torch.nn.functional.pad(counts, (0, self.categories - counts.shape[-1])) + 0.1
        return 0.5 * noise + 0.5 * (counts / counts.sum(-1, keepdim=True))[:, None, :]

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """A category drawn with the given probabilities, by inverting the distribution."""
        cumulative = params.cumsum(-1)
        draw = torch.rand(
            params.shape[:-1], generator=generator, dtype=params.dtype, device=params.device
        )
        # Strictly below the total, whatever the rounding; "right" skips states of probability 0.
        draw = (draw * (1 - 2**-22) * cumulative[..., -1]).unsqueeze(-1)
        return torch.searchsorted(cumulative, draw, right=True).squeeze(-1).to(params.dtype)

    def mode(self, params: Tensor) -> Tensor:
        """The first most probable category."""
        return params.argmax(-1).to(params.dtype)

    def mean(self, params: Tensor) -> Tensor:
        """Expectation of the category number."""
        return params @ self._states(params)

    def variance(self, params: Tensor) -> Tensor:
        """Variance of the category number."""
        states = self._states(params)
        return (params @ states.square() - self.mean(params).square()).clamp_min(0)

    def _states(self, like: Tensor) -> Tensor:
        return torch.arange(self.categories, dtype=like.dtype, device=like.device)

    def validate(self, params: Tensor) -> None:
        """Probabilities must be >= 0 and sum to 1 (tolerance 1e-4)."""
        self._require(params >= 0, params, "is negative or NaN")
        total = params.sum(-1)
        self._require((total - 1).abs() < 1e-4, total, "is a sum of probabilities other than 1")

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the categories, not rounded to 0: the gradient of log 0 is none."""
        return torch.softmax(raw, -1).clamp_min(_LEAST)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Log-probabilities, floored at log 1e-8."""
        return torch.log(params.clamp_min(1e-8))
