"""Evidence as it is typed beside a drawing, and what the circuit says to it, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pc_workbench.views import labels
from pccore.check import Report
from pccore.evidence import parse_evidence, write_evidence
from pccore.graph import Circuit
from pccore.queries import UnitValues

#: Literals that are offered for a click.
MOST_LITERALS = 14
#: Variables whose indicators are written out.
MOST_INDICATORS = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """S(e) in words. equation: `S(X1=1) = 0.69`; notes: what else is to be said, a line each."""

    equation: str
    notes: tuple[str, ...]


def known_names(text: str, variables: Sequence[str]) -> str:
    """The evidence with names in the circuit's spelling: `x1=1, x2=0` says X1 and X2.

    A name that fits no variable, or several, stays as it was typed.
    """
    exact = set(variables)
    folded: dict[str, list[str]] = {}
    for name in variables:
        folded.setdefault(name.casefold(), []).append(name)
    parts: list[str] = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.rpartition("="))
        if not equals:
            if part.strip():
                parts.append(part.strip())
            continue
        found = folded.get(name.casefold(), ())
        if name not in exact and len(found) == 1:
            name = found[0]
        parts.append(f"{name}={value}")
    return ",".join(parts)


def literals(circuit: Circuit) -> dict[str, tuple[str, int]]:
    """The states of the finite variables, in order, by how they are written; {} if too many."""
    found: dict[str, tuple[str, int]] = {}
    for v, name in enumerate(circuit.variables):
        domain = circuit.domains.get(v)
        if domain is None or domain.states is None:
            continue
        order = (1, 0) if domain.states == 2 else range(domain.states)
        if len(found) + domain.states > MOST_LITERALS:
            return {}
        for number in order:
            found[labels.literal(name, number, domain.states)] = (name, number)
    return found


def write(values: Mapping[str, float], circuit: Circuit) -> str:
    """Evidence as a link and `pccore query` take it."""
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    return write_evidence(circuit, known)


def read(text: str, circuit: Circuit) -> dict[str, float]:
    """The observed variables of a text. Raises EvidenceError."""
    return {n: v for n, v in parse_evidence(text, circuit).items() if not math.isnan(v)}


def answer(values: UnitValues, given: Mapping[str, float], report: Report | None) -> Answer:
    """What the circuit says, from the engine's run."""
    said = ", ".join(f"{name}={labels.number(value)}" for name, value in given.items())
    value, total = math.exp(values.log_root), math.exp(values.log_partition)
    equation = f"S({said or '∗'}) = {significant(value)}"
    notes: list[str] = []
    vector = indicators(values.circuit, given)
    if vector:
        notes.append(f"{vector} = {significant(value)}")
    if given:
        notes.append(f"Z = S(∗) = {significant(total)}")
    if report is not None and not report.valid:
        notes.append("The circuit is not known to be valid: S(e) need not be a probability.")
    elif given and total > 0 and abs(total - 1) > 1e-9:
        notes.append(f"P(e) = S(e) / Z = {significant(value / total)}")
    return Answer(equation, tuple(notes))


def indicators(circuit: Circuit, given: Mapping[str, float]) -> str:
    """`S(1, 0, 0, 1) for (x1, x̄1, x2, x̄2)`, as the SPN paper writes it; "" if that is too long."""
    names: list[str] = []
    values: list[str] = []
    if len(circuit.variables) > MOST_INDICATORS:
        return ""
    for v, name in enumerate(circuit.variables):
        domain = circuit.domains.get(v)
        if domain is None or domain.states != 2:
            return ""
        seen = given.get(name)
        for number in (1, 0):
            names.append(labels.literal(name, number, 2))
            values.append("1" if seen is None or seen == number else "0")
    return f"S({', '.join(names)}) = S({', '.join(values)})" if names else ""


def significant(value: float) -> str:
    """Six significant digits: 0.522, 1, 3.2e-09."""
    return f"{value:.6g}"
