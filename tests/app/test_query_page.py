"""The Query page as Streamlit runs it, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pc_workbench import paths


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    st.cache_resource.clear()
    return tmp_path


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


def test_answers_follow_the_evidence_of_the_link() -> None:
    at = show(model="figure1_naive_bayes", evidence="X1=1,X2=0")
    assert "**P(e)** = 0.522" in texts(at) and ":green-badge[exact]" in texts(at)


def test_a_query_that_is_not_licensed_names_what_is_lacking() -> None:
    at = show(model="inconsistent")
    assert "✗ needs a circuit that is consistent" in texts(at)
    assert "No posteriors" in texts(at)


def test_bad_evidence_is_passed_over_in_words() -> None:
    at = show(model="figure1_naive_bayes", evidence="X9=1", soft="X1:1 2 3")
    assert "Passed over" in texts(at)


def test_stepping_through_the_up_pass_and_the_maxima() -> None:
    at = show(model="figure1_naive_bayes", evidence="X1=1")
    button(at, "›").click()
    at.run()
    assert at.slider[0].label == "Step 1 of 12"
    at.slider[0].set_value(12).run()
    assert not at.exception
    shown = [one.proto.body for one in at.get("html")]
    assert any("= 0.69" in body and "pcw-step" in body for body in shown)
    at = show(model="figure1_junction_tree", pass_="mpe", step="20")
    assert any("induced tree is complete" in one.proto.body for one in at.get("html"))
    assert "**" in texts(at)


@pytest.mark.parametrize(
    "tab", ["Best and drawn", "Beside enumeration", "Network polynomial", "Hidden variables"]
)
@pytest.mark.parametrize("model", ["figure1_naive_bayes", "valid_though_broken", "old_geyser"])
def test_every_tab_of_every_kind_of_model(model: str, tab: str) -> None:
    at = show(model=model)
    at.session_state["pcw_query_more"] = tab
    at.run()
    assert not at.exception and not at.error


def test_the_best_explanation_becomes_evidence() -> None:
    at = show(model="figure1_naive_bayes")
    at.session_state["pcw_query_more"] = "Best and drawn"
    at.run()
    assert "gap to the enumerated best" in texts(at)
    next(one for one in at.button if one.key == "pcw_take_mpe").click()
    at.run()
    assert "X1=1,X2=0" in at.query_params["evidence"]
    assert "**P(e)** = 0.522" in texts(at)


def test_a_hidden_variable_is_named() -> None:
    at = show(model="figure1_naive_bayes")
    at.session_state["pcw_query_more"] = "Hidden variables"
    at.run()
    at.text_input[0].set_value("Y")
    button(at, "Name it").click()
    at.run()
    assert not at.exception
    assert "S" in str(at.query_params["hidden"]) and "Y" in str(at.query_params["hidden"])


def test_large_circuits_show_groups_and_say_why_there_are_no_steps() -> None:
    at = show(model="digits_rat")
    assert "stepped through" in texts(at)
