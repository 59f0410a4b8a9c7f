"""Most probable explanation by max-product: maxima up, the trace of the winners down.

Sums become maxima over their weighted children and leaves over missing variables take their mode
(Poon & Domingos 2011, sec. 2). The maxima are read out of the compiled program's max pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from pccore.compile.layer import Layer
from pccore.compile.state import Pass
from pccore.errors import EvidenceError
from pccore.graph import LeafGroup, Unit
from pccore.queries.steps import leaves
from pccore.queries.steps.base import (
    MAX_UNITS,
    Part,
    Scale,
    Step,
    is_leaf,
    leaf_group,
    log_weights_of,
    name_of,
    number,
    scaled,
    title_of,
    top_of,
    units_below,
)
from pccore.queries.steps.passes import combination, ended
from pccore.queries.steps.tree import InducedTree, follow, induced_tree, written_tree
from pccore.queries.table import Quality, require
from pccore.queries.values import UnitValues
from pccore.reference import FloatArray


@dataclass(frozen=True)
class Walk:
    """Steps that end in a completion of the evidence.

    tree: what was chosen. assignment: float64 [V], NaN for variables outside the scope.
    log_value: of the tree, weights and leaves multiplied. quality: of the answer.
    """

    steps: tuple[Step, ...]
    tree: InducedTree
    assignment: FloatArray
    log_value: float
    quality: Quality


def max_values(values: UnitValues) -> tuple[FloatArray, ...]:
    """For each group the log of the max-product value of its units, [size]; NaN if not evaluated.

    The same program, evidence, soft and hidden evidence as those of `values`.
    """
    program = values.program
    row = torch.from_numpy(values.x.copy())[None]
    adjust = _Maxima(values) if values.soft or values.hidden else None
    state = program.evaluate(row, mode="max", adjust=adjust)
    evaluated = frozenset(values.planned)
    return tuple(
        program.log_values(state, g)[0].cpu().numpy().copy()
        if g in evaluated
        else np.full(group.size, np.nan)
        for g, group in enumerate(values.circuit.groups)
    )


class _Maxima:
    """Puts soft evidence on leaves and the observed child of sums into a max pass."""

    def __init__(self, values: UnitValues) -> None:
        self.values = values
        self.sums: dict[int, list[tuple[int, Unit, float]]] = {}
        for unit, child in values.hidden.items():
            edge = values.circuit.children(unit)[child]
            log_weight = math.log(edge.weight) if edge.weight else -math.inf
            self.sums.setdefault(unit.group, []).append((unit.index, edge.child, log_weight))

    def __call__(self, layer: Layer, state: Pass) -> None:
        program = self.values.program
        for position in layer.spec.groups:
            group = self.values.circuit.groups[position]
            if isinstance(group, LeafGroup) and self.values.soft.keys() & set(group.variables):
                logs = [leaf_maximum(self.values, Unit(position, i)) for i in range(group.size)]
                program.log_values(state, position)[0] = torch.tensor(logs, dtype=program.dtype)
            for index, child, log_weight in self.sums.get(position, ()):
                below = program.log_values(state, child.group)[0, child.index]
                program.log_values(state, position)[0, index] = below + log_weight


def leaf_maximum(values: UnitValues, unit: Unit) -> float:
    """log of a leaf at the evidence and at the best values of what is missing."""
    return leaf_value(values, unit, completion(values, unit))


def completion(values: UnitValues, unit: Unit) -> dict[int, float]:
    """The values that a leaf gives its missing variables, by variable number."""
    group = leaf_group(values.circuit, unit)
    found: dict[int, float] = {}
    for j, v in enumerate(group.variables):
        if math.isnan(values.x[v]):
            params = leaves.parameters(values, group, unit, j)
            found[v] = leaves.best(values, group, params, v)[0]
    return found


def leaf_value(values: UnitValues, unit: Unit, given: dict[int, float]) -> float:
    """log of a leaf at the evidence completed by `given`, soft evidence included."""
    group = leaf_group(values.circuit, unit)
    total = 0.0
    for j, v in enumerate(group.variables):
        seen = float(values.x[v])
        value = given[v] if math.isnan(seen) else seen
        params = leaves.parameters(values, group, unit, j)
        total += float(group.family.log_prob(torch.tensor(value).double(), params))
        if v in values.soft:
            likelihood = float(values.soft[v][int(value)])
            total += math.log(likelihood) if likelihood > 0 else -math.inf
    return total


# -- the walk ---------------------------------------------------------------------------------


def mpe_steps(
    values: UnitValues, below: Unit | None = None, scale: Scale = "linear"
) -> tuple[Step, ...]:
    """The steps of `explain`."""
    return explain(values, below, scale).steps


def explain(
    values: UnitValues,
    below: Unit | None = None,
    scale: Scale = "linear",
    up: bool = True,
    most: int = MAX_UNITS,
) -> Walk:
    """Maxima children first (up=False leaves these steps out), then the winners from the top down,
    at most `most` units.

    At a tie the first child wins. The walk's log_value is that of the best induced tree: the
    maximum of log S over completions on deterministic circuits, a lower bound elsewhere.

    Raises PropertyError unless the circuit is smooth and decomposable, EvidenceError for
    impossible evidence, OptionError as `up_steps` does.
    """
    licence = require(values.program, "mpe")
    top = top_of(values, below)
    units = units_below(values, below) if up else []
    maxima = max_values(values)
    if maxima[top.group][top.index] == -math.inf:
        raise EvidenceError("the evidence has probability zero under this circuit")
    steps = [_up(values, unit, maxima, scale) for unit in units]
    chosen = _winners(values, top, maxima, most)
    order = follow(values, top, chosen, most)
    assignment = values.x.copy()
    leaf_logs: dict[Unit, float] = {}
    for unit in order:
        if is_leaf(values.circuit, unit):
            leaf_logs[unit] = float(maxima[unit.group][unit.index])
            for v, value in completion(values, unit).items():
                assignment[v] = value
        steps.append(_trace(values, unit, maxima, chosen, scale))
    tree = induced_tree(values, order, chosen, leaf_logs)
    steps[-1] = _with_product(values, steps[-1], tree, scale)
    return Walk(tuple(steps), tree, assignment, tree.log_value, licence.quality)


def _terms(values: UnitValues, unit: Unit, maxima: tuple[FloatArray, ...]) -> FloatArray:
    """log w_i M_i of each child of a sum, [children]."""
    edges = values.circuit.children(unit)
    below = np.array([maxima[e.child.group][e.child.index] for e in edges])
    return below + log_weights_of(values, unit)


def _winners(
    values: UnitValues, top: Unit, maxima: tuple[FloatArray, ...], most: int
) -> dict[Unit, int]:
    """The winning child of every sum of the tree."""
    chosen: dict[Unit, int] = {}
    while True:
        # Each round decides the sums that the last one has reached.
        order = follow(values, top, chosen, most)
        open_sums = [
            unit
            for unit in order
            if values.circuit.groups[unit.group].kind == "sum" and unit not in chosen
        ]
        if not open_sums:
            return chosen
        for unit in open_sums:
            chosen[unit] = int(_terms(values, unit, maxima).argmax())


def contest(
    values: UnitValues, unit: Unit, maxima: tuple[FloatArray, ...], scale: Scale
) -> tuple[Part, ...]:
    """The children of a sum with their terms, who won and by how much."""
    terms = _terms(values, unit, maxima)
    best = int(terms.argmax())
    others = np.delete(terms, best)
    parts: list[Part] = []
    for i, edge in enumerate(values.circuit.children(unit)):
        rival = float(others.max()) if i == best and len(others) else float(terms[i])
        margin = None if i == best and not len(others) else _margin(float(terms[best]), rival)
        parts.append(Part(edge.child, scaled(float(terms[i]), scale), i == best, margin))
    return tuple(parts)


def _margin(winner: float, loser: float) -> float:
    if loser == -math.inf:
        return 0.0 if winner == -math.inf else math.inf
    return winner - loser


def _up(values: UnitValues, unit: Unit, maxima: tuple[FloatArray, ...], scale: Scale) -> Step:
    circuit = values.circuit
    result = scaled(float(maxima[unit.group][unit.index]), scale)
    log = scale == "log"
    parts: tuple[Part, ...] = ()
    if is_leaf(circuit, unit):
        equation, filled = leaves.written(values, unit, log, largest=True)
    else:
        equation, filled = combination(values, unit, maxima, log, "max")
        if circuit.groups[unit.group].kind == "sum":
            parts = contest(values, unit, maxima, scale)
        else:
            logs = [float(maxima[e.child.group][e.child.index]) for e in circuit.children(unit)]
            pairs = zip(circuit.children(unit), logs, strict=True)
            parts = tuple(Part(e.child, scaled(value, scale)) for e, value in pairs)
    title = f"{title_of(circuit, unit)}, largest value"
    return Step(unit, "max", title, equation, ended(filled, result), result, parts)


def _trace(
    values: UnitValues,
    unit: Unit,
    maxima: tuple[FloatArray, ...],
    chosen: dict[Unit, int],
    scale: Scale,
) -> Step:
    circuit = values.circuit
    kind = circuit.groups[unit.group].kind
    result = scaled(float(maxima[unit.group][unit.index]), scale)
    own = name_of(circuit, unit)
    if kind == "leaf":
        equation, filled = _leaf_words(values, unit)
        title = title_of(circuit, unit)
        return Step(unit, "trace", f"{title} gives its values", equation, filled, result)
    if kind == "product":
        names = [name_of(circuit, edge.child) for edge in circuit.children(unit)]
        parts = tuple(
            Part(e.child, scaled(float(maxima[e.child.group][e.child.index]), scale), True)
            for e in circuit.children(unit)
        )
        title = f"{title_of(circuit, unit)} keeps all its children"
        text = f"{own}: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
        return Step(unit, "trace", title, text, "all of them are in the tree", result, parts)
    parts = contest(values, unit, maxima, scale)
    best = chosen[unit]
    winner = circuit.unit_name(parts[best].child)
    title = f"{title_of(circuit, unit)}: {winner} wins"
    weights = log_weights_of(values, unit)
    equation = f"largest of {len(parts)} weighted children of {own}"
    if len(parts) == 1:
        filled = f"{name_of(circuit, parts[0].child)} is the only child"
        return Step(unit, "trace", title, equation, filled, result, parts)
    rival = max((i for i in range(len(parts)) if i != best), key=lambda i: parts[i].contribution)

    def term(i: int) -> str:
        child = parts[i].child
        weight = number(scaled(float(weights[i]), "linear"))
        product = f"{weight}·{name_of(circuit, child)}"
        shown = f"log({product})" if scale == "log" else product
        return f"{shown} = {number(parts[i].contribution)}"

    margin = parts[best].margin or 0.0
    if margin == 0:
        filled = f"{term(best)} ties with {term(rival)}"
        return Step(
            unit, "trace", title, equation, filled, result, parts, ("A tie: the first child wins.",)
        )
    beats = f"{term(best)} beats {term(rival)}"
    ratio = parts[best].ratio or math.inf
    note = f"Margin: ratio {number(ratio)}, difference of logs {number(margin)}."
    if math.isinf(margin):
        note = "The others are 0."
    return Step(unit, "trace", title, equation, beats, result, parts, (note,))


def _leaf_words(values: UnitValues, unit: Unit) -> tuple[str, str]:
    group = leaf_group(values.circuit, unit)
    given = completion(values, unit)
    said: list[str] = []
    for v in group.variables[:8]:
        name = values.circuit.variables[v]
        value = given.get(v)
        how = "observed" if value is None else "its mode"
        if value is not None and v in values.soft:
            how = "likeliest with the soft evidence"
        shown = float(values.x[v]) if value is None else value
        said.append(f"{name} = {number(shown)} ({how})")
    rest = ", …" if len(group.variables) > 8 else ""
    return f"{name_of(values.circuit, unit)} gives", ", ".join(said) + rest


def _with_product(values: UnitValues, step: Step, tree: InducedTree, scale: Scale) -> Step:
    """The last step also says what the tree multiplies to."""
    _, filled = written_tree(values, tree, scale)
    note = f"The induced tree is complete: its weights and leaves multiply to {filled}."
    if scale == "log":
        note = f"The induced tree is complete: the logs of its weights and leaves add to {filled}."
    return replace(step, notes=(*step.notes, note))
