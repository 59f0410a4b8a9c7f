"""The Query page as Streamlit runs it, without a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import store
from pccore.build import bernoulli, circuit, mix, product

pytestmark = pytest.mark.usefixtures("home")


def query_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import query

    state.sync()
    with errors.boundary():
        query.page()


def show(**parameters: str) -> AppTest:
    at = AppTest.from_function(query_page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    at.run()
    assert not at.exception and not at.error
    return at


def texts(at: AppTest) -> str:
    return "\n".join(one.value for one in [*at.markdown, *at.caption])


def button(at: AppTest, label: str) -> Any:
    (found,) = [one for one in at.button if one.label == label]
    return found


def component(at: AppTest, name: str) -> Mapping[str, Any]:
    """The data of a mounted component, whose proto holds it as JSON."""
    import json

    for one in at.get("bidi_component"):
        if one.proto.component_name.endswith(name):
            return json.loads(one.proto.json)
    raise AssertionError(f"{name} is not on the page")


def test_answers_follow_the_evidence_of_the_link() -> None:
    at = show(model="figure1_naive_bayes", evidence="X1=1,X2=0")
    assert "P(e) = **0.522** :green-badge[exact]" in texts(at)
    assert component(at, "stepper")["shown"]["filled"].endswith("= 0.522")
    rows = {row["name"]: row for row in component(at, "evidence")["rows"]}
    assert rows["X1"]["given"] == 1 and rows["X1"]["before"] == pytest.approx([0.69, 0.31])


def test_a_query_that_is_not_licensed_names_what_is_lacking() -> None:
    at = show(model="inconsistent")
    assert "✗ needs a circuit that is consistent" in texts(at)
    assert "No posteriors" in texts(at)
    passes = {one["id"]: one for one in component(at, "stepper")["passes"]}
    assert "decomposable" in passes["mpe"]["refused"] and "refused" not in passes["flows"]


def test_bad_evidence_is_passed_over_in_words() -> None:
    at = show(model="figure1_naive_bayes", evidence="X9=1", soft="X1:1%202%203")
    assert texts(at).count("Passed over") == 2


def test_a_link_restores_step_scale_and_hidden_variables() -> None:
    at = show(
        model="figure1_naive_bayes",
        evidence="X1=1",
        hidden="S:Class%3D1",
        pass_="mpe",
        step="3",
        scale="log",
    )
    shown = component(at, "stepper")
    assert (shown["pass"], shown["step"], shown["scale"]) == ("mpe", 3, "log")
    row = component(at, "evidence")["rows"][0]
    assert (row["name"], row["given"]) == ("Class", 1)
    graph = component(at, "graph")["scene"]
    assert sum("value" in node for node in graph["nodes"]) == 3


def test_a_step_beyond_the_end_is_the_last_one() -> None:
    at = show(model="figure1_naive_bayes", pass_="mpe", step="999")
    assert component(at, "stepper")["step"] == component(at, "stepper")["shown"]["count"]
    assert "induced tree is complete" in "".join(component(at, "stepper")["shown"]["notes"])


TABS = ("MPE and sample", "Check by enumeration", "Network polynomial", "Hidden variables")


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(
    "model", ["figure1_naive_bayes", "valid_though_broken", "old_geyser", "squared_gaussian"]
)
def test_every_tab_of_every_kind_of_model(model: str, tab: str) -> None:
    at = show(model=model)
    at.session_state["pcw_query_more"] = tab
    at.run()
    assert not at.exception and not at.error


def test_the_best_explanation_becomes_evidence() -> None:
    at = show(model="figure1_naive_bayes")
    at.session_state["pcw_query_more"] = "MPE and sample"
    at.run()
    assert "Enumeration finds the same state, S = 0.522" in texts(at)
    next(one for one in at.button if one.key == "pcw_take_mpe").click()
    at.run()
    assert "X1=1,X2=0" in at.query_params["evidence"]
    assert "P(e) = **0.522**" in texts(at)


def test_wrong_answers_stand_beside_enumeration() -> None:
    at = show(model="incomplete", evidence="X2=0")
    at.session_state["pcw_query_more"] = "Check by enumeration"
    at.run()
    assert "differ from enumeration" in texts(at)
    table = at.dataframe[0].value
    assert "≠" in set(table[""]) and "=" in set(table[""])


def test_a_hidden_variable_is_named() -> None:
    at = show(model="figure1_naive_bayes")
    at.session_state["pcw_query_more"] = "Hidden variables"
    at.run()
    at.text_input[0].set_value("Y")
    button(at, "Name it").click()
    at.run()
    assert not at.exception
    assert "S:Y" in str(at.query_params["hidden"])
    assert component(at, "evidence")["rows"][0]["name"] == "Y"
    next(one for one in at.button if one.key == "pcw_latent_S").click()
    at.run()
    assert "hidden" not in at.query_params


def test_impossible_evidence_is_a_sentence() -> None:
    """Of two states that differ in one bit one has the wrong parity."""
    found = []
    for last in (0, 1):
        at = show(model="figure3_parity", evidence=f"X1=0,X2=0,X3=0,X4=0,X5={last}", pass_="mpe")
        found.append(component(at, "stepper")["shown"])
        if found[-1]["reason"]:
            assert "P(e) = **0**" in texts(at) and "log P = **−∞**" in texts(at)
            assert "No posteriors: the evidence has probability zero" in texts(at)
    assert sorted("probability zero" in one["reason"] for one in found) == [False, True]


def test_large_circuits_are_zoomed_into() -> None:
    parts = [product(*[bernoulli(f"X{v}", 0.1 + 0.01 * c) for v in range(6)]) for c in range(80)]
    model = store.put_model(circuit(mix([1 / 80] * 80, parts)))
    at = show(model=model)
    assert "400 units" in component(at, "stepper")["shown"]["reason"]
    loaded = store.get_circuit(model)
    one = loaded.children(loaded.root)[3].child
    at = show(model=model, unit=f"u:{one.group}:{one.index}")
    next(b for b in at.button if b.key == "pcw_query_zoom").click()
    at.run()
    assert component(at, "stepper")["shown"]["count"] == 7
    assert f"z:{one.group}:{one.index}" in str(at.query_params["view"])
    button(at, "Back to the whole").click()
    at.run()
    assert "400 units" in component(at, "stepper")["shown"]["reason"]


def test_pictures_are_led_to_complete() -> None:
    at = show(model="digits_rat")
    assert "pixels" in texts(at)
    assert component(at, "stepper")["shown"]["count"] == 0


def test_without_a_model_there_is_a_way_on() -> None:
    at = show()
    assert "No model is chosen yet" in at.info[0].value
