"""Notes that are no faults: what no root depends on, dead parts, sums below sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pccore.check.report import Findings, Verdict, Witness
from pccore.check.walk import child_units, input_starts
from pccore.graph import Circuit, Group, SparseEdges, Unit

Mask = npt.NDArray[np.bool_]  # [size] for each group


def check_reachable(circuit: Circuit, live: list[bool], findings: Findings) -> None:
    """Every group is below some root."""
    for position, alive in enumerate(live):
        if not alive:
            group = circuit.groups[position]
            message = f"no root depends on {group.kind} {group.name}"
            findings.add(Witness("reachable", Unit(position, 0), (), (), message))


def check_alternating(circuit: Circuit, live: list[bool], findings: Findings) -> None:
    """No child of a sum is a sum, no child of a product a product."""
    kinds = [group.kind for group in circuit.groups]
    for position, group in enumerate(circuit.groups):
        if not live[position] or group.kind == "leaf":
            continue
        same = {i for i in group.inputs if kinds[i] == group.kind}
        if not same:
            continue
        for index in range(group.size):
            if findings.full("alternating"):
                findings.count("alternating", group.size - index)
                break
            unit = Unit(position, index)
            child = next((c for c in child_units(circuit, unit) if c.group in same), None)
            if child is not None:
                message = (
                    f"{group.kind} {circuit.unit_name(unit)} has the {group.kind} "
                    f"{circuit.unit_name(child)} as a child: the two could be one"
                )
                findings.add(Witness("alternating", unit, (child,), (), message))


def check_alive(
    circuit: Circuit, live: list[bool], broken: frozenset[int], findings: Findings
) -> Verdict:
    """Every unit below a root can count: a path of positive weights leads to it, and its own
    weights leave it positive somewhere."""
    if any(live[position] for position in broken):
        return "unknown"
    positive = _positive(circuit, live)
    reached = _reached(circuit, live, positive)
    for position, group in enumerate(circuit.groups):
        if not live[position]:
            continue
        dead = np.flatnonzero(~(positive[position] & reached[position])).tolist()
        for n, index in enumerate(dead):
            if findings.full("alive"):
                findings.count("alive", len(dead) - n)
                break
            unit = Unit(position, index)
            name = f"{group.kind} {circuit.unit_name(unit)}"
            if not positive[position][index]:
                message = f"{name} is zero everywhere: all its weights are zero, or a factor's are"
            else:
                message = f"{name} never counts: no root reaches it by positive weights"
            findings.add(Witness("alive", unit, (), (), message))
    return findings.verdict("alive")


def _positive(circuit: Circuit, live: list[bool]) -> list[Mask]:
    """Whether each unit's weights and those below leave it positive at all."""
    found: list[Mask] = []
    for position, group in enumerate(circuit.groups):
        if group.kind == "leaf" or not live[position]:
            found.append(np.ones(group.size, dtype=bool))
            continue
        below = np.concatenate([found[i] for i in group.inputs])
        weights = _weights(circuit, group)
        if group.kind == "sum" and group.edges == "dense":
            assert weights is not None
            found.append(np.array((weights[:, below] > 0).any(axis=1), dtype=bool))
            continue
        edges = group.edges
        if isinstance(edges, SparseEdges):
            hits = below[edges.children]
            if weights is not None:
                hits = hits & (weights.reshape(-1) > 0)
            join = np.logical_or if weights is not None else np.logical_and
            found.append(np.array(join.reduceat(hits, edges.offsets[:-1]), dtype=bool))
        elif edges == "kronecker":
            parts = [found[i] for i in group.inputs]
            grid = parts[0]
            for part in parts[1:]:
                grid = (grid[:, None] & part[None, :]).reshape(-1)
            found.append(grid)
        else:  # elementwise and hadamard: unit k of each input
            hits = np.stack([found[i] for i in group.inputs], axis=1)
            both = hits.all(axis=1) if weights is None else (hits & (weights > 0)).any(axis=1)
            found.append(np.array(both, dtype=bool))
    return found


def _reached(circuit: Circuit, live: list[bool], positive: list[Mask]) -> list[Mask]:
    """Whether a root reaches each unit by positive weights and factors that are not zero."""
    reached = [np.zeros(group.size, dtype=bool) for group in circuit.groups]
    for root in circuit.roots:
        reached[root.group][root.index] = True
    for position in range(len(circuit.groups) - 1, -1, -1):
        group = circuit.groups[position]
        here = reached[position] & positive[position]
        if group.kind == "leaf" or not live[position] or not here.any():
            continue
        hit = _below(circuit, group, here, _weights(circuit, group))
        start = 0
        for i in group.inputs:
            size = circuit.groups[i].size
            reached[i] |= hit[start : start + size]
            start += size
    return reached


def _below(circuit: Circuit, group: Group, here: Mask, weights: np.ndarray | None) -> Mask:
    """Which units of the concatenated inputs the marked units of a group use."""
    starts = input_starts(circuit, group)
    hit = np.zeros(int(starts[-1]), dtype=bool)
    assert group.kind != "leaf"
    edges = group.edges
    if isinstance(edges, SparseEdges):
        used = np.repeat(here, np.diff(edges.offsets))
        if weights is not None:
            used = used & (weights.reshape(-1) > 0)
        hit[edges.children[used]] = True
    elif edges == "dense":
        assert weights is not None
        hit |= (weights[here] > 0).any(axis=0)
    elif edges == "kronecker":
        picks = np.unravel_index(np.flatnonzero(here), np.diff(starts).tolist())
        for start, pick in zip(starts[:-1].tolist(), picks, strict=True):
            hit[start + pick] = True
    else:
        marks = np.repeat(here[:, None], len(group.inputs), axis=1)
        if weights is not None:
            marks = marks & (weights > 0)
        for j, start in enumerate(starts[:-1].tolist()):
            hit[start : start + group.size] |= marks[:, j]
    return hit


def _weights(circuit: Circuit, group: Group) -> np.ndarray | None:
    if group.kind != "sum":
        return None
    return circuit.params[group.parameter].detach().cpu().numpy()
