"""The picture of a leaf shows its distribution."""

from __future__ import annotations

import numpy as np
import pytest

from pc_workbench.views.leaf_figure import leaf_figure
from pccore.build import categorical, circuit, gaussian
from pccore.files import load_model
from pccore.graph import Unit


def test_one_finite_variable_is_drawn_as_bars() -> None:
    model = circuit(categorical("X", [0.2, 0.5, 0.3]))
    figure = leaf_figure(model, model.root)
    assert figure is not None
    np.testing.assert_allclose(figure.data[0].y, [0.2, 0.5, 0.3])


def test_a_factorised_leaf_is_drawn_as_a_map_of_its_variables() -> None:
    model = load_model("digits_pd")
    figure = leaf_figure(model, Unit(0, 3))
    assert figure is not None
    table = np.asarray(figure.data[0].z)
    assert table.shape == (4, 17)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-5)


def test_a_gaussian_is_drawn_as_its_density() -> None:
    model = circuit(gaussian("X", 2.0, 0.25))
    figure = leaf_figure(model, model.root)
    assert figure is not None
    x, y = np.asarray(figure.data[0].x), np.asarray(figure.data[0].y)
    assert x[y.argmax()] == pytest.approx(2.0)
    assert float(np.trapezoid(y, x)) == pytest.approx(1, abs=1e-3)


def test_other_units_have_no_picture() -> None:
    model = load_model("digits_pd")
    assert leaf_figure(model, model.root) is None
    assert leaf_figure(model.with_params({}), Unit(0, 0)) is None
