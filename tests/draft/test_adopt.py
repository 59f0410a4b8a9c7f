"""A circuit that was changed in the text is taken over by its drawing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from pccore.build import bernoulli, circuit, indicator, product
from pccore.draft import (
    Draft,
    adopt,
)
from pccore.formula import format_formula, parse_formula
from pccore.reference import evaluate
from pccore.structures.figures import figure1_naive_bayes, figures
from tests.draft.helpers import NOT_X1, check_invariants, small
from tests.strategies import circuits_and_evidence


def test_adopt_keeps_places_ids_and_names():
    draft = Draft.of(figure1_naive_bayes())
    c1 = draft.names["C1"]
    moved = draft.move({c1: (5.0, 7.0)})
    same, fresh = adopt(moved, moved.circuit())
    assert same == dataclasses.replace(moved, nodes=same.nodes) and not fresh
    assert same.nodes == moved.nodes


@pytest.mark.parametrize("name", list(figures()))
def test_the_formula_of_a_drawing_changes_nothing(name: str):
    draft = Draft.of(figures()[name]())
    text = format_formula(draft.circuit().with_meta({}))
    after, fresh = adopt(draft, parse_formula(text))
    assert not fresh
    same = {n: (node.x, node.y) for n, node in after.nodes.items()}
    assert same.items() <= {n: (node.x, node.y) for n, node in draft.nodes.items()}.items()
    # Equal leaves become one leaf in the text; nothing else is lost.
    assert {n.name for n in after.nodes.values() if not n.leaf} == {
        n.name for n in draft.nodes.values() if not n.leaf
    }
    assert after.meta == draft.meta and after.variables == draft.variables


def test_adopt_matches_units_whose_made_up_names_shifted():
    a, b, c = (bernoulli(f"X{i}", 0.5) for i in range(3))
    d = bernoulli("X3", 0.1)
    before = Draft.of(circuit(0.2 * product(a, b) + 0.3 * product(a, c) + 0.5 * product(b, c)))
    where = {
        tuple(before.nodes[arc.child].leaf.variable for arc in node.arcs): node
        for node in before.nodes.values()
        if node.kind == "product"
    }
    after, fresh = adopt(before, circuit(0.6 * product(a, c) + 0.4 * product(b, c, d)))
    kept = next(n for n in after.nodes.values() if n.kind == "product" and len(n.arcs) == 2)
    assert kept.id == where["X0", "X2"].id
    assert (kept.x, kept.y) == (where["X0", "X2"].x, where["X0", "X2"].y)
    assert fresh and all(n not in before.nodes for n in fresh)
    check_invariants(after)
    np.testing.assert_allclose(
        evaluate(after.circuit(), [[1, 1, 1, 1]]).root,
        evaluate(circuit(0.6 * product(a, c) + 0.4 * product(b, c, d)), [[1, 1, 1, 1]]).root,
    )


def test_adopt_keeps_what_the_text_does_not_show():
    draft = small().add("e", "sum", name="empty").connect("s", "e").add("z", "leaf", leaf=NOT_X1)
    x = indicator("X1", 1)
    typed = circuit((0.3 * x + 0.7 * product(x, indicator("X2", 1))).named("s1"))
    after, _ = adopt(draft, typed, whole=False)
    assert {"e", "z"} <= set(after.nodes)
    assert after.variables == ("X1", "X2")
    check_invariants(after)
    after, _ = adopt(draft, typed)  # a text that shows everything: z was deleted in it
    assert "e" in after.nodes and "z" not in after.nodes
    check_invariants(after)


@settings(max_examples=40)
@given(circuits_and_evidence(), circuits_and_evidence())
def test_adopting_any_circuit_gives_that_circuit(first, second):
    draft = Draft.of(first[0])
    wanted, rows = second
    after, fresh = adopt(draft, wanted)
    check_invariants(after)
    made = after.circuit()
    assert made.variables[: len(wanted.variables)] == wanted.variables
    wide = np.full((len(rows), len(made.variables)), np.nan)
    wide[:, : len(wanted.variables)] = rows
    np.testing.assert_allclose(
        evaluate(made, wide).root, evaluate(wanted, rows).root, rtol=1e-12, atol=1e-300
    )
    assert fresh <= set(after.nodes)
