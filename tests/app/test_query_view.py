"""The Query page as data: evidence there and back, answers against enumeration, marks of passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from pc_workbench.components.evidence import read_evidence
from pc_workbench.components.stepper import Wish, read_wish
from pc_workbench.state import AppState, decode, encode
from pc_workbench.views import query_answers, query_board, query_evidence, query_truth, stepping
from pc_workbench.views.query_code import asking
from pc_workbench.views.query_evidence import Given, Latent
from pc_workbench.views.scene import circuit_scene
from pc_workbench.views.stepping import View, make_pass
from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, mix, product
from pccore.errors import EvidenceError
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues, posterior_marginals, unit_values
from pccore.structures.figures import figures
from tests.strategies import SEEDS, circuits_and_evidence, random_circuit
from tests.unit_support import random_soft


def figure(name: str) -> Circuit:
    return figures()[name]()


def evaluated(model: Circuit, asked: Given) -> UnitValues:
    return unit_values(model, dict(asked.observed), soft=dict(asked.soft), hidden=asked.hidden)


# -- evidence ---------------------------------------------------------------------------------


def test_evidence_goes_into_a_link_and_comes_back() -> None:
    model = figure("figure1_naive_bayes")
    latents = (Latent("S", "Class: 1 ~", 2), Latent("A1", "A"))
    asked = Given({"X1": 1.0}, {"X2": (0.2, 0.8)}, latents)
    state, ignored = decode(encode(AppState(**query_evidence.write(asked))))
    assert not ignored
    again = query_evidence.read(state.evidence, state.soft, state.hidden, model)
    assert again == asked and again.hidden == {"S": 2}


@pytest.mark.parametrize(
    ("evidence", "soft", "hidden", "message"),
    [
        ("X9=1", (), (), "no variable"),
        ("X1=7", (), (), "7"),
        ("", (("X1", "1 2 3"),), (), "likelihoods"),
        ("", (("X1", "-1 1"),), (), "likelihood"),
        ("", (("X1", "nan 1"),), (), "likelihood"),
        ("", (), (("nothing", "Y"),), "nothing"),
        ("", (), (("C1", "Y"),), "only sums"),
        ("", (), (("S", "Y=9"),), "child 9"),
    ],
)
def test_what_does_not_fit_is_passed_over_and_named(
    evidence: str, soft: tuple, hidden: tuple, message: str
) -> None:
    read = query_evidence.read(evidence, soft, hidden, figure("figure1_naive_bayes"))
    assert read.empty and not read.latents
    assert len(read.dropped) == 1 and message in read.dropped[0]


def test_a_click_changes_what_the_list_shows_and_nothing_else() -> None:
    model = figure("figure1_naive_bayes")
    before = Given({"X1": 1.0}, {"X2": (0.5, 1.0)}, (Latent("S", "Y", 1),))
    # X2 was not in the list: what is known of it stays.
    after = query_evidence.clicked(before, model, {"v:X1": 0.0, "h:S": 2.0}, {}, ["v:X1", "h:S"])
    assert after == Given({"X1": 0.0}, {"X2": (0.5, 1.0)}, (Latent("S", "Y", 2),))
    after = query_evidence.clicked(before, model, {}, {}, ["v:X1", "h:S"], clear=True)
    assert after.empty and after.latents == (Latent("S", "Y"),)
    # The list has x before x̄; likelihoods are by state.
    after = query_evidence.clicked(Given({}, {}, ()), model, {}, {"v:X1": (1.0, 0.0)}, ["v:X1"])
    assert after.soft == {"X1": (0.0, 1.0)}
    (row, _), _ = query_evidence.rows(model, after, None, None)
    assert row["soft"] == [1.0, 0.0] and row["states"] == ["1", "0"]
    with pytest.raises(EvidenceError):
        query_evidence.clicked(before, model, {}, {"v:X1": (1.0, 0.0, 2.0)}, ["v:X1"])
    with pytest.raises(EvidenceError):
        query_evidence.clicked(before, model, {"v:X1": 7.0}, {}, ["v:X1"])
    with pytest.raises(EvidenceError):
        query_evidence.clicked(before, model, {"h:S": 7.0}, {}, ["h:S"])


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"observed": {}, "soft": {}, "find": ""},
        {"observed": {"v:X": math.inf}, "soft": {}, "find": "", "seq": 1},
        {"observed": {"v:X": "1"}, "soft": {}, "find": "", "seq": 1},
        {"observed": {"v:X": True}, "soft": {}, "find": "", "seq": 1},
        {"observed": {}, "soft": {"v:X": [-1]}, "find": "", "seq": 1},
        {"observed": {}, "soft": {"v:X": 3}, "find": "", "seq": 1},
        {"observed": {"": 1}, "soft": {}, "find": "", "seq": 1},
        {"observed": {}, "soft": {}, "find": "x" * 1000, "seq": 1},
        {"observed": {}, "soft": {}, "find": "", "seq": True},
    ],
)
def test_malformed_clicks_are_ignored(payload: object) -> None:
    assert read_evidence(payload) is None


def test_well_formed_clicks_and_wishes() -> None:
    sent = {"observed": {"v:X": 1}, "soft": {"v:Y": [0, 1]}, "find": "a", "clear": True, "seq": 3}
    edit = read_evidence(sent)
    assert edit is not None and (edit.observed, edit.soft) == ({"v:X": 1.0}, {"v:Y": (0.0, 1.0)})
    assert edit.clear and edit.seq == 3
    wish = {"pass": "mpe", "step": 3, "alone": False, "scale": "log", "seed": 7, "seq": 2}
    assert read_wish(wish) == Wish("mpe", 3, False, "log", 7, 2)
    for name, wrong in (
        ("step", -1),
        ("scale", "cubic"),
        ("seed", 2**40),
        ("pass", 3),
        ("seq", 1.5),
    ):
        assert read_wish({**wish, name: wrong}) is None


# -- the list ---------------------------------------------------------------------------------


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1), SEEDS)
def test_rows_show_the_enumerated_posterior(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    model, x = pair
    observed = {n: float(v) for n, v in zip(model.variables, x[0], strict=True) if v == v}
    asked = Given(observed, {}, ())
    values = evaluated(model, asked)
    if values.log_root == -math.inf:
        return
    listed, more = query_evidence.rows(model, asked, values, posterior_marginals(values))
    truth = oracle.marginals(model, x)
    assert more == 0
    for row in listed:
        v = model.variable_index(row["name"])
        assert row["given"] == observed.get(row["name"])
        if row["states"]:
            chances = [truth[v][c] for c in row["values"]]
            np.testing.assert_allclose(row["chances"], chances, atol=1e-9)


def test_hidden_variables_are_rows_with_their_posterior() -> None:
    model = figure("figure1_naive_bayes")
    asked = Given({"X1": 1.0}, {}, (Latent("S", "Class"), Latent("A2", "Topic")))
    values = evaluated(model, asked)
    (row, partly, *_), _ = query_evidence.rows(model, asked, values, posterior_marginals(values))
    assert (row["name"], row["states"], row["latent"]) == ("Class", ["C1", "C2", "C3"], True)
    np.testing.assert_allclose(row["chances"], [0.3 / 0.69, 0.12 / 0.69, 0.27 / 0.69])
    assert partly["states"] == ["x2", "¬x2", "no part"] and partly["values"][-1] is None
    np.testing.assert_allclose(sum(partly["chances"]), 1.0)


def test_many_variables_are_searched_and_observed_ones_always_listed() -> None:
    names = [f"V{i:03d}" for i in range(300)]
    model = circuit(product(*[bernoulli(name, 0.3) for name in names]))
    asked = Given({"V299": 1.0}, {}, ())
    values = evaluated(model, asked)
    listed, more = query_evidence.rows(model, asked, values, posterior_marginals(values))
    assert len(listed) == query_evidence.MOST_ROWS + 1 and more == 300 - len(listed)
    assert listed[-1]["name"] == "V299"
    listed, _ = query_evidence.rows(model, asked, values, None, None, "v12")
    assert [row["name"] for row in listed] == [*(f"V12{i}" for i in range(10)), "V299"]


def test_densities_are_mixed_by_the_posterior() -> None:
    model = circuit(mix([0.25, 0.75], [gaussian("X", -2.0, 1.0), gaussian("X", 2.0, 0.25)]))
    points = query_evidence.curve(unit_values(model, {}), 0)
    assert points is not None
    x, y = np.array(points).T
    normal = lambda m, v: np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)  # noqa: E731
    np.testing.assert_allclose(y, 0.25 * normal(-2, 1) + 0.75 * normal(2, 0.25), rtol=1e-9)


# -- answers and enumeration ------------------------------------------------------------------


def test_answers_say_what_they_are_worth() -> None:
    model = figure("figure1_naive_bayes")
    asked = Given({"X1": 1.0, "X2": 0.0}, {}, ())
    found = query_answers.answers(evaluated(model, asked), asked)
    assert [(one.symbol, one.text, one.worth) for one in found] == [
        ("S(X1 = 1, X2 = 0)", "0.522", "exact"),
        ("Z", "1", "exact"),
        ("P(e)", "0.522", "exact"),
        ("log P", "−0.650088", "exact"),
    ]
    said = query_answers.meanings(found)
    assert said[0] == "S(X1 = 1, X2 = 0): the value of the root, with what is observed."
    assert said[3].endswith("in nats.") and said[4].startswith("exact: ") and len(said) == 5
    found = query_answers.answers(evaluated(figure("incomplete"), asked), asked)
    assert [one.worth for one in found] == ["exact", "refused", "refused", "refused"]
    assert found[1].why == "needs a circuit that is smooth"
    assert len(query_answers.meanings(found)) == 2  # what is refused says why by itself


@settings(max_examples=25)
@given(circuits_and_evidence(rows=1), SEEDS)
def test_enumeration_agrees_on_valid_circuits(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    model, x = pair
    rng = np.random.default_rng(seed)
    observed = {n: float(v) for n, v in zip(model.variables, x[0], strict=True) if v == v}
    soft = {n: tuple(w) for n, w in random_soft(rng, model).items()}
    asked = Given(observed, soft, ())
    values = evaluated(model, asked)
    if values.log_root == -math.inf:
        return
    found = query_truth.truth(values, asked)
    lines = query_truth.compare(values, posterior_marginals(values), found)
    assert not any(one.differs for one in lines), lines


def test_enumeration_agrees_with_an_observed_hidden_variable() -> None:
    model = figure("figure1_naive_bayes")
    asked = Given({"X1": 1.0}, {}, (Latent("S", "Y", 0),))
    values = evaluated(model, asked)
    lines = query_truth.compare(
        values, posterior_marginals(values), query_truth.truth(values, asked)
    )
    assert lines[0].fast == pytest.approx(0.3) and not any(one.differs for one in lines)


@pytest.mark.parametrize("name", ["incomplete", "inconsistent", "two_paths", "forgotten_day"])
def test_enumeration_shows_where_broken_circuits_are_wrong(name: str) -> None:
    model = figure(name)
    asked = Given({}, {}, ())
    values = evaluated(model, asked)
    lines = query_truth.compare(values, None, query_truth.truth(values, asked))
    assert any(one.differs for one in lines)
    # What is compared is what the passes say: S(X = c) / S.
    for one in lines:
        assert one.fast is None or math.isfinite(one.fast)


def test_what_is_too_large_to_enumerate_is_said() -> None:
    assert query_truth.feasible(figure("figure3_parity")) == ""
    big = random_circuit(1, variables=20)
    assert "joint states" in query_truth.feasible(big)


def test_the_code_asks_the_same() -> None:
    asked = Given({"X1": 1.0}, {"X2": (0.2, 0.8)}, (Latent("S", "Y", 0),))
    python, command = asking("figure1_naive_bayes", asked, 3)
    assert command == (
        "pccore query figure1_naive_bayes --evidence X1=1 --soft 'X2=0.2 0.8' "
        "--observe-hidden S=0 --ask marginals --trace trace.json"
    )
    assert "{'X1': 1}, soft={'X2': [0.2, 0.8]}, hidden={'S': 0}" in python


# -- passes -----------------------------------------------------------------------------------


def drawn(model: Circuit) -> dict:
    return circuit_scene(model)


def by_id(scene: dict) -> dict:
    return {node["id"]: node for node in scene["nodes"]}


def test_values_that_are_not_computed_yet_are_hidden() -> None:
    model = figure("figure1_naive_bayes")
    values = unit_values(model, {"X1": 1})
    shown = make_pass(values, "up", "linear", 0)
    scene = stepping.dress(drawn(model), values, shown, View(step=3))
    nodes = by_id(scene)
    done = {stepping.node_id(step.unit) for step in shown.steps[:3]}
    assert {name for name, node in nodes.items() if "value" in node} == done
    assert nodes[stepping.node_id(model.root)]["emphasis"] < 1
    whole = by_id(stepping.dress(drawn(model), values, shown, View()))
    assert whole[stepping.node_id(model.root)]["value"] == "0.69"
    assert all("value" in node for node in whole.values())
    logs = make_pass(values, "up", "log", 0)
    nodes = by_id(stepping.dress(drawn(model), values, logs, View()))
    assert nodes[stepping.node_id(model.root)]["value"] == "−0.371"
    assert "−∞" in {node["value"] for node in nodes.values()}


def test_winners_are_thick_and_losers_dashed_with_their_margin() -> None:
    model = figure("figure1_naive_bayes")
    values = unit_values(model, {"X1": 1})
    for scale, label in (("linear", "÷1.03"), ("log", "−0.0282")):
        shown = make_pass(values, "mpe", scale, 0)
        step = next(i for i, s in enumerate(shown.steps, start=1) if s.kind == "trace")
        scene = stepping.dress(drawn(model), values, shown, View(step=step))
        at = {(e["source"], e["target"]): e for e in scene["edges"]}
        root = stepping.node_id(model.root)
        name = lambda n: stepping.node_id(Unit(model.group_index(n), 0))  # noqa: E731
        won, lost = at[root, name("C3")], at[root, name("C1")]
        assert won["chosen"] and not won["dashed"] and lost["dashed"]
        assert won["width"] > lost["width"] and lost["label"] == label


def test_the_induced_tree_alone_hides_the_rest() -> None:
    model = figure("figure1_naive_bayes")
    values = unit_values(model, {"X1": 1})
    shown = make_pass(values, "mpe", "linear", 0)
    view = View(alone=True)
    scene = stepping.dress(drawn(model), values, shown, view)
    assert shown.walk is not None
    assert len(scene["nodes"]) == len(shown.walk.tree.units) == 6 and len(scene["edges"]) == 5
    assert query_board.board(values, shown, view)["filled"] == "0.3·0.9·0.8·1·1 = 0.216"


def test_a_sample_shows_its_die() -> None:
    model = figure("figure1_naive_bayes")
    values = unit_values(model, {"X1": 1})
    shown = make_pass(values, "sample", "linear", 3)
    board = query_board.board(values, shown, View(step=1))
    (roll,) = board["rolls"]
    assert [label for label, _, _ in roll["intervals"]] == ["C1", "C2", "C3"]
    scene = stepping.dress(drawn(model), values, shown, View(step=1))
    assert by_id(scene)[stepping.node_id(model.root)]["value"] == f"u = {roll['u']:.3f}"


def test_a_selected_unit_has_its_equation_and_what_is_refused_a_reason() -> None:
    model = figure("figure1_naive_bayes")
    values = unit_values(model, {"X1": 1})
    unit = Unit(model.group_index("A1"), 0)
    board = query_board.board(values, make_pass(values, "flows", "linear", 0), View(unit=unit))
    assert board["equation"] == "F(A1) = A1 · ∂S/∂A1 / S"
    broken = unit_values(figure("incomplete"), {})
    board = query_board.board(broken, make_pass(broken, "mpe", "linear", 0), View())
    assert board["count"] == 0 and "smooth" in board["reason"]


@settings(max_examples=20)
@given(circuits_and_evidence(rows=1, reals=1), SEEDS)
def test_every_step_of_every_pass_can_be_drawn(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    model, x = pair
    values = unit_values(model, x)
    scene = circuit_scene(model)
    for kind in stepping.PASSES:
        shown = make_pass(values, kind, "log" if seed % 2 else "linear", seed)
        for step in {0, 1, len(shown.steps) // 2, len(shown.steps)}:
            view = View(step=min(step, len(shown.steps)))
            dressed = stepping.dress(scene, values, shown, view)
            assert len(dressed["nodes"]) == len(scene["nodes"])
            board = query_board.board(values, shown, view)
            assert "nan" not in str([n.get("value") for n in dressed["nodes"]]).lower()
            assert board["reason"] or board["title"]
    # The scene that is shared between sessions is not touched.
    assert all("value" not in node for node in scene["nodes"])


def test_large_circuits_are_zoomed_into() -> None:
    parts = [product(*[bernoulli(f"X{v}", 0.1 + 0.01 * c) for v in range(6)]) for c in range(80)]
    model = circuit(mix([1 / 80] * 80, parts))
    values = unit_values(model, {"X0": 1})
    assert "zoom into a unit" in make_pass(values, "up", "linear", 0).reason
    unit = model.children(model.root)[0].child
    assert len(make_pass(values, "up", "linear", 0, unit).steps) == 7
    assert (
        len(stepping.focus(model, unit)) == 7 and len(stepping.focus(model, model.root, 10)) == 10
    )
    # The trace of the most probable explanation is short even where its maxima are too many.
    assert len(make_pass(values, "mpe", "linear", 0).steps) == 8
