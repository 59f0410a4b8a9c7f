"""Ancestral and conditional sampling with every roll of the dice.

From the top down each sum rolls a die whose faces are its children, with the probabilities
w_i S_i / S_n under the evidence (Poon & Domingos 2011, sec. 2: the posterior of its hidden
variable); the leaves that are reached draw what is missing. Without evidence this is ancestral
sampling.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import torch

from pccore.errors import EvidenceError
from pccore.graph import LeafGroup, Unit
from pccore.queries.posterior import leaf_chances
from pccore.queries.steps import leaves
from pccore.queries.steps.base import (
    MAX_UNITS,
    Interval,
    Part,
    Roll,
    Scale,
    Step,
    added,
    exp,
    is_leaf,
    joined,
    leaf_group,
    log_weights_of,
    name_of,
    number,
    scaled,
    title_of,
    top_of,
)
from pccore.queries.steps.mpe import Walk, leaf_value
from pccore.queries.steps.tree import follow, induced_tree, written_tree
from pccore.queries.table import require
from pccore.queries.values import UnitValues
from pccore.reference import FloatArray


def sample_steps(
    values: UnitValues, seed: int, below: Unit | None = None, scale: Scale = "linear"
) -> tuple[Step, ...]:
    """The steps of `draw`."""
    return draw(values, seed, below, scale).steps


def draw(
    values: UnitValues,
    seed: int,
    below: Unit | None = None,
    scale: Scale = "linear",
    most: int = MAX_UNITS,
) -> Walk:
    """One exact sample of P(X | e), from the top down; the same seed gives the same rolls.

    below: draws what the unit would, were it the whole circuit. The walk's log_value is that of the
    tree that was drawn, with the leaves' densities at the drawn values.

    Raises PropertyError unless the circuit is smooth and decomposable, EvidenceError for
    impossible evidence, OptionError where the tree has more than `most` units.
    """
    licence = require(values.program, "sample")
    top = top_of(values, below)
    if values.log_value_of(top) == -math.inf:
        raise EvidenceError("the evidence has probability zero under this circuit")
    dice = _Dice(values, seed)
    chosen: dict[Unit, int] = {}
    rolls: dict[Unit, Roll] = {}
    while True:
        order = follow(values, top, chosen, most)
        waiting = [u for u in order if _is_sum(values, u) and u not in chosen]
        if not waiting:
            break
        for unit in waiting:
            rolls[unit], chosen[unit] = dice.child(unit)
    assignment = values.x.copy()
    steps: list[Step] = []
    leaf_logs: dict[Unit, float] = {}
    for unit in order:
        if is_leaf(values.circuit, unit):
            drawn, thrown = dice.leaf(unit)
            for v, value in drawn.items():
                assignment[v] = value
            leaf_logs[unit] = leaf_value(values, unit, drawn)
            steps.append(_leaf_step(values, unit, drawn, thrown, scale))
        elif _is_sum(values, unit):
            steps.append(_sum_step(values, unit, rolls[unit], chosen[unit], scale))
        else:
            steps.append(_product_step(values, unit))
    tree = induced_tree(values, order, chosen, leaf_logs)
    _, filled = written_tree(values, tree, scale)
    verb = "add" if scale == "log" else "multiply"
    note = f"The sample is complete: the weights and leaves of its tree {verb} to {filled}."
    steps[-1] = replace(steps[-1], notes=(*steps[-1].notes, note))
    return Walk(tuple(steps), tree, assignment, tree.log_value, licence.quality)


def child_probabilities(values: UnitValues, unit: Unit) -> FloatArray:
    """w_i S_i / S_n of a sum's children, [children]; they add to 1 where S_n > 0."""
    shares = np.exp(values.log_terms(unit) - values.log_value_of(unit))
    return shares / shares.sum()


def _is_sum(values: UnitValues, unit: Unit) -> bool:
    return values.circuit.groups[unit.group].kind == "sum"


class _Dice:
    """The seeded source of every roll."""

    def __init__(self, values: UnitValues, seed: int) -> None:
        self.values = values
        self.generator = torch.Generator().manual_seed(seed % 2**63)

    def roll(self) -> float:
        return float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def child(self, unit: Unit) -> tuple[Roll, int]:
        """The roll of a sum, and the number of the child that it hit."""
        circuit = self.values.circuit
        names = [name_of(circuit, edge.child) for edge in circuit.children(unit)]
        chances = child_probabilities(self.values, unit)
        return self._thrown(name_of(circuit, unit), names, chances)

    def leaf(self, unit: Unit) -> tuple[dict[int, float], tuple[Roll, ...]]:
        """The values of a leaf's missing variables, and the rolls of its finite ones."""
        group = leaf_group(self.values.circuit, unit)
        drawn: dict[int, float] = {}
        rolls: list[Roll] = []
        for j, v in enumerate(group.variables):
            if not math.isnan(self.values.x[v]):
                continue
            if group.family.support.states is None:
                params = leaves.parameters(self.values, group, unit, j)
                drawn[v] = float(group.family.sample(params, self.generator))
                continue
            chances = leaf_chances(self.values, unit, j)[unit.index]
            states = [str(c) for c in range(len(chances))]
            thrown, state = self._thrown(self.values.circuit.variables[v], states, chances)
            rolls.append(thrown)
            drawn[v] = float(state)
        return drawn, tuple(rolls)

    def _thrown(self, what: str, names: list[str], chances: FloatArray) -> tuple[Roll, int]:
        kept = np.flatnonzero(chances > 0)
        ends = np.cumsum(chances[kept])
        ends = np.append(ends[:-1] / ends[-1], 1.0)
        u = self.roll()
        hit = min(int(np.searchsorted(ends, u, side="right")), len(kept) - 1)
        bounds = itertools.pairwise([0.0, *ends.tolist()])
        intervals = tuple(
            Interval(names[place], low, high)
            for place, (low, high) in zip(kept.tolist(), bounds, strict=True)
        )
        return Roll(what, u, intervals, hit), int(kept[hit])


# -- the steps --------------------------------------------------------------------------------


def _sum_step(values: UnitValues, unit: Unit, roll: Roll, child: int, scale: Scale) -> Step:
    circuit = values.circuit
    own = name_of(circuit, unit)
    edges = circuit.children(unit)
    chances = child_probabilities(values, unit)
    parts = tuple(
        Part(edge.child, float(chance), i == child)
        for i, (edge, chance) in enumerate(zip(edges, chances, strict=True))
    )
    weights = [exp(float(w)) for w in log_weights_of(values, unit)]
    total = number(values.value_of(unit))
    pairs = zip(edges, weights, chances, strict=True)
    terms = [
        f"{number(w)}·{number(values.value_of(edge.child))}/{total} = {number(float(chance))}"
        for edge, w, chance in pairs
        if chance > 0
    ]
    if scale == "log":
        own_log = values.log_value_of(unit)
        terms = [
            f"exp({added((float(term), -own_log))}) = {number(float(chance))}"
            for term, chance in zip(values.log_terms(unit), chances, strict=True)
            if chance > 0
        ]
    title = f"{title_of(circuit, unit)} rolls {number(roll.u)}"
    name = circuit.unit_name(edges[child].child)
    interval = roll.intervals[roll.hit]
    hit = f"{number(roll.u)} lies in [{number(interval.low)}, {number(interval.high)}): {name}"
    note = f"The roll {hit}."
    equation = f"P(child i of {own}) = w_i · S_i / {own}"
    return Step(
        unit,
        "sample",
        title,
        equation,
        joined(terms, ",  "),
        float(chances[child]),
        parts,
        (note,),
        (roll,),
    )


def _product_step(values: UnitValues, unit: Unit) -> Step:
    circuit = values.circuit
    names = [name_of(circuit, edge.child) for edge in circuit.children(unit)]
    parts = tuple(Part(edge.child, 1.0, True) for edge in circuit.children(unit))
    text = f"{name_of(circuit, unit)}: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
    title = f"{title_of(circuit, unit)} passes on to all its children"
    return Step(unit, "sample", title, text, "no die: every child takes part", 1.0, parts)


def _leaf_step(
    values: UnitValues,
    unit: Unit,
    drawn: dict[int, float],
    rolls: tuple[Roll, ...],
    scale: Scale,
) -> Step:
    group = leaf_group(values.circuit, unit)
    said: list[str] = []
    symbols: list[str] = []
    for j, v in enumerate(group.variables[:8]):
        name = values.circuit.variables[v]
        params = leaves.parameters(values, group, unit, j)
        symbols.append(leaves.density_symbol(group, name, params))
        if v in drawn:
            said.append(f"{name} = {number(drawn[v])} (drawn)")
        else:
            said.append(f"{name} = {number(float(values.x[v]))} (observed)")
    rest = ", …" if len(group.variables) > 8 else ""
    equation = f"{name_of(values.circuit, unit)}: {', '.join(symbols)}{rest}"
    if not drawn:
        notes = ("Observed: nothing is drawn.",)
    elif _fixed(group):
        notes = ("An indicator has one possible value.",)
    else:
        notes = ()
    result = scaled(leaf_value(values, unit, drawn), scale)
    title = f"{title_of(values.circuit, unit)} {'draws' if drawn else 'is observed'}"
    return Step(unit, "sample", title, equation, ", ".join(said) + rest, result, (), notes, rolls)


def _fixed(group: LeafGroup) -> bool:
    return group.family.name == "indicator"
