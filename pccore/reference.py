"""The reference: the passes of a circuit written for reading, in float64 numpy.

Works for every circuit, valid or not, one group after the other over explicit lists of edges.
Compiled programs, queries and learners are tested against it. Missing values are NaN; a leaf
over a missing variable has the value 1 (Poon & Domingos 2011, sec. 2: all its indicators
are set to 1, or its density is integrated out).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pccore.discovery import Shown
from pccore.errors import EvidenceError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit, Group, IntArray, LeafGroup, SparseEdges, SumGroup, Unit

FloatArray = npt.NDArray[np.float64]

# Rows of a batch are taken so many at a time that rows * edges stays below this.
_CHUNK = 2**24


@dataclass(frozen=True)
class Trace(Shown):
    """What one upward pass computed.

    x: the evidence, float64 [B, V]. log_values: for each group log S_n(x), float64 [B, size].
    """

    circuit: Circuit
    x: FloatArray
    log_values: tuple[FloatArray, ...]

    def log_value(self, unit: Unit) -> FloatArray:
        """log S_n(x) of one unit, [B]."""
        return self.log_values[unit.group][:, unit.index]

    @property
    def root(self) -> FloatArray:
        """log S(x) of the roots, [B, R]."""
        return np.stack([self.log_value(root) for root in self.circuit.roots], axis=1)


class MaxProduct(NamedTuple):
    """The answer of `max_product`.

    assignment: [V], the evidence completed; NaN for a variable no chosen leaf mentions.
    log_value: the maximum over induced trees. units, edges: the chosen tree, root first.
    """

    assignment: FloatArray
    log_value: float
    units: tuple[Unit, ...]
    edges: tuple[tuple[Unit, Unit], ...]


# -- edges -------------------------------------------------------------------------------


def edge_rows(circuit: Circuit, group: Group) -> SparseEdges:
    """The edges of a sum or product group written out, whatever their kind.

    Children are positions in the concatenation of the input groups' units.
    """
    assert group.kind != "leaf", "leaves have no edges"
    edges = group.edges
    if isinstance(edges, SparseEdges):
        return edges
    sizes = [circuit.groups[i].size for i in group.inputs]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if edges == "dense":
        children = np.tile(np.arange(starts[-1]), (group.size, 1))
    elif edges == "kronecker":
        picks = np.unravel_index(np.arange(group.size), sizes)
        children = np.stack(picks, axis=1) + starts[:-1]
    else:  # elementwise and hadamard: unit k of each input
        children = np.arange(group.size)[:, None] + starts[:-1]
    offsets = np.arange(group.size + 1, dtype=np.int64) * children.shape[1]
    return SparseEdges(offsets, children.reshape(-1).astype(np.int64))


def edge_units(circuit: Circuit, group: Group, children: IntArray) -> list[Unit]:
    """The units at the given positions of the concatenated input groups."""
    sizes = [circuit.groups[i].size for i in group.inputs]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    which = np.searchsorted(starts, children, side="right") - 1
    return [
        Unit(group.inputs[int(w)], int(c - starts[w])) for w, c in zip(which, children, strict=True)
    ]


def log_weights(circuit: Circuit, group: SumGroup) -> FloatArray:
    """log w of each edge, [E], in the order of `edge_rows`; -inf for a zero weight."""
    weights = circuit.params[group.parameter].detach().cpu().double().numpy()
    with np.errstate(divide="ignore"):
        return np.log(weights.reshape(-1))


def _inputs(group: Group, values: list[FloatArray] | tuple[FloatArray, ...]) -> FloatArray:
    """The input groups' values side by side, [B, N]."""
    return np.concatenate([values[i] for i in group.inputs], axis=1)


# -- the upward pass -----------------------------------------------------------------------


def evaluate(circuit: Circuit, x: Evidence) -> Trace:
    """log S_n(x) for every unit and every row of evidence.

    x: anything `evidence_rows` takes; [V] or [B, V] with NaN = missing.
    Raises EvidenceError for a value outside a variable's domain.
    """
    rows = evidence_rows(circuit, x)
    values: list[FloatArray] = []
    for group in circuit.groups:
        if group.kind == "leaf":
            values.append(_leaf_values(circuit, group, rows))
            continue
        edges, children = edge_rows(circuit, group), _inputs(group, values)
        terms = log_weights(circuit, group) if group.kind == "sum" else None
        out = np.empty((len(rows), group.size))
        for part in _chunks(len(rows), len(edges.children)):
            below = children[part][:, edges.children]
            if terms is None:
                out[part] = np.add.reduceat(below, edges.offsets[:-1], axis=1)
            else:
                out[part] = _log_sum(below + terms, edges.offsets)
        values.append(out)
    return Trace(circuit, rows.numpy(), tuple(values))


def _leaf_values(circuit: Circuit, group: LeafGroup, rows: torch.Tensor) -> FloatArray:
    """Sum over the leaf's variables of its log-density, 0 where the variable is missing."""
    params = circuit.params[group.parameter].detach().cpu().double()
    total = torch.zeros((len(rows), group.size), dtype=torch.float64)
    for j, v in enumerate(group.variables):
        x = rows[:, v, None]
        missing = torch.isnan(x)
        known = torch.where(missing, torch.zeros_like(x), x)
        density = group.family.log_prob(known, params[j])
        total = total + torch.where(missing, torch.zeros_like(density), density)
    return total.numpy()


def _log_sum(terms: FloatArray, offsets: IntArray) -> FloatArray:
    """log of the sum of exp over each segment of the columns, [B, E] -> [B, size]."""
    largest = np.maximum.reduceat(terms, offsets[:-1], axis=1)
    shift = np.where(np.isneginf(largest), 0.0, largest)
    scaled = np.exp(terms - np.repeat(shift, np.diff(offsets), axis=1))
    with np.errstate(divide="ignore"):
        return np.log(np.add.reduceat(scaled, offsets[:-1], axis=1)) + shift


def _chunks(rows: int, edges: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(edges, 1))
    return (slice(start, start + step) for start in range(0, rows, step))


# -- the downward pass ---------------------------------------------------------------------


def log_derivatives(
    circuit: Circuit, trace: Trace, root: Unit | None = None
) -> tuple[FloatArray, ...]:
    """log dS/dS_n for every unit, for each group [B, size]; S is `root`, by default the first.

    The derivative of a sum's child is w times the sum's, that of a product's child is the
    product's times all the other children (Poon & Domingos 2011, sec. 2), so a child that is
    zero itself may have a derivative other than zero. -inf for units that do not count.
    """
    rows = len(trace.x)
    down = [np.full((rows, group.size), -np.inf) for group in circuit.groups]
    top = circuit.root if root is None else root
    down[top.group][:, top.index] = 0.0
    for position in range(top.group, -1, -1):
        group = circuit.groups[position]
        if group.kind == "leaf" or bool(np.isneginf(down[position]).all()):
            continue
        edges, children = edge_rows(circuit, group), _inputs(group, trace.log_values)
        terms = log_weights(circuit, group) if group.kind == "sum" else None
        reached = np.full(children.shape, -np.inf)
        for part in _chunks(rows, len(edges.children)):
            arriving = np.repeat(down[position][part], np.diff(edges.offsets), axis=1)
            if terms is None:
                below = children[part][:, edges.children]
                arriving = arriving + _others(below, edges.offsets)
            else:
                arriving = arriving + terms
            np.logaddexp.at(reached[part].T, edges.children, arriving.T)
        start = 0
        for i in group.inputs:
            size = circuit.groups[i].size
            down[i] = np.logaddexp(down[i], reached[:, start : start + size])
            start += size
    return tuple(down)


def _others(below: FloatArray, offsets: IntArray) -> FloatArray:
    """For each edge of each product the log-product of the other children, [B, E].

    Dividing the product by the child would fail where the child is zero.
    """
    lengths = np.diff(offsets)
    zero = np.isneginf(below)
    zeros = np.repeat(np.add.reduceat(zero.astype(np.int64), offsets[:-1], axis=1), lengths, axis=1)
    finite = np.where(zero, 0.0, below)
    total = np.repeat(np.add.reduceat(finite, offsets[:-1], axis=1), lengths, axis=1)
    return np.where(zeros - zero > 0, -np.inf, total - finite)


def flows(circuit: Circuit, trace: Trace, root: Unit | None = None) -> tuple[FloatArray, ...]:
    """F_n = S_n dS/dS_n / S(root) for every unit, for each group [B, size], linear.

    The posterior probability that unit n takes part, or its expected number of occurrences
    where it can occur more than once. Zero where S(root) is zero.
    """
    top = circuit.root if root is None else root
    down = log_derivatives(circuit, trace, top)
    total = trace.log_value(top)[:, None]
    shift = np.where(np.isneginf(total), np.inf, total)
    return tuple(np.exp(v + d - shift) for v, d in zip(trace.log_values, down, strict=True))


def edge_flows(
    circuit: Circuit, trace: Trace, position: int, root: Unit | None = None
) -> FloatArray:
    """F_nc = w_nc S_c dS/dS_n / S(root) of the edges of one sum group, [B, E].

    The expected counts of expectation maximisation, in the order of `edge_rows`.
    """
    group = circuit.groups[position]
    assert group.kind == "sum", "only the edges of sums have weights"
    top = circuit.root if root is None else root
    edges = edge_rows(circuit, group)
    below = _inputs(group, trace.log_values)[:, edges.children]
    down = np.repeat(log_derivatives(circuit, trace, top)[position], np.diff(edges.offsets), axis=1)
    total = trace.log_value(top)[:, None]
    shift = np.where(np.isneginf(total), np.inf, total)
    return np.exp(below + log_weights(circuit, group) + down - shift)


# -- the max pass --------------------------------------------------------------------------


def max_product(circuit: Circuit, x: Evidence, root: Unit | None = None) -> MaxProduct:
    """Most probable completion of one row of evidence by max-product and traceback.

    Sums become maxima over their weighted children, leaves over missing variables take their
    mode (Poon & Domingos 2011, sec. 2). Exact on decomposable circuits that are deterministic
    (selective); elsewhere log_value is the value of the best induced tree, a lower bound on
    the value of the assignment. Where the evidence is impossible the value is -inf and the
    completion is arbitrary.

    Raises EvidenceError for a value outside a domain or for more than one row.
    """
    rows = evidence_rows(circuit, x)
    if len(rows) != 1:
        raise EvidenceError(f"max-product takes one row of evidence, not {len(rows)}")
    top = circuit.root if root is None else root
    values: list[FloatArray] = []
    chosen: dict[int, SparseEdges] = {}
    for position, group in enumerate(circuit.groups):
        if group.kind == "leaf":
            values.append(_leaf_maxima(circuit, group, rows[0]))
            continue
        edges, children = edge_rows(circuit, group), _inputs(group, values)
        below = children[0, edges.children]
        if group.kind == "product":
            chosen[position] = edges
            values.append(np.add.reduceat(below, edges.offsets[:-1])[None])
            continue
        below = below + log_weights(circuit, group)
        best = [int(below[a:b].argmax()) for a, b in _spans(edges.offsets)]
        at = edges.offsets[:-1] + np.array(best)
        chosen[position] = SparseEdges(np.arange(group.size + 1), edges.children[at])
        values.append(below[at][None])
    units, links = _induced_tree(circuit, top, chosen)
    assignment = rows[0].numpy().copy()
    for unit in units:
        _fill(circuit, unit, assignment)
    return MaxProduct(assignment, float(values[top.group][0, top.index]), units, links)


def _spans(offsets: IntArray) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(offsets.tolist())


def _leaf_maxima(circuit: Circuit, group: LeafGroup, row: torch.Tensor) -> FloatArray:
    """Log-density of the observed value or of the mode, [1, size]."""
    params = circuit.params[group.parameter].detach().cpu().double()
    total = torch.zeros(group.size, dtype=torch.float64)
    for j, v in enumerate(group.variables):
        missing = bool(torch.isnan(row[v]))
        value = group.family.mode(params[j]) if missing else row[v].expand(group.size)
        total = total + group.family.log_prob(value, params[j])
    return total[None].numpy()


def _induced_tree(
    circuit: Circuit, top: Unit, chosen: dict[int, SparseEdges]
) -> tuple[tuple[Unit, ...], tuple[tuple[Unit, Unit], ...]]:
    """From the root down along the chosen edges: one below a sum, all below a product."""
    units: list[Unit] = []
    links: list[tuple[Unit, Unit]] = []
    seen = {top}
    stack = [top]
    while stack:
        unit = stack.pop()
        units.append(unit)
        group = circuit.groups[unit.group]
        if group.kind == "leaf":
            continue
        below = edge_units(circuit, group, chosen[unit.group].row(unit.index))
        links += [(unit, child) for child in below]
        fresh = [child for child in dict.fromkeys(below) if child not in seen]
        seen.update(fresh)
        stack += reversed(fresh)
    return tuple(units), tuple(links)


def _fill(circuit: Circuit, unit: Unit, assignment: FloatArray) -> None:
    """Complete the assignment with a leaf's modes; what is set already stays."""
    group = circuit.groups[unit.group]
    if group.kind != "leaf":
        return
    params = circuit.params[group.parameter].detach().cpu().double()
    for j, v in enumerate(group.variables):
        if np.isnan(assignment[v]):
            assignment[v] = float(group.family.mode(params[j, unit.index]))
