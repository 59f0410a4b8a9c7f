"""What a check says: a verdict per property, a witness per violation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pccore.discovery import Shown
from pccore.graph import Circuit, Unit

Verdict = Literal["yes", "no", "unknown"]

#: Every property that `check` decides, in the order of reports.
PROPERTIES: tuple[str, ...] = (
    "smooth",
    "consistent",
    "decomposable",
    "structured_decomposable",
    "deterministic",
    "normalized",
    "weights",
    "reachable",
    "alternating",
    "alive",
)

#: Properties whose absence is a fault; the others only decide which queries are exact.
FAULTS: frozenset[str] = frozenset({"smooth", "consistent", "decomposable", "weights"})

#: The largest number of witnesses kept per property.
MAX_WITNESSES = 100


@dataclass(frozen=True, slots=True)
class Witness:
    """One place where a property fails.

    unit: the offender. children: those of its children that show it (for structured
    decomposability: the other products). variables: the variables concerned. message: one
    sentence that says all that in words. paths: how a variable arrives, or fails to, one path
    for each side: from a child of the unit down to a leaf over the first of the variables, or
    the child alone that lacks it.
    """

    property: str
    unit: Unit
    children: tuple[Unit, ...]
    variables: tuple[int, ...]
    message: str
    paths: tuple[tuple[Unit, ...], ...] = ()


@dataclass(frozen=True)
class Report(Shown):
    """The verdicts on one circuit.

    properties: verdict by name, only those that were asked for. witnesses: at most
    `MAX_WITNESSES` per property. truncated: about how many more there are, by property.
    """

    circuit: Circuit
    properties: Mapping[str, Verdict]
    witnesses: tuple[Witness, ...]
    truncated: Mapping[str, int] = field(default_factory=dict[str, int])

    def holds(self, name: str) -> bool:
        """Whether the property is known to hold ("unknown" is no)."""
        return self.properties.get(name) == "yes"

    @property
    def valid(self) -> bool:
        """Whether the circuit is smooth and consistent and all its parameters are legal.

        That suffices for S(e) = sum of S(x) over x in e, for all evidence e (Poon & Domingos
        2011, theorem 1). Circuits that are not may satisfy it by luck.
        """
        return all(self.holds(name) for name in ("smooth", "consistent", "weights"))

    @property
    def violations(self) -> tuple[Witness, ...]:
        """The witnesses of faults: what is to be repaired."""
        return tuple(w for w in self.witnesses if w.property in FAULTS)

    def of(self, name: str) -> tuple[Witness, ...]:
        """The witnesses against one property."""
        return tuple(w for w in self.witnesses if w.property == name)

    def to_dict(self) -> dict[str, object]:
        """JSON form, units and variables by name; `notes` are witnesses that are no faults."""
        faults = [self._named(w) for w in self.violations]
        notes = [self._named(w) for w in self.witnesses if w.property not in FAULTS]
        return {
            "valid": self.valid,
            "properties": dict(self.properties),
            "violations": faults,
            "notes": notes,
            "truncated": dict(self.truncated),
        }

    def _named(self, witness: Witness) -> dict[str, object]:
        return {
            "property": witness.property,
            "unit": self.circuit.unit_name(witness.unit),
            "children": [self.circuit.unit_name(child) for child in witness.children],
            "variables": [self.circuit.variables[v] for v in witness.variables],
            "message": witness.message,
        }


@dataclass
class Findings:
    """Witnesses as they are found; beyond the limit they are only counted."""

    witnesses: list[Witness] = field(default_factory=list[Witness])
    counts: dict[str, int] = field(default_factory=dict[str, int])

    def full(self, name: str) -> bool:
        """Whether further witnesses of this property would be dropped."""
        return self.counts.get(name, 0) >= MAX_WITNESSES

    def add(self, witness: Witness) -> None:
        """Keep a witness while there is room."""
        if not self.full(witness.property):
            self.witnesses.append(witness)
        self.count(witness.property)

    def count(self, name: str, more: int = 1) -> None:
        """Count violations without describing them."""
        self.counts[name] = self.counts.get(name, 0) + more

    def verdict(self, name: str) -> Verdict:
        """ "no" if anything was found."""
        return "no" if self.counts.get(name) else "yes"

    @property
    def truncated(self) -> dict[str, int]:
        """What was counted and not kept."""
        return {
            name: count - MAX_WITNESSES
            for name, count in self.counts.items()
            if count > MAX_WITNESSES
        }
