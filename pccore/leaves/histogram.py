"""Histogram leaf: a table of densities over whole numbers, which are used as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.leaves.base import Summary
from pccore.leaves.categorical import Categorical
from pccore.leaves.shared import OneHotFamily


@dataclass(frozen=True)
class Histogram(OneHotFamily):
    """p(x) = h_x, x in 0 .. categories - 1; twin, where the h add up to one: Categorical.

    Learned histograms of other programs are smoothed until they no longer add up to one. They are
    evaluated as they stand, and a missing variable counts 1 all the same (Poon & Domingos 2011,
    sec. 2, with the leaf in place of its indicators): only where every h adds up to one are
    probabilities of partial evidence sums over states. Learning, samples and moments are those of
    the normalised table.
    """

    name: ClassVar[str] = "histogram"

    @property
    def _table(self) -> Categorical:
        return Categorical(self.categories)

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """One density per state."""
        return (self.categories,)

    def coefficients(self, params: Tensor) -> Tensor:
        """log h_x."""
        return torch.log(params)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """log h_x, looked up."""
        return self._table.log_prob(x, params)

    def mass(self, params: Tensor) -> Tensor:
        """The sum of the table."""
        return params.sum(-1)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Relative frequencies, the pseudocount spread evenly."""
        return self._table.m_step(statistics, pseudocount)

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """As a categorical."""
        return self._table.initial(shape, generator, summary)

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """A state with a probability in proportion to its density."""
        return self._table.sample(params, generator)

    def mode(self, params: Tensor) -> Tensor:
        """The first state of the largest density."""
        return self._table.mode(params)

    def mean(self, params: Tensor) -> Tensor:
        """Of the normalised table."""
        return self._table.mean(_normalised(params))

    def variance(self, params: Tensor) -> Tensor:
        """Of the normalised table."""
        return self._table.variance(_normalised(params))

    def validate(self, params: Tensor) -> None:
        """Densities must be finite and >= 0, and one of them positive."""
        self._require(torch.isfinite(params) & (params >= 0), params, "is not a finite density")
        total = params.sum(-1)
        self._require(total > 0, total, "is a sum of densities that is not positive")

    def constrain(self, raw: Tensor) -> Tensor:
        """Softmax over the states."""
        return self._table.constrain(raw)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Log-densities of the normalised table."""
        return self._table.unconstrain(_normalised(params))


def _normalised(params: Tensor) -> Tensor:
    return params / params.sum(-1, keepdim=True)
