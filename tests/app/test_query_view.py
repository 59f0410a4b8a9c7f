"""The Query page as data: evidence there and back, answers against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from pc_workbench.components.evidence import read_observed
from pc_workbench.views import query_view, stepping
from pc_workbench.views.evidence_rows import Observed
from pc_workbench.views.query_view import Asked
from pc_workbench.views.scene import circuit_scene
from pccore import oracle
from pccore.graph import Circuit
from pccore.queries import unit_values
from pccore.queries.steps import explain, up_steps
from pccore.structures.figures import figures
from tests.strategies import circuits


def test_evidence_goes_into_a_link_and_comes_back() -> None:
    model = figures()["figure1_naive_bayes"]()
    asked = Asked({"X1": 1.0}, {"X2": (0.2, 0.8)}, {"S": "Y", "A1": "A"}, {"S": 2})
    fields = query_view.write(asked)
    again, problems = query_view.read(model, fields["evidence"], fields["soft"], fields["hidden"])
    assert (again, problems) == (asked, [])


@pytest.mark.parametrize(
    ("evidence", "soft", "hidden", "message"),
    [
        ("X9=1", (), (), "no variable"),
        ("X1=7", (), (), "7"),
        ("", (("X1", "1 2 3"),), (), "2 likelihoods"),
        ("", (("X1", "-1 1"),), (), "likelihoods"),
        ("", (("X1", "nan 1"),), (), "likelihoods"),
        ("", (), (("nothing", "Y"),), "nothing"),
        ("", (), (("C1", "Y"),), "no sum"),
    ],
)
def test_what_does_not_fit_is_passed_over_and_named(
    evidence: str, soft: tuple, hidden: tuple, message: str
) -> None:
    model = figures()["figure1_naive_bayes"]()
    asked, problems = query_view.read(model, evidence, soft, hidden)
    assert asked == Asked()
    assert len(problems) == 1 and message in problems[0]


def test_what_the_list_sends_becomes_evidence() -> None:
    asked = Asked({"X1": 1.0}, {}, {"S": "Y"}, {})
    seen = Observed({"X2": 0.0, "hidden:S": 1.0}, {"X1": (0.5, 1.0)})
    known = query_view.taken(asked, seen)
    assert known == Asked({"X2": 0.0}, {"X1": (0.5, 1.0)}, {"S": "Y"}, {"S": 1})
    assert query_view.observed(known) == seen


@pytest.mark.parametrize(
    "payload",
    [
        None,
        3,
        {},
        {"observed": {}, "soft": {}, "seq": "1"},
        {"observed": {"a": "x"}, "soft": {}, "seq": 1},
        {"observed": {"a": math.nan}, "soft": {}, "seq": 1},
        {"observed": {}, "soft": {"a": [None]}, "seq": 1},
    ],
)
def test_malformed_evidence_of_the_browser_is_dropped(payload: object) -> None:
    assert read_observed(payload) is None


@settings(max_examples=40)
@given(circuits(variables=3, grouped=False))
def test_rows_and_answers_are_those_of_enumeration(model: Circuit) -> None:
    values = unit_values(model, {})
    rows, reason = query_view.rows(values, Asked())
    assert reason == ""
    truth = oracle.marginals(model)
    for v, row in enumerate(rows):
        assert row.states is not None
        np.testing.assert_allclose([p for _, p in row.states], truth[v], atol=1e-9)
    found = query_view.comparisons(values, Asked())
    assert isinstance(found, list) and all(one.equal for one in found)


def test_an_invalid_circuit_is_refused_and_differs_from_enumeration() -> None:
    model = figures()["inconsistent"]()
    values = unit_values(model, {})
    answers = {one.title: one for one in query_view.answers(values)}
    assert answers["S(e)"].quality == "exact"
    assert answers["P(e)"].quality == "" and "consistent" in answers["P(e)"].reason
    rows, reason = query_view.rows(values, Asked())
    assert reason and all(p is None for row in rows for _, p in row.states or ())
    found = query_view.comparisons(values, Asked())
    assert isinstance(found, list)
    assert next((one.fast, one.enumerated, one.equal) for one in found) == ("1", "0.5", False)


def test_a_hidden_variable_is_a_row_with_its_posterior() -> None:
    model = figures()["figure1_naive_bayes"]()
    asked = Asked({"X1": 1.0}, {}, {"S": "Y"}, {})
    rows, _ = query_view.rows(unit_values(model, {"X1": 1}), asked)
    hidden = rows[-1]
    assert (hidden.name, hidden.id) == ("Y", "hidden:S")
    shares = [p for _, p in hidden.states or ()]
    np.testing.assert_allclose(shares, [0.3 / 0.69, 0.12 / 0.69, 0.27 / 0.69])


def test_the_gap_of_a_bound_is_that_to_enumeration() -> None:
    model = figures()["figure1_naive_bayes"]()
    found = query_view.best(unit_values(model, {}), Asked())
    _, truth = oracle.mpe(model)
    assert found.quality == "bound"
    assert found.gap == pytest.approx(max(0.0, truth - found.log_value))


def test_numbers_read_well() -> None:
    assert query_view.linear(-math.inf) == "0"
    assert query_view.linear(math.log(0.25)) == "0.25"
    assert query_view.linear(-2000.0) == "e^-2000"
    assert query_view.linear(math.nan) == "undefined"
    assert query_view.logarithm(-math.inf) == "-∞"


def test_every_unit_has_its_number_beside_it() -> None:
    model = figures()["figure1_naive_bayes"]()
    values = unit_values(model, {"X1": 1, "X2": 0})
    for kind in ("up", "derivatives", "flows"):
        for scale in ("linear", "log"):
            assert len(query_view.beside(values, kind, scale)) == model.num_units
    assert query_view.beside(values, "up", "linear")[model.root] == "0.522"
    assert query_view.beside(values, "flows", "linear")[model.root] == "1"


def test_steps_mark_winners_losers_and_the_tree() -> None:
    model = figures()["figure1_junction_tree"]()
    values = unit_values(model, {"X2": 1})
    found = explain(values)
    scene = circuit_scene(model)
    whole = stepping.mark(scene, found.steps, 0, found.tree, False)
    root = stepping.node(model.root)
    below = {e["target"]: e for e in whole["edges"] if e["source"] == root}
    winner = stepping.node(next(b for a, b, _ in found.tree.edges if a == model.root))
    assert below[winner]["width"] == 1.0
    losers = [e for target, e in below.items() if target != winner]
    assert losers and all(e["dashed"] and "nats" in e["label"] for e in losers)
    alone = stepping.mark(scene, found.steps, 0, found.tree, True)
    bright = {n["id"] for n in alone["nodes"] if n.get("emphasis") != stepping.HIDDEN}
    assert bright == {stepping.node(unit) for unit in found.tree.units}


def test_a_step_hides_what_is_not_computed_and_is_escaped() -> None:
    model = figures()["figure1_naive_bayes"]()
    steps = up_steps(unit_values(model, {"X1": 1}))
    assert len(stepping.texts(steps, 3)) == 3
    marked = stepping.mark(circuit_scene(model), steps, len(steps), None, False)
    faint = {n["id"] for n in marked["nodes"] if n.get("emphasis") == stepping.FAINT}
    assert stepping.node(model.root) not in faint and faint
    hostile = steps[-1].__class__(**{**vars(steps[-1]), "title": "<script>alert(1)</script>"})
    assert "<script>" not in stepping.equation(hostile)
