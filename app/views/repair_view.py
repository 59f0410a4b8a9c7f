"""What a repair did, in numbers: before and after, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pc_workbench.views import labels
from pccore import oracle
from pccore.check import FAULTS, Witness, check
from pccore.consequence import Consequence, consequence
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.reference import evaluate
from pccore.repair import Preserves, Repair

#: Colour of the badge and its words, for what a repair says that it preserves.
PRESERVES: Mapping[Preserves, tuple[Literal["green", "orange"], str]] = {
    "exact": ("green", "keeps S(x)"),
    "distribution": ("green", "keeps P(x)"),
    "changes": ("orange", "changes the distribution"),
}
#: States times edges that are enumerated to compare the two.
MAX_WORK = 20_000_000
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Outcome:
    """A repair that was tried.

    agreement: what enumeration of all complete states found: the same S, the same distribution,
    another one; "" where there are too many. rows: (what, before, after) for a table.
    """

    before: Circuit
    after: Circuit
    agreement: Literal["exact", "distribution", "changes", ""]
    rows: tuple[tuple[str, str, str], ...]

    @property
    def sentence(self) -> str:
        """What became of the distribution."""
        return {
            "exact": "Checked by enumeration: S(x) of every complete state is what it was.",
            "distribution": "Checked by enumeration: the distribution is what it was.",
            "changes": "Checked by enumeration: this is another distribution.",
            "": "Not enumerated: there are too many states.",
        }[self.agreement]


def outcome(circuit: Circuit, witness: Witness, repair: Repair) -> Outcome:
    """Apply a repair and compare. Raises OptionError where it cannot be applied."""
    after = repair.apply()
    legal = check(circuit, ("weights",)).holds("weights")
    rows = [
        ("Violations", str(_faults(circuit)), str(_faults(after))),
        ("Units", f"{circuit.num_units:,}", f"{after.num_units:,}"),
    ]
    if legal:
        rows.append(("S(∗), nothing observed", _value(circuit, {}), _value(after, {})))
        rows += _consequence_rows(circuit, after, consequence(circuit, witness))
    return Outcome(circuit, after, _agreement(circuit, after) if legal else "", tuple(rows))


def _faults(circuit: Circuit) -> int:
    report = check(circuit, FAULTS)
    return len(report.violations) + sum(report.truncated.values())


def _value(circuit: Circuit, evidence: Mapping[str, float]) -> str:
    return labels.number(math.exp(float(evaluate(circuit, dict(evidence)).root[0, 0])))


def _consequence_rows(
    circuit: Circuit, after: Circuit, found: Consequence | None
) -> list[tuple[str, str, str]]:
    if found is None or found.unit != circuit.root:
        return []
    given = ", ".join(f"{name}={value:g}" for name, value in found.evidence.items()) or "∗"
    try:
        truth = labels.number(math.exp(oracle.log_measure(after, dict(found.evidence))))
    except PCError:
        truth = "not enumerated"
    rows = [(f"Sum over the states in {given}", labels.number(found.truth), truth)]
    if found.evidence:
        rows.insert(
            0, (f"S({given})", labels.number(found.computed), _value(after, found.evidence))
        )
    return rows


def _agreement(before: Circuit, after: Circuit) -> Literal["exact", "distribution", "changes", ""]:
    """Compare S at all complete states of the circuit before."""
    scope = before.scope_of(0)
    sizes: list[Any] = [before.domain(v).states for v in scope]
    edges = before.num_edges + after.num_edges + 1
    if None in sizes or math.prod(sizes) * edges > MAX_WORK or math.prod(sizes) > oracle.LIMIT:
        return ""
    states = oracle.states(before)
    old = np.exp(evaluate(before, states).root[:, 0])
    new = np.exp(evaluate(after, states).root[:, 0])
    if np.allclose(old, new, rtol=_TOLERANCE, atol=1e-300):
        return "exact"
    totals = float(old.sum()), float(new.sum())
    if min(totals) > 0 and np.allclose(old / totals[0], new / totals[1], rtol=_TOLERANCE, atol=0):
        return "distribution"
    return "changes"
