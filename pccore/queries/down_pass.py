"""The derivative pass over one row of evidence: every edge of the circuit in flat arrays, by level.

The reference (`pccore.reference.log_derivatives`) goes group by group, which is slow where every
group is one hand-drawn unit. Here all edges of a level are one array operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pccore.graph import Circuit, IntArray, Unit
from pccore.reference import FloatArray, edge_rows, log_weights

#: Unit of a sum -> number of the only child that counts, where its hidden variable is observed.
Chosen = Mapping[Unit, int]


@dataclass(frozen=True)
class Level:
    """The edges of all sums, or of all products, of one level; each unit's edges lie together.

    parents, children: flat numbers of units, [E]. offsets: where each unit's edges begin, [U + 1].
    log_weights: [E], None for products.
    """

    parents: IntArray
    children: IntArray
    offsets: IntArray
    log_weights: FloatArray | None


def starts(circuit: Circuit) -> IntArray:
    """Flat number of the first unit of each group, and the number of units: [groups + 1]."""
    sizes = np.array([group.size for group in circuit.groups], dtype=np.int64)
    return np.concatenate([[0], np.cumsum(sizes)])


def log_weights_under(circuit: Circuit, position: int, chosen: Chosen) -> FloatArray:
    """log w of the edges of a sum group, [E]; -inf on the edges that an observation excludes."""
    group = circuit.groups[position]
    assert group.kind == "sum"
    weights = log_weights(circuit, group)
    if any(unit.group == position for unit in chosen):
        offsets = edge_rows(circuit, group).offsets
        for unit, child in chosen.items():
            if unit.group == position:
                first, last = int(offsets[unit.index]), int(offsets[unit.index + 1])
                kept = weights[first + child]
                weights[first:last] = -np.inf
                weights[first + child] = kept
    return weights


def levels(circuit: Circuit, positions: Sequence[int], chosen: Chosen) -> list[Level]:
    """The edges of the given groups, highest level first."""
    begin = starts(circuit)
    members: dict[tuple[int, str], list[int]] = {}
    for position in positions:
        kind = circuit.groups[position].kind
        if kind != "leaf":
            members.setdefault((int(circuit.levels[position]), kind), []).append(position)
    return [
        _level(circuit, begin, groups, kind == "sum", chosen)
        for (_, kind), groups in sorted(members.items(), reverse=True)
    ]


def _level(
    circuit: Circuit, begin: IntArray, positions: list[int], sums: bool, chosen: Chosen
) -> Level:
    children: list[IntArray] = []
    counts: list[IntArray] = []
    units: list[IntArray] = []
    weights: list[FloatArray] = []
    for position in positions:
        group = circuit.groups[position]
        assert group.kind != "leaf"
        inputs = [np.arange(begin[i], begin[i + 1]) for i in group.inputs]
        below = np.concatenate(inputs)
        edges = edge_rows(circuit, group)
        children.append(below[edges.children])
        counts.append(np.diff(edges.offsets))
        units.append(np.arange(begin[position], begin[position + 1]))
        if sums:
            weights.append(log_weights_under(circuit, position, chosen))
    lengths = np.concatenate(counts)
    return Level(
        np.repeat(np.concatenate(units), lengths),
        np.concatenate(children),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate(weights) if sums else None,
    )


def log_derivatives(
    circuit: Circuit,
    log_values: FloatArray,
    positions: Sequence[int],
    root: int,
    chosen: Chosen,
) -> FloatArray:
    """log dS/dS_n of every unit, [units], flat; -inf where the root does not depend on it.

    log_values: of all units, [units], flat; those of other groups than `positions` are not read.
    root: flat number of S. The derivative of a sum's child is w times the sum's, that of a
    product's child the product's times all the other children (Poon & Domingos 2011, sec. 2).
    """
    down = np.full(len(log_values), -np.inf)
    down[root] = 0.0
    for level in levels(circuit, positions, chosen):
        arriving = down[level.parents]
        if level.log_weights is None:
            arriving = arriving + _others(log_values[level.children], level.offsets)
        else:
            arriving = arriving + level.log_weights
        alive = arriving > -np.inf
        np.logaddexp.at(down, level.children[alive], arriving[alive])
    return down


def _others(below: FloatArray, offsets: IntArray) -> FloatArray:
    """For each edge of each product the log-product of the other children, [E].

    Dividing the product by the child would fail where the child is zero.
    """
    lengths = np.diff(offsets)
    zero: npt.NDArray[np.bool_] = np.isneginf(below)
    zeros = np.repeat(np.add.reduceat(zero.astype(np.int64), offsets[:-1]), lengths)
    finite = np.where(zero, 0.0, below)
    total = np.repeat(np.add.reduceat(finite, offsets[:-1]), lengths)
    return np.where(zeros - zero > 0, -np.inf, total - finite)
