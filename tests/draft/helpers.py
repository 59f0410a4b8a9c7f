"""A small draft, what must hold of every draft, and equality of functions."""

from __future__ import annotations

import math

import numpy as np

from pccore.draft import (
    Draft,
    Leaf,
    from_json,
    to_json,
)
from pccore.leaves.indicator import Indicator
from pccore.reference import evaluate

X1 = Leaf("X1", Indicator(2), (1.0,))
NOT_X1 = Leaf("X1", Indicator(2), (0.0,))
X2 = Leaf("X2", Indicator(2), (1.0,))


def small() -> Draft:
    """s -> p, x; p -> x, y."""
    draft = Draft().add("s", "sum").add("p", "product").add("x", "leaf", leaf=X1)
    draft = draft.add("y", "leaf", leaf=X2)
    draft = draft.connect("s", "p", 0.25).connect("s", "x").connect("p", "x")
    return draft.connect("p", "y")


def check_invariants(draft: Draft) -> None:
    assert set(draft.topological) == set(draft.nodes)  # acyclic
    names = [node.name for node in draft.nodes.values()]
    assert len(set(names)) == len(names)
    assert all(n == node.id for n, node in draft.nodes.items())
    assert set(draft.roots) <= set(draft.nodes)
    for node in draft.nodes.values():
        assert (node.leaf is not None) == (node.kind == "leaf")
        for arc in node.arcs:
            assert arc.child in draft.nodes
            assert (arc.weight is not None) == (node.kind == "sum")
            assert arc.weight is None or (arc.weight >= 0 and math.isfinite(arc.weight))
        if node.leaf is not None:
            node.leaf.check()
            assert node.leaf.variable in draft.variables
    assert from_json(to_json(draft)) == draft


def same_function(a, b, rows: np.ndarray) -> None:
    one, two = evaluate(a, rows).root, evaluate(b, rows).root
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-300)
