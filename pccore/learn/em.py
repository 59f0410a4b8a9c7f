"""Expectation maximisation: exact on the full batch, or stochastic with a step size.

The E-step is the flow pass, whose edge flows are the expected counts n_{S,N} and whose leaf
statistics are sum_b p_L(x_b) T(x_b) of Peharz et al. 2020, eqs. 6 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import Bank, LeafBank
from pccore.learn.base import BatchResult, Learner, Method
from pccore.options import option

#: Rows whose counts are added up in the program's own precision.
MOST_COUNTS = 2**17
#: What stays uniform of a shared prior: values that the data lack are not impossible.
UNIFORM_SHARE = 0.05


@dataclass(frozen=True)
class EMOptions:
    """Options of full-batch EM."""

    pseudocount: float = option(
        1.0, help="prior observations for each unit's parameters", minimum=0.0, maximum=100.0
    )
    prior: Literal["uniform", "shared"] = option(
        "uniform",
        help="what the pseudo-observations of leaves look like; uniform: every value as often; "
        "shared: like what all units of the region have seen, which suits rare values",
        advanced=True,
    )


@dataclass(frozen=True)
class OnlineEMOptions:
    """Options of stochastic EM."""

    step: float = option(
        0.1,
        help="how far each batch moves the parameters towards its own",
        minimum=1e-4,
        maximum=1.0,
    )
    pseudocount: float = option(
        1.0, help="prior observations for each unit's parameters", minimum=0.0, maximum=100.0
    )
    annealing: float = option(
        1.0,
        help="the step shrinks by this factor after each epoch; 1: it stays",
        minimum=0.5,
        maximum=1.0,
        advanced=True,
    )
    prior: Literal["uniform", "shared"] = option(
        "uniform",
        help="what the pseudo-observations of leaves look like; uniform: every value as often; "
        "shared: like what all units of the region have seen, which suits rare values",
        advanced=True,
    )


class FullEM(Learner):
    """Exact EM: one update for each pass over the data; the likelihood never falls
    (with pseudocount 0; with a pseudocount the posterior never does)."""

    mini_batch = False

    def __init__(self, program: Program, rows: int, options: EMOptions) -> None:
        super().__init__(program, rows)
        self.options = options
        self._statistics = program.zero_statistics()
        #: Rows in `_statistics`; those before are in `_totals`, in float64.
        self._recent = 0
        self._totals: list[Tensor] = []

    def batch(self, x: Tensor) -> BatchResult:
        """Accumulate expected counts."""
        self._recent += len(x)
        if self._recent > MOST_COUNTS:
            self._set_aside()
            self._recent = len(x)
        return self.gather(self.expect(x, self._statistics))

    def _set_aside(self) -> None:
        """Add the counts to the float64 totals before small ones get lost in large ones."""
        if not self._totals:
            self._totals = [torch.zeros_like(s, dtype=torch.float64) for s in self._statistics]
        for total, statistics in zip(self._totals, self._statistics, strict=True):
            total += statistics
            statistics.zero_()

    def state(self) -> dict[str, Tensor]:
        """The counts so far, none at the end of an epoch."""
        if not self._recent and not self._totals:
            return {}
        found = {f"counts.{n}": s.cpu().clone() for n, s in enumerate(self._statistics)}
        found |= {f"totals.{n}": s.cpu().clone() for n, s in enumerate(self._totals)}
        return {**found, "recent": torch.tensor(self._recent)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back the counts."""
        if not state:
            return
        self._recent = int(state["recent"])
        for n, statistics in enumerate(self._statistics):
            statistics.copy_(state[f"counts.{n}"])
        if "totals.0" in state:
            device = self.program.device
            self._totals = [state[f"totals.{n}"].to(device) for n in range(len(self._statistics))]

    def end_epoch(self) -> None:
        """M-step."""
        if self._totals:
            self._set_aside()
            for total, statistics in zip(self._totals, self._statistics, strict=True):
                statistics.copy_(total)
            self._totals = []
        self.gather(BatchResult(0.0, 0, 0), self._statistics)
        o = self.options
        for bank, statistics in zip(self.program.banks, self._statistics, strict=True):
            if bank.trainable:
                rest = _prior(bank, statistics, 1.0, o)
                bank.set(bank.m_step(bank.counts(statistics), rest))
            statistics.zero_()
        self._recent = 0


class OnlineEM(Learner):
    """Stochastic EM: theta <- (1 - step) theta + step * theta_batch (eqs. 8 and 9)."""

    def __init__(self, program: Program, rows: int, options: OnlineEMOptions) -> None:
        super().__init__(program, rows)
        self.options = options
        self._step = options.step
        self._statistics = program.zero_statistics()

    def batch(self, x: Tensor) -> BatchResult:
        """E-step on the batch and a step towards its M-step."""
        seen = self.expect(x, self._statistics, fresh=True)
        result = self.gather(seen, self._statistics)
        # The batch stands for the whole data, so that the prior weighs the same as in full EM.
        scale = self.rows / max(1, result.rows)
        o = self.options
        for bank, statistics in zip(self.program.banks, self._statistics, strict=True):
            if bank.trainable:
                rest = _prior(bank, statistics, scale, o)
                bank.advance(statistics, scale, rest, self._step)
        return result

    def end_epoch(self) -> None:
        """The next epoch takes a smaller step."""
        self._step *= self.options.annealing

    def state(self) -> dict[str, Tensor]:
        """The step."""
        return {"step": torch.tensor(self._step, dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the step of the checkpoint."""
        self._step = float(state["step"])


def _prior(
    bank: Bank, statistics: Tensor, scale: float, options: EMOptions | OnlineEMOptions
) -> float:
    """Add what is shared of the prior to statistics that stand for `scale` times as many rows;
    the pseudocount that is left for the m-step."""
    pseudocount = options.pseudocount
    if options.prior == "uniform" or not pseudocount or not isinstance(bank, LeafBank):
        return pseudocount
    bank.share(statistics, pseudocount * (1.0 - UNIFORM_SHARE) / scale)
    return pseudocount * UNIFORM_SHARE


EM = Method(
    "em",
    "EM, full batch",
    "Exact expectation maximisation; the training likelihood never falls.",
    EMOptions,
    FullEM,
)
ONLINE_EM = Method(
    "online-em",
    "EM, mini-batch",
    "Stochastic expectation maximisation with a step size; fast on large data.",
    OnlineEMOptions,
    OnlineEM,
)
