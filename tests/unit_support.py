"""What the tests of values, soft evidence and posteriors share."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pccore import reference
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues


def random_soft(rng: np.random.Generator, model: Circuit) -> dict[str, list[float]]:
    """Likelihoods, not normalised, some zero, for about half of the finite variables."""
    soft: dict[str, list[float]] = {}
    for v, name in enumerate(model.variables):
        states = model.domain(v).states
        if rng.random() < 0.5 and states is not None:
            numbers = rng.gamma(1.0, 2.0, size=states)
            numbers[rng.random(states) < 0.2] = 0.0
            soft[name] = numbers.tolist()
    return soft


def same_as_reference(found: UnitValues, changed: Circuit | None = None) -> None:
    """All units equal the reference's passes over the circuit (with its weights changed)."""
    model = changed or found.circuit
    top = model.root_unit(found.root)
    trace = reference.evaluate(model, found.x)
    down = reference.log_derivatives(model, trace, top)
    flows = reference.flows(model, trace, top)
    assert len(found.log_value) == len(model.groups)
    for g in found.planned:
        close = {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(found.log_value[g], trace.log_values[g][0], **close)
        np.testing.assert_allclose(found.log_derivative[g], down[g][0], **close)
        np.testing.assert_allclose(found.flow[g], flows[g][0], **close)
        if model.groups[g].kind == "sum":
            edges = reference.edge_flows(model, trace, g, top)[0]
            mine = [found.edge_flows(Unit(g, k)) for k in range(model.groups[g].size)]
            np.testing.assert_allclose(np.concatenate(mine), edges, **close)


def check_tree(values: UnitValues, units, edges) -> None:
    """One child of each sum, all of each product."""
    model = values.circuit
    below = Counter(parent for parent, _, _ in edges)
    for unit in units:
        kind = model.groups[unit.group].kind
        count = len(model.children(unit))
        assert below[unit] == {"sum": 1, "product": count, "leaf": 0}[kind]
        children = {edge.child for edge in model.children(unit)}
        assert {child for parent, child, _ in edges if parent == unit} <= children
    assert {child for _, child, _ in edges} | {units[0]} == set(units)
