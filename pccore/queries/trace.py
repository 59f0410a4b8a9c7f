"""What a query did, as JSON: the value of every unit, and the edges that were taken.

    values = unit_values(circuit, {"X1": 1})
    text = json.dumps(trace(values, walks=[explain(values)]))

A trace is one object:

    pccore_trace    1, the version of this form
    query           what was asked ("values" where nothing else is said); answer: what was found
    title           of the circuit; variables: their names; root: the name of the unit asked
    evidence        value by variable; soft: likelihoods by variable; hidden: child by sum
    log_value       log S(e) of the root; log_partition: with nothing observed
    units           in the order of computation: name, kind, log_value, value, log_derivative, flow;
                    leaves with family and variables; others with children, each with its name, the
                    flow over the edge and, below a sum, its weight
    trees           what was chosen, one for each walk: log_value, assignment by variable, edges
                    (parent, child, weight)

Logarithms in nats. What is not a finite number (log 0, what was not computed) is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pccore.errors import OptionError
from pccore.graph import Unit
from pccore.queries.steps.mpe import Walk
from pccore.queries.values import UnitValues

VERSION = 1
#: Edges that a trace writes down at most: each takes some hundred bytes.
MAX_EDGES = 500_000


def trace(
    values: UnitValues,
    *,
    query: str = "values",
    answer: Mapping[str, Any] | None = None,
    walks: Sequence[Walk] = (),
) -> dict[str, Any]:
    """The trace of one query under one evidence, ready for `json.dumps`.

    values: the run. answer: by name, JSON values or numbers. walks: what top-down passes have
    chosen (`steps.explain`, `steps.draw`). Units that no root reaches are left out.

    Raises OptionError for a circuit of more than MAX_EDGES edges.
    """
    circuit = values.circuit
    if circuit.num_edges > MAX_EDGES:
        raise OptionError(
            f"the circuit has {circuit.num_edges} edges, more than the {MAX_EDGES} of a trace"
        )
    names = circuit.variables
    seen = {names[v]: x for v, x in enumerate(values.x.tolist()) if not math.isnan(x)}
    return _plain(
        {
            "pccore_trace": VERSION,
            "query": query,
            "title": circuit.meta.get("title", ""),
            "variables": names,
            "root": circuit.unit_name(values.unit),
            "evidence": seen,
            "soft": {names[v]: given.tolist() for v, given in values.soft.items()},
            "hidden": {circuit.unit_name(unit): child for unit, child in values.hidden.items()},
            "answer": answer or {},
            "log_value": values.log_root,
            "log_partition": values.log_partition,
            "units": [
                _unit(values, Unit(g, k))
                for g in values.planned
                for k in range(circuit.groups[g].size)
            ],
            "trees": [_tree(values, walk) for walk in walks],
        }
    )


def _unit(values: UnitValues, unit: Unit) -> dict[str, Any]:
    circuit = values.circuit
    group = circuit.groups[unit.group]
    found: dict[str, Any] = {
        "name": circuit.unit_name(unit),
        "kind": group.kind,
        "log_value": values.log_value_of(unit),
        "value": values.value_of(unit),
        "log_derivative": values.log_derivative_of(unit),
        "flow": values.flow_of(unit),
    }
    if group.kind == "leaf":
        found["family"] = group.family.name
        found["variables"] = [circuit.variables[v] for v in group.variables]
        return found
    children: list[dict[str, Any]] = []
    for edge, flow in zip(circuit.children(unit), values.edge_flows(unit).tolist(), strict=True):
        child = {"name": circuit.unit_name(edge.child), "flow": flow}
        children.append(child if edge.weight is None else {**child, "weight": edge.weight})
    return {**found, "children": children}


def _tree(values: UnitValues, walk: Walk) -> dict[str, Any]:
    circuit = values.circuit
    edges = [
        {
            "parent": circuit.unit_name(parent),
            "child": circuit.unit_name(child),
            "weight": None if log_weight is None else math.exp(log_weight),
        }
        for parent, child, log_weight in walk.tree.edges
    ]
    assignment = dict(zip(circuit.variables, walk.assignment.tolist(), strict=True))
    return {"log_value": walk.log_value, "assignment": assignment, "edges": edges}


def _plain(value: Any) -> Any:
    """JSON values; a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
