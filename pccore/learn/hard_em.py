"""Hard EM: each row counts for the one induced tree that explains it best.

Poon & Domingos 2011, algorithm 1 and sec. 4: the counts of the winning children, kept from batch to
batch, are the weights. Unlike gradients and soft counts they do not fade with the depth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import Bank, LeafBank
from pccore.learn.base import BatchResult, Learner, Method
from pccore.options import option

#: Counts below this are what is left of forgotten ones: they make no edge a winner.
FORGOTTEN = 1e-3


@dataclass(frozen=True)
class HardEMOptions:
    """Options of hard EM."""

    up: Literal["sum", "max"] = option(
        "sum",
        help="which tree explains a row; sum: sums on the way up and maxima down; max: the most "
        "probable tree (max-product)",
    )
    smoothing: float = option(
        0.1, help="count added to every edge; 1: add-one smoothing", minimum=0.0, maximum=1000.0
    )
    sparsity: float = option(
        0.0,
        help="L0 prior: nats that an edge costs that no row has chosen yet; 0: none",
        minimum=0.0,
        maximum=100.0,
    )
    memory: float = option(
        0.5,
        help="share of the counts kept from one epoch to the next; 1: all of them, as in the paper",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    pseudocount: float = option(
        1.0,
        help="prior observations for each leaf's parameters",
        minimum=0.0,
        maximum=100.0,
        advanced=True,
    )
    leaves: bool = option(True, help="whether the leaves learn, or the weights only", advanced=True)


class HardEM(Learner):
    """Mini-batch hard EM; batches of one row make it online."""

    def __init__(self, program: Program, rows: int, options: HardEMOptions) -> None:
        super().__init__(program, rows)
        self.options = options
        self._statistics = program.zero_statistics()
        self._counts = [
            torch.zeros_like(_counts(bank, given))
            for bank, given in zip(program.banks, self._statistics, strict=True)
        ]

    def batch(self, x: Tensor) -> BatchResult:
        """Count the trees of the batch, then set the parameters by all counts so far."""
        for statistics in self._statistics:
            statistics.zero_()
        result = self.expect.hard(x, self._statistics, self.options.up)
        result = self.gather(result, self._statistics)
        for bank, counts, statistics in zip(
            self.program.banks, self._counts, self._statistics, strict=True
        ):
            if not bank.trainable:
                continue
            counts += _counts(bank, statistics)
            if not isinstance(bank, LeafBank):
                reached = bank.totals(counts) > FORGOTTEN
                shares = bank.m_step(self._smoothed(counts), 0.0)
                # A sum that no row reaches keeps its weights: made even, sums would be twins.
                bank.set(torch.where(reached, shares, bank.values))
            elif self.options.leaves:
                bank.set(bank.m_step(bank.local(counts), self.options.pseudocount))
        return result

    def _smoothed(self, counts: Tensor) -> Tensor:
        """Counts with the smoothing of their edges; the L0 prior discounts it where none won."""
        o = self.options
        unused = o.smoothing * math.exp(-o.sparsity)
        return counts + torch.where(counts > FORGOTTEN, o.smoothing, unused)

    def end_epoch(self) -> None:
        """Forget part of the counts, which belong to older parameters."""
        for counts in self._counts:
            counts *= self.options.memory

    def state(self) -> dict[str, Tensor]:
        """The counts."""
        return {f"counts.{n}": counts.cpu().clone() for n, counts in enumerate(self._counts)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back the counts."""
        for n, counts in enumerate(self._counts):
            counts.copy_(state[f"counts.{n}"])


def _counts(bank: Bank, statistics: Tensor) -> Tensor:
    """The counts of a batch in a form that those of other batches can be added to."""
    counts = bank.counts(statistics)
    return bank.absolute(counts) if isinstance(bank, LeafBank) else counts


HARD_EM = Method(
    "hard-em",
    "Hard EM",
    "Counts the best induced tree of each row; sparse and quick, the learner of the SPN paper.",
    HardEMOptions,
    HardEM,
)
