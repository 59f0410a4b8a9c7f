"""The up pass, the derivative pass and the flows, unit by unit (Poon & Domingos 2011, sec. 2).

Every number is read out of the run that `unit_values` holds. S(e) = 0 is nothing special: the
logarithm is then −∞ and every flow 0.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from pccore.graph import SumGroup, Unit
from pccore.queries.steps import leaves
from pccore.queries.steps.base import (
    Part,
    Scale,
    Step,
    added,
    factor,
    is_leaf,
    joined,
    log_weights_of,
    name_of,
    number,
    scaled,
    title_of,
    units_below,
)
from pccore.queries.values import UnitValues
from pccore.reference import edge_rows, edge_units


def up_steps(
    values: UnitValues, below: Unit | None = None, scale: Scale = "linear"
) -> tuple[Step, ...]:
    """The up pass, children first: S_n of a sum is the sum of w S_child, of a product the product.

    below: the unit that is zoomed into, by default the root. Raises OptionError for more than
    MAX_UNITS units.
    """
    return tuple(_up(values, unit, scale) for unit in units_below(values, below))


def _up(values: UnitValues, unit: Unit, scale: Scale) -> Step:
    circuit = values.circuit
    result = values.log_value_of(unit)
    log = scale == "log"
    shown = scaled(result, scale)
    if is_leaf(circuit, unit):
        equation, filled = leaves.written(values, unit, log)
        parts: tuple[Part, ...] = ()
        notes = leaves.remarks(values, unit)
    else:
        equation, filled = combination(values, unit, values.log_value, log)
        terms = values.log_terms(unit)
        edges = circuit.children(unit)
        parts = tuple(
            Part(e.child, scaled(float(t), scale)) for e, t in zip(edges, terms, strict=True)
        )
        notes = _excluded(values, unit)
    return Step(
        unit, "up", title_of(circuit, unit), equation, ended(filled, shown), shown, parts, notes
    )


def combination(
    values: UnitValues,
    unit: Unit,
    logs: tuple[np.ndarray, ...],
    log: bool,
    word: str = "",
) -> tuple[str, str]:
    """(equation, filled) of a sum or product from its children's log-values, without the result.

    word "max": the largest weighted child instead of the sum.
    """
    circuit = values.circuit
    children = [edge.child for edge in circuit.children(unit)]
    names = [name_of(circuit, child) for child in children]
    below = [float(logs[child.group][child.index]) for child in children]
    own = name_of(circuit, unit)
    if circuit.groups[unit.group].kind == "product":
        if log:
            return f"log {own} = {joined([f'log {n}' for n in names], ' + ')}", added(below)
        numbers = [factor(scaled(value, "linear")) for value in below]
        return f"{own} = {joined(names, ' · ')}", joined(numbers, "·")
    weights = log_weights_of(values, unit)
    plain = [number(scaled(float(w), "linear")) for w in weights]
    symbols = [f"{w}·{n}" for w, n in zip(plain, names, strict=True)]
    pairs = zip(plain, below, strict=True)
    linear = [f"{w}·{factor(scaled(value, 'linear'))}" for w, value in pairs]
    logged = [added((float(w), value)) for w, value in zip(weights, below, strict=True)]
    if word:
        inside = joined(symbols, ", ")
        if log:
            return f"log {own} = log {word}({inside})", f"{word}({joined(logged, ', ')})"
        return f"{own} = {word}({inside})", f"{word}({joined(linear, ', ')})"
    if log:
        powers = [f"exp({text})" for text in logged]
        return f"log {own} = log({joined(symbols, ' + ')})", f"log({joined(powers, ' + ')})"
    return f"{own} = {joined(symbols, ' + ')}", joined(linear, " + ")


def ended(filled: str, result: float) -> str:
    """`0.4·0.06 + 0.6·0.14 = 0.108`; a single number that is the result stands alone."""
    text = number(result)
    return text if filled == text else f"{filled} = {text}"


def _excluded(values: UnitValues, unit: Unit) -> tuple[str, ...]:
    child = values.hidden.get(unit)
    if child is None:
        return ()
    name = values.circuit.unit_name(values.circuit.children(unit)[child].child)
    return (f"The hidden variable is observed: only {name} counts.",)


# -- derivatives ------------------------------------------------------------------------------


def derivative_steps(
    values: UnitValues, below: Unit | None = None, scale: Scale = "linear"
) -> tuple[Step, ...]:
    """The derivative pass, root first: dS/dS_n gathers a term from each parent.

    A sum passes w dS/dS_n on to a child, a product dS/dS_n times all the other children. Step
    .children are the terms that the unit sends down. Raises OptionError as `up_steps` does.
    """
    units = units_below(values, below)
    arriving = _arriving(values, units)
    weights: dict[Unit, np.ndarray] = {}
    for edges in arriving.values():
        for parent, _ in edges:
            if parent not in weights and values.circuit.groups[parent.group].kind == "sum":
                weights[parent] = log_weights_of(values, parent)
    return tuple(
        _derivative(values, unit, arriving[unit], weights, scale) for unit in reversed(units)
    )


#: (parent, number of the child) of every edge that ends at a unit.
_Edges = list[tuple[Unit, int]]


def _arriving(values: UnitValues, units: list[Unit]) -> dict[Unit, _Edges]:
    """The edges from above to each of the units, from all over the circuit."""
    circuit = values.circuit
    wanted = defaultdict[int, set[int]](set)
    for unit in units:
        wanted[unit.group].add(unit.index)
    found: dict[Unit, _Edges] = {unit: [] for unit in units}
    for position in values.planned:
        group = circuit.groups[position]
        if group.kind == "leaf" or not any(i in wanted for i in group.inputs):
            continue
        rows = edge_rows(circuit, group)
        sizes = [circuit.groups[i].size for i in group.inputs]
        hits = np.concatenate(
            [
                np.isin(np.arange(size), sorted(wanted.get(i, ())))
                for i, size in zip(group.inputs, sizes, strict=True)
            ]
        )[rows.children]
        at = np.flatnonzero(hits)
        above = np.searchsorted(rows.offsets, at, side="right") - 1
        ends = edge_units(circuit, group, rows.children[at])
        for edge, parent, child in zip(at.tolist(), above.tolist(), ends, strict=True):
            unit = Unit(position, parent)
            # What does not reach the root has no derivative to pass on.
            if values.log_derivative_of(unit) > -math.inf or values.log_value_of(unit) > -math.inf:
                found[child].append((unit, edge - int(rows.offsets[parent])))
    return found


def sent(values: UnitValues, unit: Unit) -> np.ndarray:
    """log of what a unit adds to the derivative of each child, [children]."""
    own = values.log_derivative_of(unit)
    if values.circuit.groups[unit.group].kind == "sum":
        return log_weights_of(values, unit) + own
    below = values.log_terms(unit)
    # Not by division: the child itself may be zero.
    others = [
        float(np.delete(below, i).sum()) if len(below) > 1 else 0.0 for i in range(len(below))
    ]
    return np.array(others) + own


def _derivative(
    values: UnitValues,
    unit: Unit,
    arriving: _Edges,
    weights: dict[Unit, np.ndarray],
    scale: Scale,
) -> Step:
    circuit = values.circuit
    log = scale == "log"
    result = scaled(values.log_derivative_of(unit), scale)
    title = title_of(circuit, unit)
    root = name_of(circuit, values.unit)
    own = f"∂{root}/∂{name_of(circuit, unit)}"
    parts: tuple[Part, ...] = ()
    if not is_leaf(circuit, unit):
        pairs = zip(circuit.children(unit), sent(values, unit), strict=True)
        parts = tuple(Part(edge.child, scaled(float(t), scale)) for edge, t in pairs)
    if unit == values.unit and not arriving:
        equation, filled = f"{own} = 1", "1"
        if log:
            equation, filled = f"log {own} = log 1", "0"
        return Step(unit, "derivatives", title, equation, filled, result, parts)
    symbols: list[str] = []
    numbers: list[str] = []
    logs: list[str] = []
    for parent, place in arriving:
        above = values.log_derivative_of(parent)
        symbol = f"∂{root}/∂{name_of(circuit, parent)}"
        if circuit.groups[parent.group].kind == "sum":
            weight = float(weights[parent][place])
            shown = number(scaled(weight, "linear"))
            symbols.append(f"{shown}·{symbol}")
            numbers.append(f"{shown}·{factor(scaled(above, 'linear'))}")
            logs.append(added((weight, above)))
            continue
        edges = circuit.children(parent)
        others = [edge.child for i, edge in enumerate(edges) if i != place]
        values_of = [values.log_value_of(child) for child in others]
        symbols.append("·".join([symbol, *(name_of(circuit, child) for child in others)]))
        linear = [above, *values_of]
        numbers.append("·".join(factor(scaled(value, "linear")) for value in linear))
        logs.append(added(linear))
    if not symbols:
        equation, filled = f"{own} = 0 (nothing above)", number(-math.inf if log else 0.0)
    elif log:
        equation = f"log {own} = log({joined(symbols, ' + ')})"
        only = logs[0] if len(logs) == 1 else None
        filled = only or f"log({joined([f'exp({text})' for text in logs], ' + ')})"
    else:
        equation, filled = f"{own} = {joined(symbols, ' + ')}", joined(numbers, " + ")
    return Step(unit, "derivatives", title, equation, ended(filled, result), result, parts)


# -- flows ------------------------------------------------------------------------------------


def flow_steps(
    values: UnitValues, below: Unit | None = None, scale: Scale = "linear"
) -> tuple[Step, ...]:
    """The flows, root first: F_n = S_n dS/dS_n / S, the share of the root's value through n.

    The edges of a sum divide its flow, each child of a product receives all of it; the shares of a
    sum's edges are the weights that one step of EM on this evidence would set. Raises OptionError
    as `up_steps` does.
    """
    units = units_below(values, below)
    return tuple(_flow(values, unit, scale) for unit in reversed(units))


def _flow(values: UnitValues, unit: Unit, scale: Scale) -> Step:
    circuit = values.circuit
    own, root = name_of(circuit, unit), name_of(circuit, values.unit)
    flow = values.flow_of(unit)
    value, slope = values.log_value_of(unit), values.log_derivative_of(unit)
    log = scale == "log"
    result = flow if not log else math.log(flow) if flow > 0 else -math.inf
    if values.log_root == -math.inf:
        equation = f"F({own}) = 0 (nothing flows where {root} = 0)"
        filled = number(result)
    elif log:
        equation = f"log F({own}) = log {own} + log ∂{root}/∂{own} − log {root}"
        filled = ended(added((value, slope, -values.log_root)), result)
    else:
        equation = f"F({own}) = {own} · ∂{root}/∂{own} / {root}"
        numbers = [factor(scaled(number_, "linear")) for number_ in (value, slope)]
        filled = ended(f"{'·'.join(numbers)} / {number(scaled(values.log_root, 'linear'))}", result)
    shares = values.edge_flows(unit)
    parts = tuple(
        Part(edge.child, _in_scale(float(share), log))
        for edge, share in zip(circuit.children(unit), shares, strict=True)
    )
    notes = _learned(values, unit, shares)
    return Step(unit, "flows", title_of(circuit, unit), equation, filled, result, parts, notes)


def _in_scale(value: float, log: bool) -> float:
    if not log:
        return value
    return math.log(value) if value > 0 else -math.inf


def em_weights(values: UnitValues, unit: Unit) -> np.ndarray | None:
    """The weights that one step of EM on this evidence alone gives a sum, [children].

    Its edge flows divided by their sum; None where nothing flows through it.
    """
    shares = values.edge_flows(unit)
    total = float(shares.sum())
    return shares / total if total > 0 else None


def _learned(values: UnitValues, unit: Unit, shares: np.ndarray) -> tuple[str, ...]:
    group = values.circuit.groups[unit.group]
    if not isinstance(group, SumGroup):
        return ()
    made = em_weights(values, unit)
    if made is None:
        return ("Nothing flows through this sum: this evidence says nothing about its weights.",)
    new = joined([number(float(weight)) for weight in made], ", ")
    divided = joined([number(float(share)) for share in shares], ", ")
    users = sum(
        g.kind != "product" and g.parameter == group.parameter for g in values.circuit.groups
    )
    tied = " (before sums with tied weights are added up)" if users > 1 else ""
    return (
        f"Edge flows {divided} of {number(float(shares.sum()))}: "
        f"EM on this evidence alone would set the weights to {new}{tied}.",
    )
