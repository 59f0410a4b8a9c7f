"""Determinism: for every complete assignment at most one child of a sum is positive.

Three ways to an answer, cheapest first: a proof from the states that occur below each child;
a counter-example drawn by sampling from one child; enumeration where the variables are few.
What neither proof nor counter-example settles is "unknown".
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import torch

from pccore.check.literals import Layout, UnitSets, positive_rows
from pccore.check.report import Findings, Verdict, Witness
from pccore.check.walk import child_units, descendants, input_starts
from pccore.graph import Circuit, IntArray, Unit
from pccore.reference import FloatArray, edge_rows

# Circuits of at most this many units are searched in full, larger ones up to the first
# counter-example.
_SMALL = 2000
# Joint states times units that enumeration may cost.
_ENUMERATION = 4_000_000
# Edges that all sampled assignments together may be evaluated over.
_SAMPLING = 5_000_000
# Bits of state sets before giving up (a quarter of a gigabyte).
_MEMORY = 2**31
# Pairs of children that are compared one by one.
_PAIRS = 3_000_000


@dataclass
class _Budget:
    edges: int = _SAMPLING
    pairs: int = _PAIRS
    unknown: list[int] = field(default_factory=list[int])  # groups left undecided
    # What is known of children, by input groups and positions: sums often share them.
    pairs_of: dict[tuple[tuple[int, ...], bytes], tuple[int, int] | None] = field(
        default_factory=dict[tuple[tuple[int, ...], bytes], "tuple[int, int] | None"]
    )


def check_deterministic(
    circuit: Circuit, live: list[bool], broken: frozenset[int], findings: Findings
) -> Verdict:
    """The verdict, with an assignment in the message of every witness."""
    if any(live[position] for position in broken):
        return "unknown"
    sets = UnitSets(circuit, Layout.of(circuit), "possible")
    budget = _Budget()
    small = circuit.num_units <= _SMALL
    for position, group in enumerate(circuit.groups):
        if group.kind != "sum" or not live[position]:
            continue
        if sets.stored_bits > _MEMORY:
            budget.unknown.append(position)
            break
        _check_group(circuit, position, sets, budget, findings, small)
        if findings.full("deterministic") or (not small and findings.counts.get("deterministic")):
            return "no"
    if findings.counts.get("deterministic"):
        return "no"
    return "unknown" if budget.unknown else "yes"


def _check_group(
    circuit: Circuit,
    position: int,
    sets: UnitSets,
    budget: _Budget,
    findings: Findings,
    small: bool,
) -> None:
    group = circuit.groups[position]
    assert group.kind == "sum"
    rows = positive_rows(circuit, group)
    if all(len(row) < 2 for row in rows):
        return
    below = sets.below(position)
    ones = sets.mask(position)
    guards = sets.layout.guards(ones)
    open_units: list[tuple[Unit, int, int]] = []
    for index, row in enumerate(rows):
        key = (group.inputs, row.tobytes())
        if key not in budget.pairs_of:
            mine = [below[c] for c in row.tolist()]
            budget.pairs_of[key] = _overlapping_pair(mine, guards, ones, budget)
        pair = budget.pairs_of[key]
        if pair is not None:
            open_units.append((Unit(position, index), int(row[pair[0]]), int(row[pair[1]])))
    if not open_units:
        return
    exact = _enumerate(circuit, position, rows)
    for unit, first, second in open_units:
        if exact is not None:
            witness, certain = exact.get(unit), True
        else:
            witness, certain = _sampled(circuit, unit, (first, second), rows, budget), False
        if witness is not None:
            findings.add(witness)
            if not small:
                return
        elif not certain:
            budget.unknown.append(position)


def _overlapping_pair(
    sets: list[int], guards: int, ones: int, budget: _Budget
) -> tuple[int, int] | None:
    """Two children not shown to be disjoint; None if each pair differs on some variable.

    `guards` and `ones` are the guard bits and the full fields of the variables in question:
    adding `ones` carries into the guard of every field that is not empty.
    """
    separating, seen = guards, 0
    for bits in sets:
        separating &= ~(((seen & bits & ones) + ones) & guards)
        seen |= bits
        if not separating:
            break
    if separating:  # one variable separates them all
        return None
    for (i, one), (j, two) in itertools.combinations(enumerate(sets), 2):
        budget.pairs -= 1
        if ((one & two & ones) + ones) & guards == guards or budget.pairs < 0:
            return i, j
    return None


# -- counter-examples ----------------------------------------------------------------------


def _enumerate(circuit: Circuit, position: int, rows: list[IntArray]) -> dict[Unit, Witness] | None:
    """A counter-example for each unit that has one, over all joint states of the group's
    variables; None if they are too many or not all finite."""
    scope = circuit.scopes[position]
    sizes = [circuit.domain(v).states for v in scope]
    groups = descendants(circuit, position)
    units = sum(circuit.groups[g].size for g in groups)
    count = math.prod(size or _ENUMERATION for size in sizes)
    if count * units > _ENUMERATION:
        return None
    states = np.full((count, len(circuit.variables)), np.nan)
    grids = np.meshgrid(*(np.arange(size or 1) for size in sizes), indexing="ij")
    for v, grid in zip(scope, grids, strict=True):
        states[:, v] = grid.reshape(-1)
    positive = _positive(circuit, groups, states)
    found: dict[Unit, Witness] = {}
    for index, row in enumerate(rows):
        hits = positive[:, row]
        bad = np.flatnonzero(hits.sum(axis=1) > 1)
        if len(bad):
            both = row[np.flatnonzero(hits[bad[0]])[:2]]
            unit = Unit(position, index)
            found[unit] = _witness(circuit, unit, both, states[bad[0]])
    return found


def _sampled(
    circuit: Circuit, unit: Unit, pair: tuple[int, int], rows: list[IntArray], budget: _Budget
) -> Witness | None:
    """Assignments drawn from one of two children, until another child is positive, too."""
    group = circuit.groups[unit.group]
    groups = descendants(circuit, unit.group)
    cost = sum(
        len(edge_rows(circuit, circuit.groups[g]).children) for g in groups if _inner(circuit, g)
    )
    starts = input_starts(circuit, group)
    generator = torch.Generator().manual_seed(unit.group * 1_000_003 + unit.index)
    for attempt in range(8):
        budget.edges -= cost + len(groups)
        if budget.edges < 0 and attempt > 1:
            return None
        child = pair[attempt % 2]
        which = int(np.searchsorted(starts, child, side="right")) - 1
        source = Unit(group.inputs[which], child - int(starts[which]))
        state = _draw(circuit, source, unit, generator)
        positive = _positive(circuit, groups, state[None])[0]
        row = rows[unit.index]
        hits = row[positive[row]]
        if len(hits) > 1:
            return _witness(circuit, unit, hits[:2], state)
    return None


def _inner(circuit: Circuit, position: int) -> bool:
    return circuit.groups[position].kind != "leaf"


def _draw(circuit: Circuit, source: Unit, top: Unit, generator: torch.Generator) -> FloatArray:
    """A complete assignment to the scope of `top` on which `source` is likely positive."""
    state = np.full(len(circuit.variables), np.nan)
    state[list(circuit.scopes[top.group])] = 0.0
    stack = [source]
    seen = {source}
    while stack:
        unit = stack.pop()
        group = circuit.groups[unit.group]
        if group.kind == "leaf":
            params = circuit.params[group.parameter].detach().cpu().double()
            for j, v in enumerate(group.variables):
                state[v] = float(group.family.sample(params[j, unit.index], generator))
            continue
        children = child_units(circuit, unit)
        if group.kind == "sum":
            edges = circuit.children(unit)
            usable = [e.child for e in edges if e.weight is not None and e.weight > 0]
            if not usable:
                continue
            pick = int(torch.randint(len(usable), (1,), generator=generator))
            children = [usable[pick]]
        for child in children:
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return state


def _positive(circuit: Circuit, groups: list[int], states: FloatArray) -> np.ndarray:
    """For the last of the groups (a sum): which of its input units are positive, bool [B, N]."""
    known: dict[int, np.ndarray] = {}
    rows = torch.from_numpy(states)
    for position in groups[:-1]:
        group = circuit.groups[position]
        if group.kind == "leaf":
            params = circuit.params[group.parameter].detach().cpu().double()
            positive = torch.ones((len(rows), group.size), dtype=torch.bool)
            for j, v in enumerate(group.variables):
                positive &= group.family.log_prob(rows[:, v, None], params[j]) > -torch.inf
            known[position] = positive.numpy()
            continue
        below = np.concatenate([known[i] for i in group.inputs], axis=1)
        if group.kind == "sum" and group.edges == "dense":
            weights = circuit.params[group.parameter].detach().cpu().numpy()
            known[position] = below @ (weights > 0).T
            continue
        edges = edge_rows(circuit, group)
        hits = below[:, edges.children]
        if group.kind == "sum":
            weights = circuit.params[group.parameter].detach().cpu().reshape(-1).numpy()
            known[position] = np.logical_or.reduceat(hits & (weights > 0), edges.offsets[:-1], 1)
        else:
            known[position] = np.logical_and.reduceat(hits, edges.offsets[:-1], 1)
    return np.concatenate([known[i] for i in circuit.groups[groups[-1]].inputs], axis=1)


def _witness(circuit: Circuit, unit: Unit, positions: IntArray, state: FloatArray) -> Witness:
    group = circuit.groups[unit.group]
    starts = input_starts(circuit, group)
    which = np.searchsorted(starts, positions, side="right") - 1
    children = tuple(
        Unit(group.inputs[w], int(p - starts[w]))
        for w, p in zip(which.tolist(), positions.tolist(), strict=True)
    )
    variables = tuple(circuit.scopes[unit.group])
    shown = [f"{circuit.variables[v]}={state[v]:g}" for v in variables[:12]]
    if len(variables) > 12:
        shown.append(f"... ({len(variables)} variables)")
    names = [circuit.unit_name(child) for child in children]
    message = (
        f"sum {circuit.unit_name(unit)} is not deterministic: its children {names[0]} and "
        f"{names[1]} are both positive at {', '.join(shown)}"
    )
    return Witness("deterministic", unit, children, variables, message)
