"""The contract of a parameter bank: like parameters together, ready for the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

#: Weights above this are scaled before they meet the reciprocal of a small sum.
LARGE_WEIGHT = 1e6


class ParameterBank(Protocol):
    """What the learners need of a bank.

    Its statistics are what the flow pass adds up, in the form that is cheapest there; `counts`
    turns them into expected counts.
    """

    ids: tuple[str, ...]
    values: Tensor

    @property
    def trainable(self) -> bool:
        """Whether learning may change the values."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the values and what is derived from them."""
        ...

    @property
    def learning_bytes(self) -> int:
        """Bytes that a learner needs besides: statistics, and what its update takes."""
        ...

    def addresses(self) -> tuple[int, ...]:
        """Memory addresses of the tensors that the layers read."""
        ...

    def set(self, values: Tensor) -> None:
        """Replace the values (same shape) and everything derived from them."""
        ...

    def zero_statistics(self) -> Tensor:
        """A zero accumulator for the flow pass."""
        ...

    def counts(self, statistics: Tensor) -> Tensor:
        """Expected counts, in the shape of the values (of leaves: expected statistics)."""
        ...

    def m_step(self, counts: Tensor, pseudocount: float) -> Tensor:
        """New values from expected counts."""
        ...

    def advance(self, statistics: Tensor, scale: float, pseudocount: float, step: float) -> None:
        """Move the values by `step` towards the m-step of `scale` times the statistics, in
        expectation parameters (Peharz et al. 2020, eqs. 8 and 9), in place: captured passes see
        the new ones. Overwrites the statistics."""
        ...

    def constrain(self, raw: Tensor) -> Tensor:
        """Legal values from unconstrained reals, differentiable."""
        ...

    def unconstrain(self) -> Tensor:
        """Unconstrained reals that `constrain` maps to the current values."""
        ...

    def expected_log(self, values: Tensor, counts: Tensor) -> Tensor:
        """Expected complete log-likelihood at `values`, a differentiable scalar.

        Its gradient at the current values is the gradient of the log-likelihood.
        """
        ...

    def export(self) -> dict[str, Tensor]:
        """Tensors by parameter id in the layout of the store."""
        ...


def expected_log_weights(values: Tensor, counts: Tensor) -> Tensor:
    """sum of counts * log weight, differentiable.

    Weights without count add nothing, to the gradient either: of one that a softmax has rounded to
    0 it would be 0 / 0.
    """
    return torch.special.xlogy(counts, torch.where(counts == 0, 1.0, values)).sum()


def row_major(tensor: Tensor) -> Tensor:
    """The tensor with row-major strides, dimensions of size 1 included.

    Matrix products take other paths, and round differently, where the stride of a
    dimension of size 1 differs; a resumed run must not.
    """
    strides: list[int] = []
    width = 1
    for size in reversed(tensor.shape):
        strides.append(width)
        width *= size
    if tensor.stride() == tuple(reversed(strides)):
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def project_to_simplex(values: Tensor, totals: Callable[[Tensor], Tensor]) -> Tensor:
    """The nearest weights >= 0 (in Euclidean distance) that add up to one in each sum.

    totals: what the edges of a sum add up to, at each of its edges. The weights are
    max(values - t, 0), and the threshold t of each sum is found by bisection.
    """
    count = totals(torch.ones_like(values))
    # With t = mean - 1 / n the positive parts add up to at least 1, with the maximum to 0; the
    # maximum is below the mean plus the total of what lies above it.
    mean = totals(values) / count
    low = mean - 1.0 / count
    high = mean + totals((values - mean).clamp_min(0.0))
    for _ in range(60):
        middle = (low + high) / 2
        over = totals((values - middle).clamp_min(0.0)) > 1.0
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    weights = (values - low).clamp_min(0.0)
    return weights / totals(weights).clamp_min(torch.finfo(values.dtype).tiny)
