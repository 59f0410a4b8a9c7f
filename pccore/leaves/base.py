"""The contract of a leaf family: one univariate distribution, vectorised.

A family is a frozen dataclass; its fields are hyperparameters (JSON scalars). Its
parameters live in the store, one entry of `parameter_shape` per unit and variable.
Every family of the package has linear sufficient statistics:

    log p(x; params) = sum_s T_s(x) * c_s(params) + h(x)

with `T = sufficient_statistics`, `c = coefficients`, `h = log_base`. The engine turns a
whole region of leaves into one matrix product of T and c, the flow pass accumulates
sum_b F_b T(x_b), and `m_step` maps such sums back to parameters (Peharz et al. 2020,
sec. 3.1 and eq. 7, with the log-partition folded into the coefficient of a constant
statistic). Missing values are handled outside: a family never sees NaN.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from pccore.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Support:
    """The values a variable can take.

    kind: "finite" (0 .. states - 1), "count" (0, 1, 2, ...) or "real".
    """

    kind: Literal["finite", "count", "real"]
    states: int | None = None

    def contains(self, x: Tensor) -> Tensor:
        """Elementwise membership, bool tensor of the shape of x."""
        if self.kind == "real":
            return torch.isfinite(x)
        inside = (x >= 0) & (x == torch.floor(x))
        return inside & (x < self.states) if self.states is not None else inside & (x < torch.inf)

    def __str__(self) -> str:
        if self.kind == "finite":
            assert self.states is not None
            return f"an integer from 0 to {self.states - 1}"
        return "a non-negative integer" if self.kind == "count" else "a finite number"


@dataclass(frozen=True)
class Summary:
    """What a leaf may know of the data before training, per variable.

    mean, variance: float64 [V]. counts: float64 [V, C] for finite variables, else None.
    """

    mean: Tensor
    variance: Tensor
    counts: Tensor | None = None


@dataclass(frozen=True)
class LeafFamily(ABC):
    """Base class of the leaf families; subclasses are frozen dataclasses in their own file."""

    name: ClassVar[str]
    #: True where sufficient_statistics is the one-hot code of a finite state.
    one_hot: ClassVar[bool] = False
    #: False for families whose parameters are part of the structure (indicators).
    trainable: ClassVar[bool] = True

    @property
    @abstractmethod
    def parameter_shape(self) -> tuple[int, ...]:
        """Shape of the parameters of one unit and variable."""

    @property
    @abstractmethod
    def support(self) -> Support:
        """The values with a density that may be positive."""

    @property
    @abstractmethod
    def num_statistics(self) -> int:
        """S, the number of sufficient statistics."""

    @abstractmethod
    def sufficient_statistics(self, x: Tensor, dim: int = -1, out: Tensor | None = None) -> Tensor:
        """T(x): x [...] inside the support -> [..., S], in the dtype of x; S at `dim`.

        out: where to write the result.
        """

    @abstractmethod
    def coefficients(self, params: Tensor) -> Tensor:
        """c(params): [..., *parameter_shape] -> [..., S]; entries may be -inf (see log_prob)."""

    def write_coefficients(self, params: Tensor, out: Tensor) -> None:
        """c(params), written to `out`."""
        out.copy_(self.coefficients(params))

    def log_base(self, x: Tensor) -> Tensor:
        """h(x): [...] -> [...]; zero unless the family says otherwise."""
        return torch.zeros_like(x)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-density in nats of x [...] under params [..., *parameter_shape], broadcast.

        -inf outside the support.
        """
        inside = self.support.contains(x)
        safe = torch.where(inside, x, torch.zeros_like(x))
        coefficients = self.coefficients(params)
        if self.one_hot:
            # numpy's: torch's own takes more than a second the first time, for reading sympy.
            shape = np.broadcast_shapes(x.shape, coefficients.shape[:-1])
            index = safe.long().unsqueeze(-1).expand(*shape, 1)
            table = coefficients.expand(*shape, coefficients.shape[-1])
            value = torch.gather(table, -1, index).squeeze(-1)
            return torch.where(inside, value, torch.full_like(value, -torch.inf))
        statistics = self.sufficient_statistics(safe)
        # 0 * -inf means "this impossible event did not happen": it adds nothing.
        terms = torch.where(statistics == 0, torch.zeros_like(statistics), statistics)
        product = torch.where(
            terms == 0, torch.zeros_like(terms * coefficients), terms * coefficients
        )
        value = product.sum(-1) + self.log_base(safe)
        return torch.where(inside, value, torch.full_like(value, -torch.inf))

    def probabilities(self, params: Tensor) -> Tensor:
        """P(x = c) for every state c of a finite family: [..., *P] -> [..., C]."""
        if self.one_hot:
            return torch.exp(self.coefficients(params))
        states = self.support.states
        assert states is not None, "only finite families have a table"
        grid = torch.arange(states, dtype=params.dtype, device=params.device)
        axis = params.ndim - len(self.parameter_shape)
        return torch.exp(self.log_prob(grid, params.unsqueeze(axis)))

    def mass(self, params: Tensor) -> Tensor | None:
        """What the densities of all values add up to, [...]; None where that is always one."""
        return None

    @abstractmethod
    def m_step(self, statistics: Tensor, pseudocount: float) -> Tensor:
        """Maximum a posteriori parameters from summed statistics [..., S] -> [..., *P].

        `pseudocount` is in units of observations, spread over the family's default.
        Where there is nothing to learn from (zero statistics, zero pseudocount) the
        result is the family's default, never NaN.
        """

    def observations(self, statistics: Tensor) -> Tensor:
        """How many values summed statistics [..., S] are of, [...]; here statistics add up to one
        for each value."""
        return statistics.sum(-1)

    def blend(self, old: Tensor, new: Tensor, step: float) -> Tensor:
        """(1 - step) * old + step * new in expectation parameters (EiNet paper, eq. 9)."""
        return torch.lerp(old, new, step)

    def advance(
        self, params: Tensor, statistics: Tensor, scale: float, pseudocount: float, step: float
    ) -> None:
        """Blend params [..., *P], in place, by `step` with the m-step of scale * statistics.

        Entries that no sample reached stay. Overwrites the statistics [..., S].
        """
        target = self.m_step(statistics.mul_(scale), pseudocount)
        # Every family's statistics are zero exactly where the flow was.
        reached = statistics.abs().sum(-1) > 0
        reached = reached.reshape(reached.shape + (1,) * len(self.parameter_shape))
        params.copy_(torch.where(reached, self.blend(params, target, step), params))

    @abstractmethod
    def initial(
        self, shape: tuple[int, ...], generator: torch.Generator, summary: Summary | None
    ) -> Tensor:
        """Random float32 start values [d, K, *P] for shape = (d, K).

        `summary`, where given, is restricted to the d variables of the group.
        """

    @abstractmethod
    def sample(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """One draw for each entry: [..., *P] -> [...]."""

    @abstractmethod
    def mode(self, params: Tensor) -> Tensor:
        """A most probable value: [..., *P] -> [...]."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Expectation: [..., *P] -> [...]."""

    @abstractmethod
    def variance(self, params: Tensor) -> Tensor:
        """Variance: [..., *P] -> [...]."""

    @abstractmethod
    def validate(self, params: Tensor) -> None:
        """Raise ParameterError unless every entry is a legal parameter."""

    def constrain(self, raw: Tensor) -> Tensor:
        """Map unconstrained reals to legal parameters (for gradient learning)."""
        return raw

    def unconstrain(self, params: Tensor) -> Tensor:
        """A right inverse of constrain."""
        return params

    def recentred(self, params: Tensor, shift: Tensor, out: Tensor | None = None) -> Tensor | None:
        """Parameters of x - shift, or None where shifting leaves the family. out: where to write.

        The engine works on shifted data where it can, which keeps squares small.
        """
        return None

    def recentred_statistics(self, statistics: Tensor, shift: Tensor) -> Tensor:
        """Summed statistics [..., S] of x - shift [...] from those of x.

        Only for families that `recentred` has an answer for.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Name and hyperparameters, as the files store them."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"family": self.name, **fields}

    def _require(self, legal: Tensor, params: Tensor, what: str) -> None:
        """Raise ParameterError at the first entry of `params` where `legal` is False."""
        if bool(legal.all()):
            return
        position = tuple(int(i) for i in torch.nonzero(~legal)[0])
        value = params[position]
        shown = value.tolist() if value.ndim else float(value)
        raise ParameterError(f"{self.name} parameter {shown} at position {list(position)} {what}")


def uniform_noise(
    shape: tuple[int, ...], generator: torch.Generator, low: float, high: float
) -> Tensor:
    """Float32 uniform numbers on [low, high)."""
    return torch.rand(shape, generator=generator) * (high - low) + low
