"""Indicator leaf [X = state]: 1 where the variable has this state, else 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.leaves.base import Summary
from pccore.leaves.shared import OneHotFamily


@dataclass(frozen=True)
class Indicator(OneHotFamily):
    """[X = state] over `categories` states (Poon & Domingos 2011, sec. 2).

    The state is structure, not something to learn: m_step never sees it (trainable is
    False). As a distribution it is a point mass; when the variable is missing its value
    is 1, as the network polynomial demands.
    """

    name: ClassVar[str] = "indicator"
    trainable: ClassVar[bool] = False

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """The state, one number."""
        return ()

    def coefficients(self, params: Tensor) -> Tensor:
        """0 at the state, -inf elsewhere."""
        states = torch.arange(self.categories, dtype=params.dtype, device=params.device)
        zero = params.new_zeros(())
        return torch.where(params[..., None] == states, zero, zero - torch.inf)

    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """The most frequent state (never used in training: the state is structure)."""
        return statistics.argmax(-1).to(statistics.dtype)

    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Unit k indicates state k modulo categories."""
        return (torch.arange(shape[1]) % self.categories).float().expand(shape).clone()

    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """The state."""
        return params.clone()

    def mode(self, params: Tensor) -> Tensor:
        """The state."""
        return params.clone()

    def mean(self, params: Tensor) -> Tensor:
        """The state."""
        return params.clone()

    def variance(self, params: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros_like(params)

    def validate(self, params: Tensor) -> None:
        """The state must be an integer from 0 to categories - 1."""
        self._require(self.support.contains(params), params, f"is not {self.support}")
