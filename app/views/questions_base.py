"""What a question is, and what its makers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pc_workbench.views.lesson_subject import Given, Subject, as_text, states_of
from pc_workbench.views.lesson_terms import show
from pccore.graph import LeafGroup, Unit
from pccore.queries import licence

#: Options of a multiple choice, at most.
OPTIONS = 6
#: How far a typed number may be off, relatively.
TOLERANCE = 0.01
_FEW_LEVELS = 2  # a unit deeper than this is asked with the values of its children


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer.

    kind: a name of `questions.KINDS`. options: of a multiple choice, in which case the answer is
    one of them; else it is a number, right within `tolerance` (relative; 0: exactly). explanation:
    why, in a sentence or two. equation: with the numbers filled in, "" where there is none.
    given: the evidence. units: names of the units in question.
    """

    kind: str
    text: str
    answer: str | float
    explanation: str
    equation: str = ""
    options: tuple[str, ...] = ()
    tolerance: float = TOLERANCE
    given: tuple[tuple[str, float], ...] = ()
    units: tuple[str, ...] = ()


def names_of(subject: Subject, units: Sequence[Unit]) -> list[str] | None:
    """The units as options; None where they are too many or two look alike."""
    names = [subject.shown(unit) for unit in units]
    return names if len(set(names)) == len(names) <= OPTIONS else None


def pick(rng: np.random.Generator, many: Sequence[Unit]) -> Unit | None:
    """One of the units, None of none."""
    return many[int(rng.integers(len(many)))] if many else None


def scope_text(names: Sequence[str]) -> str:
    """`{X1, X2}`."""
    return "{" + ", ".join(names) + "}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def licensed(subject: Subject, query: str) -> bool:
    """Whether the circuit may be asked a query."""
    return licence(subject.report, query).granted


def readable(subject: Subject) -> bool:
    """Whether every leaf says its few numbers in the drawing, so that one can compute by hand."""
    return all(
        len(group.variables) == 1 and group.family.name in ("indicator", "bernoulli")
        for group in subject.circuit.groups
        if isinstance(group, LeafGroup)
    )


def children_hint(subject: Subject, unit: Unit, given: Given) -> str:
    """The values of a unit's children, where computing them is not the question; else ""."""
    levels = subject.circuit.levels
    if int(levels[unit.group]) <= _FEW_LEVELS and readable(subject):
        return ""
    values = subject.values(given)
    found = [f"{subject.shown(c)} = {show(values.value_of(c))}" for c in subject.children(unit)]
    return f" The children have the values {listed(found)}."


def some_evidence(
    subject: Subject, rng: np.random.Generator, least: int = 1, leave: int = 0
) -> Given | None:
    """States of some variables at random, possible together.

    least: variables that are observed at least. leave: how many finite variables stay free.
    None where there are too few finite variables, or nothing possible was found.
    """
    scope = subject.circuit.scopes[subject.circuit.root.group]
    finite = [v for v in scope if states_of(subject.circuit, v) is not None]
    most = min(len(finite) - leave, 4)
    if most < least:
        return None
    for _ in range(8):
        amount = int(rng.integers(least, most + 1))
        chosen = sorted(rng.permutation(finite)[:amount].tolist())
        given: dict[str, float] = {}
        for v in chosen:
            states = states_of(subject.circuit, v) or 1
            given[subject.circuit.variables[v]] = float(rng.integers(states))
        if subject.values(given).log_root > -np.inf:
            return given
    return None


def under(given: Given) -> str:
    """`With X1 = 1 observed`."""
    return f"With {as_text(given)} observed" if given else "With nothing observed"
