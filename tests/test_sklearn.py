"""The estimators, by scikit-learn's own checks and beside the engine."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from pccore.datasets import load
from pccore.errors import DataError, NotFoundError, OptionError
from pccore.queries import log_likelihood
from pccore.sklearn import CircuitClassifier, CircuitDensity

#: This one wants another array library and an environment variable.
NOT_HERE = frozenset({"check_array_api_input"})


def checks() -> list[Any]:
    found: list[Any] = []
    for estimator in (CircuitDensity(), CircuitClassifier()):
        for made, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if name not in NOT_HERE:
                found.append(pytest.param(made, check, id=f"{type(made).__name__}-{name}"))
    return found


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_what_scikit_learn_checks(estimator: Any, check: Any) -> None:
    assert check(estimator) is None


def rows() -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[:, 1] += 2 * x[:, 0]
    x[:, 2] = x[:, 2] > 0
    x[np.random.default_rng(1).random(x.shape) < 0.1] = math.nan
    return x


def test_a_density() -> None:
    x = rows()
    model = CircuitDensity(structure_options={"min_rows": 30}, random_state=1).fit(x)
    domains = [model.circuit_.domain(v).kind for v in range(3)]
    assert domains == ["real", "real", "finite"]
    expected = log_likelihood(model.circuit_, torch.tensor(x)).numpy()
    np.testing.assert_allclose(model.score_samples(x), expected)
    assert model.score(x) == pytest.approx(expected.mean())
    nothing = np.full((1, 3), math.nan)
    np.testing.assert_allclose(model.score_samples(nothing), 0.0, atol=1e-6)
    outside = np.array([[0.0, 0.0, 2.0], [math.nan, math.nan, 0.5]])
    assert np.isneginf(model.score_samples(outside)).all()
    drawn = model.sample(500, random_state=0)
    np.testing.assert_array_equal(drawn, model.sample(500, random_state=0))
    assert drawn.shape == (500, 3) and set(drawn[:, 2]) == {0.0, 1.0}
    assert abs(drawn[:, 0].mean() - np.nanmean(x[:, 0])) < 0.3


def test_training_and_early_stopping() -> None:
    x = load("digits").train[:200]
    options = {"structure_options": {"units": 3, "depth": 1, "replicas": 2}, "epochs": 5}
    model = CircuitDensity("rat", validation_fraction=0.2, random_state=0, **options).fit(x)
    plain = CircuitDensity("rat", method="none", random_state=0, **options).fit(x)
    online = CircuitDensity("rat", method="online-em", method_options={"step": 0.3}, **options)
    assert model.score(x) > plain.score(x) + 1
    assert online.fit(x).score(x) > plain.score(x) + 1


def test_copies_keep_what_was_learned() -> None:
    x = rows()
    model = CircuitDensity(random_state=0).fit(x)
    other = copy.deepcopy(model)  # as pickling does, which scikit-learn checks
    np.testing.assert_array_equal(other.score_samples(x), model.score_samples(x))
    assert not hasattr(clone(model), "circuit_")
    assert clone(model).get_params() == model.get_params()


def test_a_classifier_with_missing_values() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = make_pipeline(StandardScaler(), CircuitClassifier(random_state=0))
    assert cross_val_score(model, x, names, cv=3).mean() > 0.9
    holes = np.where(np.random.default_rng(0).random(x.shape) < 0.3, math.nan, x)
    fitted = model.fit(holes, names)
    assert fitted.score(holes, names) > 0.85
    chances = fitted.predict_proba(holes)
    np.testing.assert_allclose(chances.sum(1), 1.0)
    # With nothing known, or what no class allows, the prior is left.
    classifier = CircuitClassifier(domains="auto", priors=[0.5, 0.3, 0.2]).fit(x > 3, y)
    unknown = np.array([[math.nan] * 4, [2.0] * 4])
    np.testing.assert_allclose(classifier.predict_proba(unknown), [[0.5, 0.3, 0.2]] * 2)


def test_options_are_searched() -> None:
    grid = {"structure_options": [{"min_rows": 20}, {"min_rows": 100}]}
    search = GridSearchCV(CircuitDensity(random_state=0), grid, cv=2).fit(rows())
    assert search.best_params_["structure_options"] in grid["structure_options"]


def test_domains_may_be_told() -> None:
    x = np.array([[0.0, 1, 3], [1, 0, 4], [1, 1, 5], [0, 1, 300]])
    model = CircuitDensity(domains=["real", 3, "count"]).fit(x)
    assert [str(model.circuit_.domain(v)) for v in range(3)] == [
        "a finite number",
        "an integer from 0 to 2",
        "a non-negative integer",
    ]
    assert CircuitDensity(domains="real").fit(x).circuit_.domain(1).kind == "real"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"structure": "nobody"}, NotFoundError),
        ({"structure_options": {"nothing": 1}}, OptionError),
        ({"structure": "rat", "method": "nobody"}, NotFoundError),
        ({"structure": "rat", "epochs": 0}, OptionError),
        ({"domains": "colour"}, OptionError),
        ({"domains": ["real"]}, OptionError),
        ({"domains": "binary"}, DataError),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        CircuitDensity(**options).fit(rows())
