"""Drafts: operations, what they refuse, and what is unfinished."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pccore.check import check
from pccore.draft import (
    Arc,
    Draft,
    Leaf,
    Node,
    leaf_name,
    to_json,
)
from pccore.errors import GraphError, NotFoundError, ParameterError
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.reference import evaluate
from tests.draft.helpers import NOT_X1, X1, X2, check_invariants, small


def test_adding_and_connecting_makes_the_circuit():
    draft = small()
    made = draft.circuit()
    assert [group.name for group in made.groups] == ["x1", "x2", "p1", "s1"]
    assert made.variables == ("X1", "X2") and made.unit_name(made.root) == "s1"
    # 0.25 x1 x2 + 0.5 x1
    values = np.exp(evaluate(made, [[1, 1], [1, 0], [0, 1], [math.nan] * 2]).root[:, 0])
    assert values.tolist() == [0.75, 0.5, 0.0, 0.75]
    assert draft.unfinished == {}
    assert draft.finished.id_of(made.root) == "s"
    assert draft.finished.unit_of("p") == (2, 0) and draft.finished.unit_of("nobody") is None


def test_an_operation_leaves_the_draft_as_it_was():
    draft = small()
    before = to_json(draft)
    draft.delete(["p"]).rename("x", "other").set_weight(("s", "x", 0), 0.9)
    assert to_json(draft) == before


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (lambda d: d.connect("p", "s"), GraphError, "cycle"),
        (lambda d: d.connect("s", "s"), GraphError, "own child"),
        (lambda d: d.connect("x", "y"), GraphError, "no children"),
        (lambda d: d.connect("s", "p"), GraphError, "already"),
        (lambda d: d.connect("s", "y", -0.1), ParameterError, "negative"),
        (lambda d: d.connect("s", "y", math.nan), ParameterError, "finite"),
        (lambda d: d.connect("p", "s", 0.5), GraphError, "cycle"),
        (lambda d: d.add("z", "product").connect("p", "z", 0.5), GraphError, "weights"),
        (lambda d: d.connect("s", "nobody"), NotFoundError, "no unit"),
        (lambda d: d.set_weight(("s", "p", 0), math.inf), ParameterError, "finite"),
        (lambda d: d.set_weight(("p", "x", 0), 1.0), GraphError, "sums"),
        (lambda d: d.set_weight(("s", "y", 0), 1.0), NotFoundError, "no such edge"),
        (lambda d: d.disconnect("s", "p", 1), NotFoundError, "no such edge"),
        (lambda d: d.reconnect(("s", "p", 0), target="x"), GraphError, "already"),
        (lambda d: d.reconnect(("p", "x", 0), target="s"), GraphError, "cycle"),
        (lambda d: d.reconnect(("s", "p", 0), source="y"), GraphError, "no children"),
        (lambda d: d.normalise("p"), GraphError, "sum"),
        (lambda d: d.add("z", "sum").normalise("z"), GraphError, "children"),
        (lambda d: d.rename("s", "p1"), GraphError, "another unit"),
        (lambda d: d.rename("s", " s"), GraphError, "blanks"),
        (lambda d: d.rename("s", "a\nb"), GraphError, "printable"),
        (lambda d: d.rename("s", "a" * 81), GraphError, "80"),
        (lambda d: d.add("s", "sum"), GraphError, "already"),
        (lambda d: d.add("0", "sum"), GraphError, "id"),
        (lambda d: d.add("z", "leaf"), GraphError, "distribution"),
        (lambda d: d.add("z", "sum", leaf=X1), GraphError, "distribution"),
        (lambda d: d.add("z", "sum", math.nan), GraphError, "canvas"),
        (lambda d: d.move({"s": (0.0, 1e9)}), GraphError, "canvas"),
        (lambda d: d.move({"z": (0.0, 0.0)}), NotFoundError, "no unit"),
        (lambda d: d.set_roots(["z"]), NotFoundError, "no unit"),
        (lambda d: d.set_leaf("s", X1), GraphError, "distribution"),
        (lambda d: d.set_leaf("x", Leaf("", Indicator(2), (1.0,))), GraphError, "name"),
        (lambda d: d.set_leaf("x", Leaf("X", Indicator(2), (2.0,))), ParameterError, "0 to 1"),
        (lambda d: d.set_leaf("x", Leaf("X", Indicator(2), ())), ParameterError, "one number"),
        (lambda d: d.set_leaf("x", Leaf("X", Gaussian(), (0.0, 0.0))), ParameterError, "variance"),
        (lambda d: d.set_leaf("x", Leaf("X", Bernoulli(), (1.5,))), ParameterError, "probability"),
        (lambda d: d.set_leaf("x", Leaf("X", Categorical(9999), (1.0,))), ParameterError, "most"),
        (lambda d: d.delete(["z"]), NotFoundError, "no unit"),
        (lambda d: d.paste([Node("x", "sum", "a")]), GraphError, "already"),
        (lambda d: d.paste([Node("a", "sum", "a", arcs=(Arc("z", 1.0),))]), GraphError, "unknown"),
        (lambda d: d.paste([Node("a", "sum", "a", arcs=(Arc("x"),))]), GraphError, "weights"),
        (lambda d: d.paste([Node("a", "leaf", "a", arcs=(Arc("x"),), leaf=X1)]), GraphError, "no"),
        (
            lambda d: d.paste([
                Node("a", "product", "a", arcs=(Arc("b"),)),
                Node("b", "product", "b", arcs=(Arc("a"),)),
            ]),
            GraphError,
            "cycle",
        ),
        (lambda d: d.paste([Node(f"n{i}", "sum", "n") for i in range(1000)]), GraphError, "most"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(operation, error, words):
    draft = small()
    before = to_json(draft)
    with pytest.raises(error, match=words):
        operation(draft)
    assert to_json(draft) == before


def test_a_second_edge_must_be_meant():
    draft = small().connect("p", "x", again=True)
    assert [arc.child for arc in draft.nodes["p"].arcs] == ["x", "y", "x"]
    assert np.exp(evaluate(draft.circuit(), [[1, 1]]).root[0, 0]) == 0.75
    assert [a.child for a in draft.disconnect("p", "x", 1).nodes["p"].arcs] == ["x", "y"]
    assert [a.child for a in draft.disconnect("p", "x", 0).nodes["p"].arcs] == ["y", "x"]
    assert check(draft.circuit()).properties["decomposable"] == "no"


def test_reconnect_keeps_weight_and_place():
    draft = small().reconnect(("s", "p", 0), target="y")
    assert draft.nodes["s"].arcs == (Arc("y", 0.25), Arc("x", 0.5))
    draft = small().add("t", "sum").reconnect(("s", "p", 0), source="t")
    assert draft.nodes["t"].arcs == (Arc("p", 0.25),) and draft.nodes["s"].arcs == (Arc("x", 0.5),)
    draft = small().add("q", "product").reconnect(("s", "p", 0), source="q")
    assert draft.nodes["q"].arcs == (Arc("p"),)
    assert small().reconnect(("s", "p", 0), target="p") == small()


def test_weights():
    draft = small().set_weight(("s", "p", 0), 3).set_weight(("s", "x", 0), 1).normalise("s")
    assert draft.nodes["s"].weights == (0.75, 0.25)
    zero = draft.set_weight(("s", "p", 0), 0).set_weight(("s", "x", 0), 0)
    with pytest.raises(ParameterError, match="total 0"):
        zero.normalise("s")


def test_deleting_units_edges_and_variables():
    draft = small().delete(["y"], [("s", "x", 0)])
    assert list(draft.nodes) == ["s", "p", "x"] and draft.variables == ("X1",)
    assert draft.nodes["s"].arcs == (Arc("p", 0.25),) and draft.nodes["p"].arcs == (Arc("x"),)
    assert small().set_roots(["s"]).delete(["s"]).roots == ()


def test_leaf_names_follow_until_somebody_chose_one():
    draft = small().set_leaf("x", NOT_X1)
    assert draft.nodes["x"].name == "¬x1"
    draft = draft.rename("x", "mine").set_leaf("x", X1)
    assert draft.nodes["x"].name == "mine"
    assert leaf_name(Leaf("Y", Indicator(3), (2.0,))) == "Y=2"
    assert leaf_name(Leaf("Y", Gaussian(), (0.0, 1.0))) == "Y gaussian"
    twice = small().add("z", "leaf", leaf=X1)
    assert twice.nodes["z"].name == "x1_2"
    assert twice.set_leaf("z", X2).nodes["z"].name == "x2_2"
    renamed = small().set_leaf("y", Leaf("W", Indicator(2), (1.0,)))
    assert renamed.variables == ("X1", "W")  # nobody mentions X2 any more


def test_duplicates_share_what_is_not_copied():
    draft = small().duplicate({"s": "t", "p": "q"}, (10, 20))
    assert draft.nodes["t"].arcs == (Arc("q", 0.25), Arc("x", 0.5))
    assert draft.nodes["q"].arcs == (Arc("x"), Arc("y"))
    assert draft.nodes["t"].name == "s1_2" and (draft.nodes["t"].x, draft.nodes["t"].y) == (10, 20)
    check_invariants(draft)


# -- unfinished ------------------------------------------------------------------------------


def test_unfinished_parts_are_left_out_and_named():
    draft = small().add("e", "product", name="empty").add("f", "sum", name="above")
    draft = draft.connect("f", "e").connect("s", "f")
    assert draft.unfinished == {
        "e": "The product empty has no child yet.",
        "f": "The sum above has no finished child.",
    }
    made = draft.circuit()
    assert len(made.groups) == 4
    assert made.params["s1"].tolist() == [[0.25, 0.5]]
    assert draft.finished.ids == ("x", "y", "p", "s")


def test_nothing_finished_is_no_circuit():
    for draft in (Draft(), Draft().add("s", "sum").add("p", "product").connect("s", "p")):
        with pytest.raises(GraphError, match="finished"):
            draft.circuit()
        assert draft.effective_roots == ()


def test_the_root_is_guessed_until_it_is_marked():
    draft = small().add("z", "leaf", leaf=NOT_X1)
    assert draft.effective_roots == ("s",)  # the highest, not the last
    assert draft.set_roots(["p", "x"]).effective_roots == ("p", "x")
    assert [r.group for r in draft.set_roots(["p", "x"]).circuit().roots] == [2, 0]
    assert draft.add("e", "sum").set_roots(["e"]).effective_roots == ("s",)  # not finished
    assert "¬x1" in {group.name for group in draft.circuit().groups}
    assert check(draft.circuit()).properties["reachable"] == "no"
