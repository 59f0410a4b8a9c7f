"""What several leaf families have in common; not families themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pccore.errors import ParameterError
from pccore.leaves.base import LeafFamily, Support

#: How near gradient learning brings probabilities to 0 and 1, in float32.
_EDGE = 1e-7


@dataclass(frozen=True)
class OneHotFamily(LeafFamily):
    """A variable with `categories` states whose statistics are its one-hot code."""

    categories: int = 2
    one_hot: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.categories != int(self.categories) or not 1 <= self.categories <= 2**20:
            raise ParameterError(
                f"{self.name} needs 1 <= categories <= 2^20, not {self.categories}"
            )

    @property
    def support(self) -> Support:
        """0 .. categories - 1."""
        return Support("finite", self.categories)

    @property
    def num_statistics(self) -> int:
        """One count per category."""
        return self.categories

    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """One-hot code."""
        states = torch.arange(self.categories, dtype=x.dtype, device=x.device)
        shape = [1] * (x.ndim + 1)
        shape[dim] = self.categories
        code = x.unsqueeze(dim) == states.view(shape)
        return code.to(x.dtype) if out is None else out.copy_(code)


@dataclass(frozen=True)
class ProbabilityFamily(LeafFamily):
    """One probability p; the statistics count failures and successes."""

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """One probability."""
        return ()

    @property
    def num_statistics(self) -> int:
        """(failures, successes)."""
        return 2

    def coefficients(self, params: Tensor) -> Tensor:
        """(log(1 - p), log p)."""
        return torch.stack((torch.log1p(-params), torch.log(params)), -1)

    def validate(self, params: Tensor) -> None:
        """Every p must be in [0, 1]."""
        self._require((params >= 0) & (params <= 1), params, "is not a probability in [0, 1]")

    def constrain(self, raw: Tensor) -> Tensor:
        """Logistic function, away from 0 and 1 by what rounding would take for them: the gradient
        of log 0 is none."""
        return torch.sigmoid(raw).clamp(_EDGE, 1.0 - _EDGE)

    def unconstrain(self, params: Tensor) -> Tensor:
        """Log-odds, with p kept 1e-6 away from 0 and 1."""
        return torch.logit(params, eps=1e-6)
