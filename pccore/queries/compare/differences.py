"""What is different in how two circuits are built, unit by unit (or group by group)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pccore.drawing.texts import number
from pccore.graph import Circuit, Unit
from pccore.queries.compare.matching import Matching, match
from pccore.queries.compare.sides import Side, listed, sides

Status = Literal["added", "removed", "changed"]

#: Relative difference of numbers that is taken for rounding.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class UnitDifference:
    """A unit (or group) that is only in one circuit, or not the same in both.

    name: in the second circuit, in the first if removed. scope: names of its variables. what: a
    sentence for each difference.
    """

    status: Status
    first: Unit | None
    second: Unit | None
    name: str
    kind: str
    scope: tuple[str, ...]
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EdgeDifference:
    """An edge that is only in one circuit, or has another weight: (parent, child) in each."""

    status: Status
    first: tuple[Unit, Unit] | None
    second: tuple[Unit, Unit] | None
    weights: tuple[float | None, float | None]


@dataclass(frozen=True)
class Differences:
    """The alignment of two circuits and what differs.

    level: whether units or groups were compared; then a group stands as its unit 0. pairs: what
    corresponds to a unit of the first circuit in the second. same: pairs without a difference.
    """

    level: Literal["unit", "group"]
    pairs: Mapping[Unit, Unit]
    units: tuple[UnitDifference, ...]
    edges: tuple[EdgeDifference, ...]
    same: int

    @property
    def identical(self) -> bool:
        """Whether structure and parameters agree; names may differ."""
        return not self.units and not self.edges

    @cached_property
    def back(self) -> Mapping[Unit, Unit]:
        """What corresponds to a unit of the second circuit in the first."""
        return {second: first for first, second in self.pairs.items()}

    def count(self, status: Status) -> int:
        """The number of units that were added, removed or changed."""
        return sum(one.status == status for one in self.units)


def differences(first: Circuit, second: Circuit) -> Differences:
    """Align two circuits by scope, kind and likeness, and say what differs.

    The circuits may be broken and over different variables. Unit by unit up to some thousand
    units, else group by group. Raises OptionError for circuits of too many groups.
    """
    a, b = sides(first, second)
    found = match(a, b)
    units: list[UnitDifference] = []
    edges: list[EdgeDifference] = []
    for i in range(len(a)):
        if i not in found.to:
            units.append(_lonely("removed", a, i))
            edges += [
                EdgeDifference("removed", (a.place[i], a.place[c]), None, (w, None))
                for c, w in _edges_of(a, i)
            ]
    changed = 0
    for j in range(len(b)):
        i = found.back.get(j)
        if i is None:
            units.append(_lonely("added", b, j))
            edges += [
                EdgeDifference("added", None, (b.place[j], b.place[c]), (None, w))
                for c, w in _edges_of(b, j)
            ]
            continue
        what, more = _compare(found, i, j)
        edges += more
        if what:
            changed += 1
            units.append(
                UnitDifference(
                    "changed", a.place[i], b.place[j], b.name[j], _kind(b, j), _scope(b, j), what
                )
            )
    return Differences(
        "unit" if a.by_unit else "group",
        {a.place[i]: b.place[j] for i, j in found.to.items()},
        tuple(units),
        tuple(edges),
        len(found.to) - changed,
    )


def _edges_of(side: Side, i: int) -> list[tuple[int, float | None]]:
    weights = side.weights[i]
    children = side.children[i]
    return list(zip(children, weights if weights is not None else [None] * len(children)))  # noqa: B905


def _lonely(status: Literal["added", "removed"], side: Side, i: int) -> UnitDifference:
    place = side.place[i]
    first, second = (place, None) if status == "removed" else (None, place)
    below = side.children[i]
    what = (f"above {listed(side, below)}",) if below else ()
    return UnitDifference(
        status, first, second, side.name[i], _kind(side, i), _scope(side, i), what
    )


def _compare(found: Matching, i: int, j: int) -> tuple[tuple[str, ...], list[EdgeDifference]]:
    """The differences of a pair, in words and as edges."""
    a, b = found.first, found.second
    what: list[str] = []
    if a.scope[i] != b.scope[j]:
        mine, other = _scope(a, i), _scope(b, j)
        lost = [name for name in mine if name not in other]
        won = [name for name in other if name not in mine]
        what += [f"no longer over {_few(lost)}"] if lost else []
        what += [f"now also over {_few(won)}"] if won else []
    if not _near(a.numbers[i], b.numbers[j]):
        what.append(f"parameters {_numbers(a.numbers[i])} → {_numbers(b.numbers[j])}")
    if a.digest[i] != b.digest[j]:
        what.append("other parameters" if a.circuit.groups[i].kind != "product" else "other edges")
    told, edges = _children(found, i, j)
    return (*what, *told), edges


def _children(found: Matching, i: int, j: int) -> tuple[list[str], list[EdgeDifference]]:
    """Edges of a pair: those of the first are looked for among those of the second."""
    a, b = found.first, found.second
    waiting: dict[int, list[float | None]] = {}
    for child, weight in _edges_of(b, j):
        waiting.setdefault(child, []).append(weight)
    what: list[str] = []
    edges: list[EdgeDifference] = []
    for child, weight in _edges_of(a, i):
        partner = found.to.get(child)
        above = (a.place[i], a.place[child])
        if partner is None or not waiting.get(partner):
            what.append(f"child {a.name[child]} removed")
            edges.append(EdgeDifference("removed", above, None, (weight, None)))
            continue
        other = waiting[partner].pop(0)
        if not _close(weight, other):
            what.append(f"weight of {b.name[partner]}: {_weight(weight)} → {_weight(other)}")
            below = (b.place[j], b.place[partner])
            edges.append(EdgeDifference("changed", above, below, (weight, other)))
    for child, weights in waiting.items():
        for weight in weights:
            text = f", weight {_weight(weight)}" if weight is not None else ""
            what.append(f"child {b.name[child]} added{text}")
            pair = (b.place[j], b.place[child])
            edges.append(EdgeDifference("added", None, pair, (None, weight)))
    return what, edges


def _kind(side: Side, i: int) -> str:
    group = side.circuit.groups[side.place[i].group]
    return f"{group.family.name} leaf" if group.kind == "leaf" else group.kind


def _scope(side: Side, i: int) -> tuple[str, ...]:
    return tuple(side.circuit.variables[v] for v in side.circuit.scopes[side.place[i].group])


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _numbers(values: tuple[float, ...]) -> str:
    shown = ", ".join(number(v) for v in values[:4])
    return f"({shown}, …)" if len(values) > 4 else shown if len(values) == 1 else f"({shown})"


def _weight(value: float | None) -> str:
    return "unknown" if value is None else number(value)


def _near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return len(a) == len(b) and all(_close(x, y) for x, y in zip(a, b, strict=True))


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
