"""The repair panel and its numbers: tried, compared, used, taken back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from streamlit.testing.v1 import AppTest

from pc_workbench.views.repair_view import outcome
from pccore import oracle
from pccore.check import check
from pccore.reference import evaluate
from pccore.repair import repairs
from pccore.structures.figures import figures
from tests.strategies import SEEDS, random_broken

pytestmark = pytest.mark.usefixtures("home")


def panel() -> None:
    import streamlit as st

    from pc_workbench import state, store
    from pc_workbench.screens import repair_panel
    from pccore.check import check

    state.sync()
    model = state.get().model
    circuit = store.get_circuit(model)
    faults = check(circuit).violations
    repair_panel.undo(model)
    st.caption(f"{len(faults)} faults")
    if faults:
        repair_panel.show(model, circuit, faults[0])


def texts(at: AppTest) -> str:
    return "\n".join(one.value for one in [*at.markdown, *at.caption])


def press(at: AppTest, key: str) -> AppTest:
    next(one for one in at.button if one.key == key).click()
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize("model", ["incomplete", "inconsistent", "two_paths", "buried_mistake"])
def test_a_repair_is_tried_used_and_taken_back(model: str) -> None:
    at = AppTest.from_function(panel, default_timeout=60)
    at.query_params["model"] = model
    at.run()
    before = int(next(c.value for c in at.caption if "faults" in c.value).split()[0])
    press(at, "pcw_repair_0")
    assert "S(x) of every complete state is what it was" in texts(at)
    assert at.table
    press(at, "pcw_repair_use")
    after = int(next(c.value for c in at.caption if "faults" in c.value).split()[0])
    assert after < before
    repaired = at.query_params["model"]
    assert repaired != model
    press(at, "pcw_repair_back")
    assert at.query_params["model"] in (model, [model])


def test_a_repair_is_put_aside() -> None:
    at = AppTest.from_function(panel, default_timeout=60)
    at.query_params["model"] = "incomplete"
    at.run()
    press(at, "pcw_repair_0")
    assert at.table
    press(at, "pcw_repair_keep")
    assert not at.table


def test_what_has_no_repair_says_so() -> None:
    at = AppTest.from_function(panel, default_timeout=60)
    at.query_params["model"] = "squared_gaussian"
    at.run()
    # Nothing is 1 everywhere over a real variable, but a branch can still forget it.
    assert any("Sum X1 out of" in one.label for one in at.button)


@settings(max_examples=40)
@given(SEEDS)
def test_the_outcome_is_that_of_enumeration(seed: int) -> None:
    model = random_broken(seed, "decomposable", variables=2, normalised=False).circuit
    witness = check(model).violations[0]
    states = oracle.states(model)
    old = np.exp(evaluate(model, states).root[:, 0])
    for repair in repairs(model, witness):
        found = outcome(model, witness, repair)
        new = np.exp(evaluate(found.after, states).root[:, 0])
        same = bool(np.allclose(old, new, rtol=1e-6, atol=1e-300))
        assert (found.agreement == "exact") == same
        assert repair.preserves != "exact" or same


def test_numbers_of_the_table() -> None:
    model = figures()["inconsistent"]()
    (witness, *_) = check(model).violations
    found = outcome(model, witness, repairs(model, witness)[0])
    rows = {name: (before, after) for name, before, after in found.rows}
    assert rows["Violations"] == ("2", "0")
    assert rows["S(∗), nothing observed"] == ("1", "0.5")
    assert "enumeration" in found.sentence
