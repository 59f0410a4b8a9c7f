"""Drafts and circuits: there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pccore.check import check
from pccore.draft import (
    Draft,
)
from pccore.errors import GraphError, ParameterError
from pccore.structures.figures import figure1_naive_bayes, figure3_parity, figures
from tests.draft.helpers import check_invariants, same_function, small
from tests.strategies import SEEDS, broken_circuits, circuits_and_evidence, random_graph


@given(circuits_and_evidence(roots=2))
def test_draft_of_a_circuit_computes_the_same(given_pair):
    original, rows = given_pair
    original = original.with_roots(tuple(dict.fromkeys(original.roots)))  # a mark is set once
    draft = Draft.of(original)
    check_invariants(draft)
    made = draft.circuit()
    assert made.variables == original.variables and all(g.size == 1 for g in made.groups)
    same_function(made, original, rows)
    again = Draft.of(made)
    same_function(again.circuit(), original, rows)
    assert len(again.nodes) == len(draft.nodes) and again.num_edges == draft.num_edges
    assert {n.name for n in again.nodes.values()} == {n.name for n in draft.nodes.values()}


@given(SEEDS)
def test_broken_graphs_are_drawn_as_they_are(seed: int):
    original = random_graph(seed)
    made = Draft.of(original).circuit()
    rows = np.array([[a, b, c] for a in (0, 1, np.nan) for b in (0, 1) for c in (1, np.nan)])
    same_function(made, original, rows[:, : len(original.variables)])
    ours, theirs = check(made), check(original)
    for name in ("smooth", "consistent", "decomposable", "weights"):
        assert ours.properties[name] == theirs.properties[name]
    assert sorted(w.message for w in ours.violations if w.property == "smooth") == sorted(
        w.message for w in theirs.violations if w.property == "smooth"
    )


@given(broken_circuits("weights"))
def test_illegal_parameters_cannot_be_drawn(broken):
    with pytest.raises(ParameterError):
        Draft.of(broken.circuit)


@pytest.mark.parametrize("name", list(figures()))
def test_every_figure_goes_there_and_back(name: str):
    original = figures()[name]()
    draft = Draft.of(original)
    check_invariants(draft)
    made = draft.circuit()
    assert {g.name for g in made.groups} == {g.name for g in original.groups}
    assert made.meta == original.meta
    places = {(node.x, node.y) for node in draft.nodes.values()}
    assert len(places) == len(draft.nodes)  # no unit on another
    for node in draft.nodes.values():
        assert all(draft.nodes[arc.child].y > node.y for arc in node.arcs)


def test_too_large_a_circuit_says_so():
    with pytest.raises(GraphError, match=r"units; at most 1,000"):
        Draft.of(figure3_parity(130))


def test_children_stand_in_the_order_of_reading():
    draft = Draft.of(figure1_naive_bayes())
    x = {node.name: node.x for node in draft.nodes.values()}
    assert x["C1"] < x["C2"] < x["C3"]


def test_tidied_is_deterministic_and_ranks_unfinished_units():
    draft = small().add("e", "sum").connect("s", "e").tidied()
    y = {n: node.y for n, node in draft.nodes.items()}
    assert y["s"] < y["p"] < y["x"] == y["y"] and y["e"] == y["p"]
    assert draft.tidied() == draft and Draft().tidied() == Draft()
