"""Which properties a circuit has, with a witness for each violation.

smooth                   the children of a sum have one scope (complete, in the SPN paper)
consistent               no variable occurs with different states in two children of a product
decomposable             no variable occurs in two children of a product
structured_decomposable  one tree of variables suits every product
deterministic            at most one child of a sum is positive, whatever the assignment
normalized               the weights of every sum add up to one
weights                  every parameter is there, of the right shape, finite and legal
reachable                every group is below some root
alternating              no child of a sum is a sum, none of a product a product
alive                    every unit can count: positive weights lead to it and leave it positive

Smooth, consistent and legal weights make a circuit valid. Normalisation, determinism and
structure only decide which queries are exact and cheap. Groups that no root depends on
count for "weights" and "reachable" alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from pccore.check.determinism import check_deterministic
from pccore.check.literals import Layout, UnitSets
from pccore.check.notes import check_alive, check_alternating, check_reachable
from pccore.check.report import (
    FAULTS,
    MAX_WITNESSES,
    PROPERTIES,
    Findings,
    Report,
    Verdict,
    Witness,
)
from pccore.check.structure import (
    check_consistent,
    check_decomposable,
    check_smooth,
    partitions,
)
from pccore.check.vtree import check_structured
from pccore.check.walk import live_groups
from pccore.check.weights import check_normalized, check_weights
from pccore.errors import NotFoundError
from pccore.graph import Circuit

__all__ = [
    "FAULTS",
    "MAX_WITNESSES",
    "PROPERTIES",
    "Report",
    "Verdict",
    "Witness",
    "check",
]


def check(circuit: Circuit, properties: Iterable[str] | None = None) -> Report:
    """The report on all `PROPERTIES`, or on some of them (which is faster).

    Linear in the number of groups, but for determinism and structured decomposability, which
    say "unknown" where a proof or a counter-example would take too long. Broken parameters
    are reported, never raised.

    Raises NotFoundError for a property that does not exist.
    """
    asked = set(PROPERTIES if properties is None else properties)
    unknown = asked - set(PROPERTIES)
    if unknown:
        raise NotFoundError(
            f"there is no property {min(unknown)!r}; known are {', '.join(PROPERTIES)}"
        )
    findings = Findings()
    verdicts: dict[str, Verdict] = {}
    live = live_groups(circuit)
    broken = frozenset[int]()
    overlapping = list[int]()
    if asked & {"decomposable", "consistent", "structured_decomposable"}:
        overlapping = check_decomposable(circuit, live, findings)
        verdicts["decomposable"] = findings.verdict("decomposable")
    if asked & {"weights", "normalized", "deterministic", "alive"} or overlapping:
        broken = check_weights(circuit, findings)
        verdicts["weights"] = findings.verdict("weights")
    if "smooth" in asked:
        check_smooth(circuit, live, findings)
        verdicts["smooth"] = findings.verdict("smooth")
    if "consistent" in asked:
        if overlapping:
            sets = UnitSets(circuit, Layout.of(circuit), "appearing", broken)
            check_consistent(circuit, overlapping, sets, findings)
        verdicts["consistent"] = findings.verdict("consistent")
    if "structured_decomposable" in asked:
        structured: Verdict = "no"
        if not overlapping:
            structured = check_structured(circuit, partitions(circuit, live), findings)
        verdicts["structured_decomposable"] = structured
    if "deterministic" in asked:
        verdicts["deterministic"] = check_deterministic(circuit, live, broken, findings)
    _check_notes(circuit, asked, live, broken, findings, verdicts)
    return Report(
        circuit,
        {name: verdicts[name] for name in PROPERTIES if name in asked},
        tuple(w for w in findings.witnesses if w.property in asked),
        {name: n for name, n in findings.truncated.items() if name in asked},
    )


def _check_notes(
    circuit: Circuit,
    asked: set[str],
    live: list[bool],
    broken: frozenset[int],
    findings: Findings,
    verdicts: dict[str, Verdict],
) -> None:
    """What is worth knowing, but no fault."""
    if "normalized" in asked:
        check_normalized(circuit, live, broken, findings)
        verdicts["normalized"] = findings.verdict("normalized")
    if "reachable" in asked:
        check_reachable(circuit, live, findings)
        verdicts["reachable"] = findings.verdict("reachable")
    if "alternating" in asked:
        check_alternating(circuit, live, findings)
        verdicts["alternating"] = findings.verdict("alternating")
    if "alive" in asked:
        verdicts["alive"] = check_alive(circuit, live, broken, findings)
