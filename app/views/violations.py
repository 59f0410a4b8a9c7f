"""What the check found, in words: verdicts with their meaning, faults and notes as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pccore.check import FAULTS, PROPERTIES, Report, Witness
from pccore.queries import Query, licence, queries

#: What a property says, and what it is good for; one line each.
MEANINGS: Mapping[str, tuple[str, str]] = {
    "smooth": ("smooth", "sums: equal scopes"),
    "consistent": ("consistent", "no contradiction below"),
    "decomposable": ("decomposable", "no shared variables"),
    "structured_decomposable": ("structured", "one tree fits all"),
    "deterministic": ("deterministic", "one child positive"),
    "normalized": ("normalized", "weights add up to 1"),
    "weights": ("legal weights", "no parameter is amiss"),
    "reachable": ("reachable", "every part is below a root"),
    "alternating": ("alternating", "no sum below a sum"),
    "alive": ("alive", "every part can count"),
}
_SELDOM = frozenset({"weights", "reachable", "alternating", "alive"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A property, whether it holds, and whether its absence is a fault."""

    name: str
    title: str
    meaning: str
    answer: Literal["yes", "no", "unknown"]
    fault: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A witness as a sentence. number: its place among all witnesses of the report."""

    number: int
    sentence: str
    fault: bool
    witness: Witness


@dataclass(frozen=True, slots=True)
class Permission:
    """A query: may it be asked, how good is the answer, and what it lacks."""

    query: Query
    granted: bool
    quality: str
    reason: str


def verdicts(report: Report) -> list[Verdict]:
    """The properties in their order; those that mostly hold only where they fail."""
    found: list[Verdict] = []
    for name in PROPERTIES:
        answer = report.properties.get(name, "unknown")
        if name in _SELDOM and answer == "yes":
            continue
        title, meaning = MEANINGS[name]
        found.append(Verdict(name, title, meaning, answer, name in FAULTS and answer == "no"))
    return found


def findings(report: Report) -> list[Finding]:
    """All witnesses, faults first, in the order of the report."""
    found = [
        Finding(number, sentence(witness.message), witness.property in FAULTS, witness)
        for number, witness in enumerate(report.witnesses)
    ]
    return sorted(found, key=lambda one: not one.fault)


def sentence(message: str) -> str:
    """A message with a capital and a full stop."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def summary(report: Report) -> str:
    """The state of the circuit in one line."""
    faults = sum(w.property in FAULTS for w in report.witnesses)
    faults += sum(n for name, n in report.truncated.items() if name in FAULTS)
    if not faults:
        return "A valid circuit: no violations."
    one = "violation" if faults == 1 else "violations"
    still = " Its answers happen to need none of what is broken." if report.valid else ""
    return f"{faults:,} {one} found.{still}"


def permissions(report: Report) -> list[Permission]:
    """Every query of the table, and whether this circuit may be asked it."""
    found: list[Permission] = []
    for name, query in queries().items():
        one = licence(report, name)
        needs = f"needs {' and '.join(MEANINGS[p][0] for p in one.missing)}"
        found.append(Permission(query, one.granted, one.quality, needs if one.missing else ""))
    return found
