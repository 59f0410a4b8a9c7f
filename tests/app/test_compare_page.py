"""The Compare page as Streamlit runs it, its views, and the export of pictures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import store
from pc_workbench.components.graph import check_scene
from pc_workbench.screens import compare_start, picture_export
from pc_workbench.views import compare_marks, compare_texts
from pc_workbench.views.outline import Outline
from pc_workbench.views.scene import circuit_scene
from pccore import oracle
from pccore.build import bernoulli, circuit
from pccore.evidence import parse_evidence
from pccore.files import load_model
from pccore.graph import Circuit, Unit
from pccore.queries.compare import Extreme, Figure, differences, distance
from pccore.structures.figures import figure1_naive_bayes, figure3_parity, figures

pytestmark = pytest.mark.usefixtures("home")


def compare_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import compare

    state.sync()
    with errors.boundary():
        compare.page()


def show(**parameters: str) -> AppTest:
    at = AppTest.from_function(compare_page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    at.run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    shown = [*at.markdown, *at.caption, *at.info, *at.error]
    return "\n".join(str(one.value) for one in shown)


# -- the page --------------------------------------------------------------------------------


def test_nothing_to_compare_yet():
    assert "No model is chosen" in texts(show())
    at = show(model="incomplete")
    assert "Hold Broken\\: incomplete" in texts(at) and "the same variables" in texts(at)
    box = at.selectbox[0]
    assert "incomplete" not in box.options and box.value == ""


def test_a_second_circuit_is_one_click_away():
    at = show(model="incomplete")
    near = [one.key for one in at.button if one.label == "Compare"]
    assert 0 < len(near) <= compare_start.MOST
    assert "pcw_against_inconsistent" in near and near[-1] != near[0]
    at.button(key="pcw_against_inconsistent").click().run()
    assert not at.exception and not at.error
    assert at.query_params["other"] in ("inconsistent", ["inconsistent"])
    assert not [one for one in at.button if one.label == "Open both"]


@pytest.mark.parametrize(("first", "second"), [pair[:2] for pair in compare_start.PAIRS])
def test_an_example_of_two_is_opened(first: str, second: str):
    at = show(model="weather_hmm")
    at.button(key=f"pcw_pair_{second}").click().run()
    assert not at.exception and not at.error
    said = {name: at.query_params[name] for name in ("model", "other")}
    assert {n: v[0] if isinstance(v, list) else v for n, v in said.items()} == {
        "model": second, "other": first,
    }  # fmt: skip
    assert "Where they differ most" in texts(at) or "the same of every input" in texts(at)


def test_without_variables_in_common_there_are_examples():
    alone = store.put_model(circuit(0.4 * bernoulli("Only", 0.1) + 0.6 * bernoulli("Only", 0.9)))
    at = show(model=alone)
    assert "No other model here has many variables in common" in texts(at)
    assert [one.label for one in at.button].count("Open both") == len(compare_start.PAIRS)


def test_choosing_the_other_circuit():
    at = show(model="inconsistent")
    at.selectbox[0].select("incomplete").run()
    assert not at.exception and not at.error
    assert at.query_params["other"] in ("incomplete", ["incomplete"])
    said = texts(at)
    found = distance(load_model("incomplete"), load_model("inconsistent"))
    for figure in (found.kl, found.reverse, found.total_variation):
        assert compare_texts.figure_text(figure) in said
    assert "exact" in said and "+ 1 added · − 1 removed · Δ 3 changed" in said
    assert "X1 = 1, X2 = 0" in said
    rows = at.dataframe[0].value
    assert set(rows["Mark"]) == {"+ added", "− removed", "Δ changed"}


def test_equal_circuits():
    at = show(model="figure3_parity", other="figure3_mixture")
    assert "say the same of every input" in texts(at) and not at.error
    same = store.put_model(figure1_naive_bayes())
    at = show(model="figure1_naive_bayes", other=same)
    assert "no difference" in texts(at) and not at.dataframe


def test_shared_variables_are_said():
    at = show(model="figure1_naive_bayes", other="figure2_hidden_variable")
    assert "Y summed out" in texts(at)


def test_what_cannot_be_compared_is_one_sentence():
    at = show(model="old_geyser", other="figure3_parity")
    assert "no variable in common" in texts(at) and not at.error
    at = show(model="squared_gaussian", other="squared_gaussian_x")
    assert "There is no model" in texts(at)


def test_estimates_are_badged():
    at = show(model="old_geyser", other=store.put_model(shifted(load_model("old_geyser"))))
    assert "estimate" in texts(at) and "±" in texts(at) and "density" in texts(at)


def shifted(one: Circuit) -> Circuit:
    return one.with_params(one.params.map(lambda t: t * 1.25 if t.shape[0] == 1 else t))


def test_the_worst_input_can_be_taken_as_evidence():
    at = show(model="inconsistent", other="incomplete")
    next(b for b in at.button if b.label == "Take it as evidence").click().run()
    assert not at.exception
    assert at.query_params["evidence"] in ("X1=1,X2=0", ["X1=1,X2=0"])


def test_the_model_before_is_offered_first():
    def pages() -> None:
        from pc_workbench import errors, state
        from pc_workbench.screens import compare

        state.sync()
        if state.get().model == "incomplete":
            state.choose_model("inconsistent")
        with errors.boundary():
            compare.page()

    at = AppTest.from_function(pages, default_timeout=60)
    at.query_params["model"] = "incomplete"
    at.run()
    assert not at.exception
    assert at.selectbox[0].value == "incomplete"
    assert "(the current one before)" in at.selectbox[0].options[0]


# -- views -----------------------------------------------------------------------------------


def scene_of(one: Circuit, name: str = "one") -> tuple[dict[str, Any], Outline]:
    outline = Outline.of(one)
    return circuit_scene(one, outline=outline, name=name), outline


def marks(scene: Mapping[str, Any]) -> dict[str, str]:
    return {node["id"]: node["mark"] for node in scene["nodes"] if "mark" in node}


def test_marks_of_both_sides():
    first, second = load_model("incomplete"), load_model("inconsistent")
    found = differences(first, second)
    for which, one in (("first", first), ("second", second)):
        scene, outline = scene_of(one)
        marked = compare_marks.mark(scene, found, which, outline)  # type: ignore[arg-type]
        check_scene(marked)
        expected: dict[str, str] = {}
        for change in found.units:
            unit = change.first if which == "first" else change.second
            if unit is not None:
                expected[f"u:{unit.group}:{unit.index}"] = change.status
        assert marks(marked) == expected
        others = [n for n in marked["nodes"] if "mark" not in n]
        assert others and all(n["emphasis"] == compare_marks.FAINT for n in others)
        drawn = [edge["mark"] for edge in marked["edges"] if "mark" in edge]
        lost = "removed" if which == "first" else "added"
        assert drawn.count("changed") == sum(e.status == "changed" for e in found.edges)
        assert drawn.count(lost) == sum(e.status == lost for e in found.edges)
        assert set(drawn) == {"changed", lost}
    assert "mark" not in str(scene_of(first)[0])  # the scene itself was not touched


def test_nothing_steps_back_where_nothing_differs():
    one = figure1_naive_bayes()
    scene, outline = scene_of(one)
    marked = compare_marks.mark(scene, differences(one, one), "first", outline)
    assert not marks(marked) and not any("emphasis" in node for node in marked["nodes"])


def test_marks_of_groups_and_clusters():
    one = load_model("digits_rat")
    other = one.with_params(one.params.updated({"M(root)": one.params["M(root)"] * 2}))
    found = differences(one, other)
    scene, outline = scene_of(one)
    assert list(marks(compare_marks.mark(scene, found, "first", outline)).values()) == ["changed"]


def test_partners():
    first, second = load_model("incomplete"), load_model("inconsistent")
    found = differences(first, second)
    for a, b in found.pairs.items():
        assert compare_marks.partner(found, "first", a) == b
        assert compare_marks.partner(found, "second", b) == a
    gone = next(d.first for d in found.units if d.status == "removed")
    assert gone is not None and compare_marks.partner(found, "first", gone) is None


def test_table_and_csv_have_every_difference():
    found = differences(load_model("figure3_parity"), load_model("figure3_mixture"))
    rows = compare_marks.table(found)
    assert len(rows) == len(found.units)
    assert compare_marks.table(found, 3) == rows[:3]
    kinds = [row["Kind"].endswith("leaf") for row in rows]
    assert kinds == sorted(kinds)
    read = list(csv.DictReader(io.StringIO(compare_marks.to_csv(found))))
    assert [(r["unit"], r["status"]) for r in read] == [
        (one.name, one.status) for one in compare_marks.ordered(found)
    ]


def test_numbers_as_texts():
    assert compare_texts.figure_text(Figure(math.inf, 0.0, "exact")) == "∞"
    assert compare_texts.figure_text(Figure(0.12345, 0.0, "exact")) == "0.123"
    assert compare_texts.figure_text(Figure(1e-17, 0.0, "exact")) == "0"
    assert compare_texts.figure_text(Figure(19.966, 0.118, "estimate")) == "19.97 ± 0.12"
    assert compare_texts.figure_text(Figure(-0.5, 0.25, "estimate")) == "−0.50 ± 0.25"
    assert compare_texts.probability_text(-math.inf) == "0"
    assert compare_texts.probability_text(-107.31) == "e^−107.3"
    assert compare_texts.probability_text(math.log(0.25)) == "0.25"


def test_an_input_as_evidence_says_states_by_their_names():
    circuit = figure3_parity(4)
    named = circuit.with_meta({"states": {"X1": ["no", "1, 2"], "X2": ["1", "0"]}})
    state = {name: 1.0 for name in circuit.variables}
    some = {**state, "X3": math.nan, "X4": 0.5}
    assert compare_texts.state_text(circuit, state, 2) == (
        f"X1 = 1, X2 = 1 and {len(state) - 2} more"
    )
    assert compare_texts.state_text(named, state, 2).startswith("X1 = 1, 2, X2 = 0 and")
    assert compare_texts.evidence_text(circuit, some) == "X1=1,X2=1,X4=0.5"
    text = compare_texts.evidence_text(named, some)
    assert text == 'X1="1, 2",X2=0,X4=0.5'
    assert parse_evidence('X1="1, 2",X2=0', named) == {"X1": 1, "X2": 1}
    assert compare_texts.evidence_text(circuit, {"A,B": 1.0}) == ""


def test_inputs_that_are_images():
    one = load_model("digits_rat")
    state = {name: 16.0 if v < 8 else 0.0 for v, name in enumerate(one.variables)}
    picture = compare_texts.state_picture(one, Extreme(state, 0.0, 0.0, "estimate"))
    assert picture is not None and picture.shape == (128, 128) and picture.dtype == np.uint8
    assert (picture[:16] == 255).all() and (picture[16:] == 0).all()
    assert compare_texts.state_picture(figure1_naive_bayes(), Extreme({}, 0, 0, "exact")) is None


# -- pictures --------------------------------------------------------------------------------


def export_page() -> None:
    from pc_workbench import state, store
    from pc_workbench.screens import picture_export

    state.sync()
    model = state.get().model
    circuit = store.get_circuit(model)
    picture_export.show(model, circuit, picture_export.current_values(circuit))


def exported(**parameters: str) -> AppTest:
    at = AppTest.from_function(export_page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    at.run()
    assert not at.exception
    return at


def test_the_picture_can_have_weights_and_values_or_not():
    at = exported(model="figure1_naive_bayes", evidence="X1=1,X2=0")
    assert [box.label for box in at.checkbox] == ["Weights", "Names", "Values"]
    assert len(at.get("download_button")) == len(picture_export.KINDS)
    wrong = exported(model="figure1_naive_bayes", evidence="Z=1")
    assert [box.label for box in wrong.checkbox] == ["Weights", "Names"]


def test_large_circuits_get_a_sentence():
    at = exported(model="digits_rat")
    assert not at.checkbox and "at most 2,000 units" in at.caption[0].value


@pytest.mark.parametrize("ending", [kind for kind, *_ in picture_export.KINDS])
def test_files(ending: str):
    one = figure3_parity(3)
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "tex": b"% ", "dot": b"digraph"}
    full = picture_export.render(ending, one, {one.root: 0.25}, weights=True, names=True)
    bare = picture_export.render(ending, one, None, weights=False, names=False)
    assert full.startswith(starts[ending]) and bare.startswith(starts[ending])
    assert full != bare


def test_the_values_in_a_picture_are_those_of_the_engine(monkeypatch: pytest.MonkeyPatch):
    from pc_workbench import state

    monkeypatch.setattr(state, "get", lambda: state.AppState(evidence="X1=1"))
    one = figures()["figure1_naive_bayes"]()
    compute = picture_export.current_values(one)
    assert compute is not None
    values = compute()
    assert values[one.root] == pytest.approx(0.69)
    for unit in (Unit(g, 0) for g in range(len(one.groups))):
        expected = math.exp(oracle.log_measure(one, {"X1": 1.0}, unit))
        assert values[unit] == pytest.approx(expected)
    monkeypatch.setattr(state, "get", lambda: state.AppState(evidence="X1=1", scale="log"))
    logs = picture_export.current_values(one)
    assert logs is not None and logs()[one.root] == pytest.approx(math.log(0.69))


# -- a drawing -------------------------------------------------------------------------------


def drawing_page() -> None:
    """Copies a sample to the desk and changes one weight, then compares."""
    import streamlit as st

    from pc_workbench import desk, errors, state
    from pc_workbench.screens import compare
    from pccore.draft import Draft
    from pccore.structures.figures import figure1_naive_bayes

    state.sync()
    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        one = figure1_naive_bayes()
        desk.begin(Draft.of(one))
        weights = one.params["S"].clone()
        weights[0, 0] = 0.9
        desk.take_circuit(one.with_params(one.params.updated({"S": weights})))
    with errors.boundary():
        compare.page()


def test_a_drawing_is_held_against_itself_before_its_last_change():
    at = AppTest.from_function(drawing_page, default_timeout=60)
    at.query_params["model"] = "figure1_naive_bayes"
    at.run()
    assert not at.exception and not at.error
    assert at.selectbox[0].value == "before_the_last_change"
    assert at.selectbox[0].options[0] == "The current one before its last change"
    rows = at.dataframe[0].value
    assert list(rows["Unit"]) == ["S"]
    assert list(rows["What differs"]) == ["weight of C1: 0.5 → 0.9"]
    assert "before its last change" in texts(at)


def test_a_link_to_the_last_change_of_what_was_not_changed():
    at = show(model="incomplete", other="before_the_last_change")
    assert "has not been changed here yet" in texts(at)
