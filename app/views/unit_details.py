"""One unit, group or cluster in words and small tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from pc_workbench.views import labels
from pc_workbench.views.outline import KINDS, Outline, group_of
from pc_workbench.views.scene import weights_of
from pccore.check.walk import child_units
from pccore.csv_text import csv_rows
from pccore.errors import PCError
from pccore.graph import Circuit, Group, LeafGroup, SparseEdges, Unit
from pccore.polynomial import network_polynomial
from pccore.scope import Scope

#: Monomials of a unit that is written out, and edges of the circuit it may be part of.
MONOMIALS, WRITTEN_EDGES = 16, 20_000
#: Rows of a table on screen; the CSV has up to the second number.
ROWS, CSV_ROWS = 200, 100_000

_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "bernoulli": ("P(1)",),
    "binomial": ("success probability",),
    "gaussian": ("mean", "variance"),
    "indicator": ("state",),
    "poisson": ("rate",),
}
_WIRING: Mapping[str, str] = {
    "dense": "every unit weighs all units below",
    "elementwise": "unit k mixes unit k of each group below",
    "hadamard": "unit k multiplies unit k of each group below",
    "kronecker": "a unit for each combination of units below",
}

Row = Mapping[str, str | float | int]


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of one node of the drawing.

    facts: (name, text) pairs. formula: its function, "" where it is none. children, parameters:
    tables. units: how many units it stands for. more: rows left out of the tables.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    formula: str = ""
    children: tuple[Row, ...] = ()
    parameters: tuple[Row, ...] = ()
    more: int = 0


def details(circuit: Circuit, outline: Outline, node: str, rows: int = ROWS) -> Details | None:
    """What a node id of `circuit_scene` stands for; None for an id that names nothing."""
    unit = unit_of(outline, node)
    if unit is not None:
        return _unit(circuit, unit, rows)
    position = group_of(node, outline)
    if position is not None:
        return _group(circuit, outline, position, rows)
    for cluster in range(outline.num_clusters):
        if outline.cluster_id(cluster) == node:
            return _cluster(circuit, outline, cluster, rows)
    return None


def unit_of(outline: Outline, node: str) -> Unit | None:
    """The unit that a node id names, None where it names something else."""
    position = group_of(node, outline)
    if position is None or not node.startswith("u:"):
        return None
    return Unit(position, int(node.split(":")[2]))


def polynomial(circuit: Circuit, unit: Unit) -> str:
    """The unit written out over its variables, "" for a leaf or where that would be long."""
    group = circuit.groups[unit.group]
    if isinstance(group, LeafGroup) or circuit.num_edges > WRITTEN_EDGES:
        return ""
    try:
        expanded = network_polynomial(circuit.with_roots([unit]), limit=MONOMIALS)
    except PCError:  # too long, or illegal weights
        return ""
    return f"{circuit.unit_name(unit)} = {expanded.text()}"


def _unit(circuit: Circuit, unit: Unit, rows: int) -> Details:
    group = circuit.groups[unit.group]
    scope = circuit.scopes[unit.group]
    facts = [
        ("Kind", _kind(group)),
        ("Scope", scope.pretty(circuit.variables, 12) if len(scope) < 200 else _long(scope)),
    ]
    if group.size > 1:
        facts.append(("Group", f"{group.name}, unit {unit.index} of {group.size}"))
    if isinstance(group, LeafGroup):
        values = _leaf_table(circuit, group, unit.index, rows)
        more = max(0, len(group.variables) - rows)
        return Details(circuit.unit_name(unit), tuple(facts), _leaf_formula(circuit, unit), (),
                       values, more)  # fmt: skip
    children = child_units(circuit, unit)
    weights = weights_of(circuit, unit, len(children))
    order = list(range(len(children)))
    if group.kind == "sum" and weights and weights[0] is not None:
        facts.append(("Weights", f"{len(weights)}, sum {labels.number(sum(_numbers(weights)))}"))
        if len(order) > 12:
            order.sort(key=lambda i: -(weights[i] or 0.0))
    table: list[Row] = []
    for i in order[:rows]:
        row: dict[str, str | float | int] = {"child": _name(circuit, children[i])}
        if weights[i] is not None:
            row["weight"] = round(float(weights[i] or 0.0), 9)
        row["kind"] = circuit.groups[children[i].group].kind
        row["scope"] = labels.scope_text(circuit.scopes[children[i].group], circuit.variables)
        table.append(row)
    formula = _formula(circuit, unit, children, weights)
    more = max(0, len(children) - rows)
    return Details(circuit.unit_name(unit), tuple(facts), formula, tuple(table), (), more)


def _group(circuit: Circuit, outline: Outline, position: int, rows: int) -> Details:
    group = circuit.groups[position]
    scope = circuit.scopes[position]
    facts = [
        ("Kind", f"group of {labels.count(group.size, _kind(group), _kind(group) + 's')}"),
        ("Scope", scope.pretty(circuit.variables, 12) if len(scope) < 200 else _long(scope)),
        ("Level", str(int(outline.level[position]))),
    ]
    if not isinstance(group, LeafGroup):
        wiring = "irregular" if isinstance(group.edges, SparseEdges) else group.edges
        facts.append(("Wiring", f"{wiring}: {_WIRING.get(wiring, 'each unit its own children')}"))
    table = tuple(
        {
            "group": circuit.groups[i].name,
            "kind": circuit.groups[i].kind,
            "units": circuit.groups[i].size,
            "scope": labels.scope_text(circuit.scopes[i], circuit.variables),
        }
        for i in group.inputs[:rows]
    )
    return Details(group.name, tuple(facts), "", table, (), max(0, len(group.inputs) - rows))


def _cluster(circuit: Circuit, outline: Outline, cluster: int, rows: int) -> Details:
    members = outline.members(cluster)
    kind = KINDS[outline.kind[members[0]]]
    units = int(outline.size[members].sum())
    low, high = int(outline.level[members].min()), int(outline.level[members].max())
    facts = (
        ("Kind", labels.count(len(members), f"{kind} group")),
        ("Units", f"{units:,}"),
        ("Level", f"{low}" if low == high else f"{low} to {high}"),
    )
    table = tuple(
        {
            "group": circuit.groups[i].name,
            "units": circuit.groups[i].size,
            "scope": labels.scope_text(circuit.scopes[i], circuit.variables),
        }
        for i in members[:rows].tolist()
    )
    title = f"All {kind} groups of level{f' {low}' if low == high else f's {low} to {high}'}"
    return Details(title, facts, "", table, (), max(0, len(members) - rows))


def to_csv(rows: Sequence[Row]) -> str:
    """A table as CSV text with a header."""
    return csv_rows(rows)


def _kind(group: Group) -> str:
    return f"{group.family.name} leaf" if isinstance(group, LeafGroup) else group.kind


def _long(scope: Scope) -> str:
    return labels.count(len(scope), "variable")


def _numbers(weights: Sequence[float | None]) -> list[float]:
    return [w for w in weights if w is not None]


def _name(circuit: Circuit, unit: Unit) -> str:
    if isinstance(circuit.groups[unit.group], LeafGroup) and circuit.groups[unit.group].size == 1:
        return labels.leaf_text(circuit, unit)
    return circuit.unit_name(unit)


def _formula(
    circuit: Circuit, unit: Unit, children: Sequence[Unit], weights: Sequence[float | None]
) -> str:
    """`S = 0.6 · A1 + 0.4 · B1`; long ones are cut."""
    kind = circuit.groups[unit.group].kind
    names = [_name(circuit, child) for child in children[:6]]
    if kind == "product":
        terms, sign = names, " · "
    else:
        pairs = zip(names, weights, strict=False)
        terms = [n if w is None else f"{labels.number(w)} · {n}" for n, w in pairs]
        sign = " + "
    rest = f"{sign}… ({len(children) - 6} more)" if len(children) > 6 else ""
    return f"{circuit.unit_name(unit)} = {sign.join(terms)}{rest}"


def _leaf_formula(circuit: Circuit, unit: Unit) -> str:
    group = circuit.groups[unit.group]
    assert isinstance(group, LeafGroup)
    name = circuit.unit_name(unit)
    if len(group.variables) != 1:
        return f"{name} = product of {len(group.variables)} {group.family.name} distributions"
    variable = circuit.variables[group.variables[0]]
    text = labels.leaf_text(circuit, unit)
    if group.family.name == "indicator":
        state = text.partition("=")[2] or ("0" if "\u0304" in text else "1")
        return f"{name} = 1 if {variable} = {state}, else 0"
    return f"{name} = {text}"


def _leaf_table(circuit: Circuit, group: LeafGroup, index: int, rows: int) -> tuple[Row, ...]:
    """The parameters, a row for each variable; of many categories the likeliest."""
    tensor = labels.parameters_of(circuit, group)
    if tensor is None:
        return ()
    table: list[Row] = []
    for place, variable in enumerate(group.variables[:rows]):
        values = torch.atleast_1d(tensor[place, index]).flatten()
        row: dict[str, str | float | int] = {"variable": circuit.variables[variable]}
        names = _PARAMETERS.get(group.family.name)
        if names is None or len(names) != len(values):
            names = tuple(f"P({c})" for c in range(len(values)))
            if len(values) > 32:
                row["most probable"] = int(values.argmax())
                row["its probability"] = round(float(values.max()), 6)
                names = ()
        row |= {n: round(float(v), 6) for n, v in zip(names, values.tolist(), strict=False)}
        table.append(row)
    return tuple(table)
