"""The Compile view of Inspect as Streamlit runs it, without a browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import store
from pccore.build import circuit, gaussian
from tests.app.pages import inspect_page

pytestmark = pytest.mark.usefixtures("home")


def show(**parameters: str) -> AppTest:
    at = AppTest.from_function(inspect_page, default_timeout=60)
    for name, text in {"aspect": "compile", **parameters}.items():
        at.query_params[name] = text
    at.run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    shown = [*at.markdown, *at.caption, *at.info, *at.error]
    return "\n".join(str(one.value) for one in shown)


def test_the_page_measures_when_asked_and_forgets_with_the_batch():
    at = show(model="digits_rat")
    table = at.dataframe[0].value
    assert list(table["Layer"]) == list(range(6)) and "µs up" not in table
    assert "91,530" in texts(at) and "Memory to evaluate" in texts(at)
    next(one for one in at.button if one.label == "Measure").click().run()
    assert not at.exception and not at.error
    assert (at.dataframe[0].value["µs up"] > 0).all() and "rows of digits" in texts(at)
    at.number_input[0].set_value(7).run()
    assert "µs up" not in at.dataframe[0].value
    assert at.query_params["batch"] in ("7", ["7"])


def test_random_rows_where_the_dataset_does_not_fit():
    at = show(model="figure1_naive_bayes", unit="u:4:0")
    assert "in the value buffer row" in texts(at).replace("\\", "")
    next(one for one in at.button if one.label == "Measure").click().run()
    assert not at.exception and "random rows" in texts(at)


@pytest.mark.parametrize("layer", ["0", "3", "77"])
def test_a_link_may_name_any_layer(layer: str):
    assert "Rows in a batch" in {
        one.label for one in show(model="weather_hmm", layer=layer).number_input
    }


def test_a_circuit_that_cannot_be_compiled_is_one_sentence():
    far = circuit(0.5 * gaussian("X", 1e300, 1.0) + 0.5 * gaussian("X", 0.0, 1.0))
    at = show(model=store.put_model(far))
    assert "cannot be compiled" in at.info[0].value and not at.error and not at.dataframe


def test_the_structure_is_what_a_link_shows_otherwise():
    at = show(model="figure1_naive_bayes", aspect="structure")
    assert not at.number_input and "Properties" in texts(at)
