"""Plain gradient ascent on the weights themselves, kept legal by projection or by dividing by Z.

Poon & Domingos 2011, algorithm 1: w <- w + eta * d log P / dw, then either projected to weights
that add up to one, or left free (but >= 0) and ascending log S(x) - log Z. L1 shrinks free weights;
on weights that add up to one it would be a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import Bank, LeafBank
from pccore.learn.base import BatchResult, Learner, Method
from pccore.options import option


@dataclass(frozen=True)
class GradientOptions:
    """Options of plain gradient ascent."""

    learning_rate: float = option(0.2, help="step along the gradient", minimum=1e-6, maximum=10.0)
    weights: Literal["simplex", "free"] = option(
        "simplex",
        help="simplex: weights are projected to add up to one; free: any weights >= 0, and the "
        "gradient of S(x)/Z",
    )
    l1: float = option(
        0.0, help="pull of free weights towards 0 (L1 prior)", minimum=0.0, maximum=10.0
    )


class ProjectedGradient(Learner):
    """Gradient ascent; the weights of value 0 that it leaves can be pruned."""

    def __init__(self, program: Program, rows: int, options: GradientOptions) -> None:
        super().__init__(program, rows)
        self.options = options
        self._statistics = program.zero_statistics()

    def batch(self, x: Tensor) -> BatchResult:
        """One step on the mean log-likelihood of the batch."""
        result, gradients = self.gradients(x)
        for bank, gradient in zip(self.program.banks, gradients, strict=True):
            if gradient is not None:
                self._step(bank, gradient)
        return result

    def gradients(self, x: Tensor) -> tuple[BatchResult, list[Tensor | None]]:
        """The gradient for each bank: of the mean over x [B, V] of log S(x), or of log S(x)/Z,
        with respect to the weights, or the unconstrained parameters of leaves; None: fixed.

        Weights of 0 in mixing and scalar sums have none: they stay 0.
        """
        result, own = self._gradients(x)
        if self.options.weights == "simplex":
            return result, own
        everything = x.new_full((1, x.shape[1]), torch.nan)
        whole, shared = self._gradients(everything, divided=False)
        # Impossible rows teach nothing, so Z must not be divided out for them either.
        possible = result.rows - result.impossible
        share = possible / max(1, result.rows)
        total = result.log_likelihood - possible * whole.log_likelihood
        return BatchResult(total, result.rows, result.impossible), [
            a if a is None or b is None else a - share * b for a, b in zip(own, shared, strict=True)
        ]

    def _gradients(
        self, x: Tensor, divided: bool = True
    ) -> tuple[BatchResult, list[Tensor | None]]:
        """d mean log S / d weights, and / d unconstrained leaf parameters; None: does not learn.

        divided: x is this process's part of the rows, or else all of them.
        """
        result = self.expect(x, self._statistics, fresh=True)
        if divided:
            result = self.gather(result, self._statistics)
        rows = max(1, result.rows)
        found: list[Tensor | None] = []
        for bank, statistics in zip(self.program.banks, self._statistics, strict=True):
            if not bank.trainable:
                found.append(None)
            elif isinstance(bank, LeafBank):
                found.append(_leaf_gradient(bank, statistics) / rows)
            else:
                found.append(bank.gradient(statistics) / rows)
        return result, found

    def _step(self, bank: Bank, gradient: Tensor) -> None:
        o = self.options
        if isinstance(bank, LeafBank):
            bank.set(bank.constrain(bank.unconstrain() + o.learning_rate * gradient))
            return
        moved = bank.values + o.learning_rate * gradient
        if o.weights == "simplex":
            bank.set(bank.project(moved))
            return
        moved = (moved - o.learning_rate * o.l1).clamp_min_(0.0)
        # A sum of value 0 could never come back.
        bank.set(torch.where(bank.totals(moved) > 0, moved, bank.values))


def _leaf_gradient(bank: LeafBank, statistics: Tensor) -> Tensor:
    raw = bank.unconstrain().clone().requires_grad_()
    with torch.enable_grad():
        expected = bank.expected_log(bank.constrain(raw), bank.counts(statistics))
        (gradient,) = torch.autograd.grad(expected, raw)
    return gradient


GRADIENT = Method(
    "gradient",
    "Gradient (projected)",
    "Gradient ascent on the weights themselves, projected to sum to one or divided by Z, with L1.",
    GradientOptions,
    ProjectedGradient,
)
