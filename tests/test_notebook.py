"""What Jupyter shows."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pccore import reference
from pccore.build import bernoulli, circuit
from pccore.check import check
from pccore.files import load_model
from pccore.graph import Circuit


def parsed(text: str | None) -> ElementTree.Element:
    """The markup, which has to be well-formed."""
    assert text is not None
    return ElementTree.fromstring(text.replace("<br>", "<br/>"))


def hostile() -> Circuit:
    evil = "<script>alert(1)</script>"
    model = circuit(bernoulli(evil, 0.25) * bernoulli("b&amp;", 0.5))
    return model.with_meta({"title": f"{evil} & </div>"})


def test_a_small_circuit_is_drawn() -> None:
    model = load_model("figure1_naive_bayes")
    drawing = parsed(model._repr_svg_())
    assert drawing.tag.endswith("svg") and len(list(drawing.iter())) > 20
    card = model._repr_html_()
    assert card is not None and "<svg" in card and "2 variables (X1, X2)" in card
    assert str(model.num_units) in card
    parsed(card)


def test_a_large_circuit_is_a_card() -> None:
    model = load_model("digits_pd")
    assert model._repr_svg_() is None
    card = model._repr_html_()
    assert card is not None and "<svg" not in card and len(card) < 2000
    assert f"{model.num_parameters:,} parameters" in card and "64 variables" in card


@pytest.mark.parametrize("what", ["circuit", "report", "trace"])
def test_no_name_becomes_markup(what: str) -> None:
    model = hostile()
    shown = {
        "circuit": model,
        "report": check(model),
        "trace": reference.evaluate(model, [[1.0, 0.0]]),
    }[what]
    for text in (shown._repr_html_(), shown._repr_svg_()):
        assert text is None or "<script" not in text
    parsed(shown._repr_html_())


def test_a_report_lists_what_is_wrong() -> None:
    card = check(load_model("incomplete"))._repr_html_()
    assert card is not None and "not valid" in card and "✗ no" in card and "<li>" in card
    assert "✓ yes" in str(check(load_model("figure3_parity"))._repr_html_())


def test_a_trace_has_values_beside_the_units() -> None:
    model = load_model("figure1_naive_bayes")
    card = reference.evaluate(model, {"X1": 1, "X2": 0})._repr_html_()
    assert card is not None and "0.522" in card and "<svg" in card
    rows = reference.evaluate(model, [[1.0, 0.0]] * 30)._repr_html_()
    assert rows is not None and "<table" in rows and "and 10 more rows" in rows


def test_in_a_notebook() -> None:
    """IPython's own formatter takes the representations."""
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(load_model("figure1_naive_bayes"))
    assert {"text/html", "image/svg+xml", "text/plain"} <= set(data)
