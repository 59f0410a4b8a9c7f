"""What Inspect shows of a violation and of a unit, against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from pc_workbench.views import doctor, effect, unit_details
from pc_workbench.views.meaning_figure import meaning_figure
from pccore import oracle
from pccore.build import bernoulli, categorical, circuit, gaussian, mix, product
from pccore.check import check
from pccore.consequence import consequence
from pccore.files import load_model
from pccore.graph import Circuit, Unit
from pccore.queries import unit_values
from pccore.queries.meaning import meaning
from pccore.structures.figures import figures
from tests.strategies import SEEDS, random_circuit

# -- what a violation breaks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [("incomplete", "too little"), ("inconsistent", "too much"), ("squared_gaussian", "too much")],
)
def test_the_bars_show_both_answers(name: str, words: str) -> None:
    model = figures()[name]()
    found = consequence(model, check(model).violations[0])
    assert found is not None
    computed = unit_values(model, found.evidence).value_of(found.unit)
    shown = effect.effect(model, found, computed)
    assert shown.computed == pytest.approx(found.computed, rel=1e-9)
    truth = math.exp(oracle.log_measure(model, dict(found.evidence)))
    assert shown.truth == pytest.approx(truth, rel=1e-9)
    assert words in shown.wrong
    html = effect.bars(shown)
    assert html.count("width:100.0%") == 1, "the larger one fills its row"
    assert html.count("<i ") == 2


def test_names_cannot_write_markup_into_the_bars() -> None:
    model = circuit(0.5 * bernoulli("<b>", 0.5) + 0.5 * (bernoulli("<b>", 0.5) * bernoulli("Y", 1)))
    found = consequence(model, check(model).violations[0])
    assert found is not None
    shown = effect.Effect("<script>", "<b>=1", found.computed, found.truth, "")
    assert "<script>" not in effect.bars(shown) and "<b>=1" not in effect.bars(shown)


def test_the_paths_in_words() -> None:
    model = figures()["incomplete"]()
    lines = effect.paths(model, check(model).violations[0])
    assert lines == ["S → P → A2 → x2 has X2", "S → B1 lacks X2"]
    weights = check(figures()["unnormalised"]()).of("normalized")
    assert effect.paths(model, weights[0]) == []


# -- what a unit means -----------------------------------------------------------------------


def every_unit(model: Circuit) -> list[Unit]:
    groups = {model.root.group}
    for g in range(model.root.group, -1, -1):
        if g in groups:
            groups |= set(model.groups[g].inputs)
    return [Unit(g, k) for g in sorted(groups) for k in range(model.groups[g].size)]


@settings(max_examples=25)
@given(SEEDS)
def test_pictures_show_the_distribution_of_the_unit(seed: int) -> None:
    model = random_circuit(seed, variables=3, normalised=False)
    for unit in every_unit(model):
        found = meaning(model, unit, {})
        figure = meaning_figure(found)
        assert (figure is not None) == (len(found.scope) <= 2)
        if figure is None:
            continue
        table = np.exp(oracle.log_table(model, None, unit))
        drawn = figure.data[0]
        shown = np.asarray(drawn.y if len(found.scope) == 1 else drawn.z, dtype=float)
        np.testing.assert_allclose(shown.reshape(-1), table / table.sum(), rtol=1e-6)


def test_densities_and_images() -> None:
    model = load_model("old_geyser")
    figure = meaning_figure(meaning(model, model.root, {}))
    assert figure is not None and figure.data[0].type == "contour"
    line = circuit(mix([0.5, 0.5], [gaussian("G", 0, 1), gaussian("G", 4, 1)]))
    curve = meaning_figure(meaning(line, line.root, {}))
    assert curve is not None
    x, y = np.asarray(curve.data[0].x), np.asarray(curve.data[0].y, dtype=float)
    assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-3)
    digits = load_model("digits_pd")
    image = meaning_figure(meaning(digits, digits.root, {}))
    assert image is not None and np.asarray(image.data[0].z).shape == (8, 8)


def test_small_units_are_written_out() -> None:
    model = figures()["figure1_naive_bayes"]()
    text = unit_details.polynomial(model, model.root)
    assert text.startswith("S = ") and text.count("+") == 3
    assert unit_details.polynomial(model, Unit(0, 0)) == "", "a leaf is its own formula"
    parity = figures()["figure3_parity"]()
    assert unit_details.polynomial(parity, parity.root).count("+") < unit_details.MONOMIALS
    large = load_model("digits_pd")
    assert unit_details.polynomial(large, large.root) == ""


# -- the numerics doctor ---------------------------------------------------------------------


def test_the_doctor_names_what_is_zero_under_the_evidence() -> None:
    left = product(bernoulli("A", 1.0).named("a"), bernoulli("B", 0.5)).named("left")
    model = circuit(mix([0.5, 0.5], [left, product(bernoulli("A", 0.5), bernoulli("B", 0.2))]))
    found = doctor.complaints(model, unit_values(model, {"A": 0.0}))
    texts = {one.sentence: model.unit_name(one.unit) for one in found}
    (zero,) = [text for text in texts if "-inf" in text]
    assert "product left is 0" in zero and texts[zero] == "left"
    (leaf,) = [text for text in texts if "probability 0" in text]
    assert "leaf a gives a state of A" in leaf
    calm = doctor.complaints(model, unit_values(model, {"A": 1.0}))
    assert not any("-inf" in one.sentence for one in calm)


def test_the_doctor_names_variances_at_their_bound_and_extreme_values() -> None:
    model = circuit(gaussian("G", 0, 1e-4).named("tight") * categorical("C", [0.5, 0.5, 0]))
    texts = [one.sentence for one in doctor.complaints(model, unit_values(model, {"G": 1.0}))]
    assert any("tight has the variance 0.0001" in text for text in texts)
    assert any("beyond single precision" in text for text in texts)
    assert any("state of C" in text for text in texts)
    good = circuit(gaussian("G", 0, 1) * categorical("C", [0.5, 0.5]))
    assert doctor.complaints(good, unit_values(good, {})) == []


def test_the_doctor_is_quick_on_a_large_model() -> None:
    model = load_model("digits_pd")
    found = doctor.complaints(model, unit_values(model, {}))
    assert len(found) <= 4
    assert all(one.more >= 0 for one in found)
