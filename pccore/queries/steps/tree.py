"""An induced tree: one child of every sum, all children of every product, and its product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pccore.errors import OptionError
from pccore.graph import Unit
from pccore.queries.steps.base import (
    MAX_UNITS,
    Scale,
    added,
    factor,
    is_leaf,
    joined,
    name_of,
    number,
    scaled,
)
from pccore.queries.values import UnitValues


@dataclass(frozen=True)
class InducedTree:
    """The units and edges that a trace from the top down has chosen.

    units: in the order of the trace, the top first. edges: (parent, child, log of the weight, None
    below products). leaves: log of the value of each leaf, at the values that it was given. A unit
    that the trace meets twice (in a circuit that is not decomposable) is there once.
    """

    units: tuple[Unit, ...]
    edges: tuple[tuple[Unit, Unit, float | None], ...]
    leaves: Mapping[Unit, float]

    @property
    def log_value(self) -> float:
        """log of the product of all weights and leaf values."""
        weights = [weight for _, _, weight in self.edges if weight is not None]
        return float(np.sum([*weights, *self.leaves.values()]))


def follow(
    values: UnitValues, top: Unit, chosen: Mapping[Unit, int], most: int = MAX_UNITS
) -> list[Unit]:
    """The units of the tree in the order of the trace; chosen: the child of each sum.

    A sum that `chosen` lacks ends the trace there: it is the next to be chosen. Raises OptionError
    for more than `most` units.
    """
    circuit = values.circuit
    order: list[Unit] = []
    seen = {top}
    stack = [top]
    while stack:
        unit = stack.pop()
        order.append(unit)
        if len(order) > most:
            raise OptionError(
                f"the induced tree below {circuit.unit_name(top)} has more than {most} units",
                hint="zoom into a unit further down, once it is selected",
            )
        if is_leaf(circuit, unit):
            continue
        edges = circuit.children(unit)
        if circuit.groups[unit.group].kind == "sum":
            edges = [edges[chosen[unit]]] if unit in chosen else []
        for edge in reversed(edges):
            if edge.child not in seen:
                seen.add(edge.child)
                stack.append(edge.child)
    return order


def induced_tree(
    values: UnitValues,
    order: Sequence[Unit],
    chosen: Mapping[Unit, int],
    leaves: Mapping[Unit, float],
) -> InducedTree:
    """The tree of the units that `follow` gives."""
    circuit = values.circuit
    edges: list[tuple[Unit, Unit, float | None]] = []
    for unit in order:
        below = circuit.children(unit)
        if circuit.groups[unit.group].kind == "sum":
            edge = below[chosen[unit]]
            weight = edge.weight or 0.0
            edges.append((unit, edge.child, math.log(weight) if weight > 0 else -math.inf))
        else:
            edges += [(unit, edge.child, None) for edge in below]
    return InducedTree(tuple(order), tuple(edges), dict(leaves))


def written_tree(values: UnitValues, tree: InducedTree, scale: Scale = "linear") -> tuple[str, str]:
    """(equation, filled) of the tree's product: its weights times its leaves' values."""
    circuit = values.circuit
    weighted = [(a, b, w) for a, b, w in tree.edges if w is not None]
    symbols = [f"w({name_of(circuit, a)}→{name_of(circuit, b)})" for a, b, _ in weighted]
    symbols += [name_of(circuit, leaf) for leaf in tree.leaves]
    numbers = [*(w for _, _, w in weighted), *tree.leaves.values()]
    result = number(scaled(tree.log_value, scale))
    if scale == "log":
        equation = joined([f"log {symbol}" for symbol in symbols], " + ")
        return equation, f"{added(numbers)} = {result}"
    filled = joined([factor(scaled(value, "linear")) for value in numbers], "·")
    return joined(symbols, " · "), f"{filled} = {result}" if filled != result else result
