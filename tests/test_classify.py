"""One class against the rest: ratios by hand, areas by definition, digits for real."""

from __future__ import annotations

import csv
import io
import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import classify
from pccore.build import bernoulli, circuit, indicator
from pccore.classify import Classifier, assess, fit_classes, log_ratios, precision_recall
from pccore.classify.chart import steps
from pccore.datasets import Dataset, load
from pccore.datasets.labels import labelled, only
from pccore.errors import DataError, PropertyError
from pccore.graph import Circuit
from pccore.learn import Epoch, TrainOptions
from pccore.leaves.base import Support
from pccore.structures import build_structure, shape_of


def two_coins(rng: np.random.Generator, count: int, unlabelled: bool = False) -> Dataset:
    """Class 3: mostly ones; class 7: mostly zeros."""

    def make(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.choice([3, 7], n)
        chance = np.where(labels == 3, 0.8, 0.2)[:, None]
        return (rng.random((n, 4)) < chance).astype(np.float32), labels

    parts = {split: make(count) for split in ("train", "valid", "test")}
    return Dataset(
        "coins",
        *(rows for rows, _ in parts.values()),
        variables=("A", "B", "C", "D"),
        supports=(Support("finite", 2),) * 4,
        labels={} if unlabelled else {split: labels for split, (_, labels) in parts.items()},  # type: ignore[misc]
    )


def factorised(part: Dataset) -> Circuit:
    return build_structure("factorized", shape_of(part), {})


def test_ratios_of_two_classes_by_hand() -> None:
    first = circuit(bernoulli("A", 0.9) * bernoulli("B", 0.5))
    second = circuit(bernoulli("A", 0.2) * bernoulli("B", 0.5))
    found = Classifier((0, 1), ((first, 0), (second, 0)), (0.25, 0.75))
    values = found.log_likelihoods(np.array([[1.0, 0.0], [np.nan, 1.0]]))
    np.testing.assert_allclose(np.exp(values), [[0.45, 0.1], [0.5, 0.5]])
    ratios = log_ratios(values, found.prior)
    np.testing.assert_allclose(ratios, [[np.log(4.5), -np.log(4.5)], [0, 0]], atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_rest_is_the_mixture_of_the_other_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 6))
    values = rng.normal(0, 3, (7, count))
    prior = rng.dirichlet(np.ones(count))
    ratios = log_ratios(values, prior.tolist())
    for c in range(count):
        others = [d for d in range(count) if d != c]
        rest = (np.exp(values[:, others]) * prior[others]).sum(1) / (1 - prior[c])
        np.testing.assert_allclose(ratios[:, c], values[:, c] - np.log(rest), atol=1e-9)


def test_impossible_rows_speak_for_no_class() -> None:
    values = np.array([[-np.inf, -1.0], [-2.0, -np.inf], [-np.inf, -np.inf]])
    ratios = log_ratios(values, (0.5, 0.5))
    assert ratios.tolist() == [[-np.inf, np.inf], [np.inf, -np.inf], [-np.inf, -np.inf]]
    curve = precision_recall(ratios[:, 0], np.array([False, True, True]))
    assert curve is not None and 0 < curve.area < 1


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_area_is_average_precision(seed: int) -> None:
    """Without ties: the mean over the positives of the precision at their place."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(20).astype(np.float64)
    positive = rng.random(20) < 0.4
    curve = precision_recall(scores, positive)
    if curve is None:
        assert positive.all() or not positive.any()
        return
    ranked = positive[np.argsort(-scores)]
    at = np.cumsum(ranked) / np.arange(1, 21)
    assert curve.area == pytest.approx(at[ranked].mean())
    assert (curve.precision[-1], curve.recall[-1]) == (1.0, 0.0)
    assert len(curve.precision) == len(curve.recall) == len(curve.thresholds) + 1


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_what_is_drawn_has_the_area_that_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curve = precision_recall(np.round(rng.normal(size=60), 1), rng.random(60) < 0.3)
    if curve is None:
        return
    points = steps(curve)
    area = sum((b[0] - a[0]) * b[1] for a, b in itertools.pairwise(points))
    assert area == pytest.approx(curve.area)
    assert (points[0][0], points[-1][0]) == (0.0, 1.0)


def test_roots_of_one_circuit_are_as_good_as_circuits_of_their_own() -> None:
    a, b = bernoulli("A", 0.9), bernoulli("A", 0.2)
    shared = bernoulli("B", 0.5)
    both = circuit([a * shared, b * shared])
    rooted = Classifier.of_roots(both, (0, 1))
    apart = Classifier((0, 1), ((circuit(a * shared), 0), (circuit(b * shared), 0)), (0.5, 0.5))
    rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(rooted.log_likelihoods(rows), apart.log_likelihoods(rows))
    with pytest.raises(DataError, match="2 roots, the data have 3"):
        Classifier.of_roots(both, (0, 1, 2))


def test_each_class_learns_from_its_own_rows() -> None:
    data = two_coins(np.random.default_rng(0), 400)
    heard: list[int] = []
    options = TrainOptions(epochs=3)
    found = fit_classes(
        data, factorised, "em", options=options,
        listener=lambda label, event: heard.append(label) if isinstance(event, Epoch) else None,
    )  # fmt: skip
    assert found.labels == (3, 7) and set(heard) == {3, 7}
    assert sum(found.prior) == pytest.approx(1.0)
    for label, (model, _) in zip(found.labels, found.experts, strict=True):
        assert isinstance(model, Circuit)
        mine = data.train[data.labels["train"] == label]
        # The likelihood of factorised Bernoullis is highest at the means (a pseudocount apart).
        expected = np.log(np.where(mine == 1, mine.mean(0), 1 - mine.mean(0))).sum(1).mean()
        value = found.log_likelihoods(mine)[:, found.labels.index(label)].mean()
        assert value == pytest.approx(expected, abs=1e-3)
    report = assess(found, data.test, data.labels["test"])  # type: ignore[arg-type]
    assert report.accuracy > 0.85 and report.mean_area is not None and report.mean_area > 0.9
    assert report.confusion.sum() == len(data.test)
    assert np.trace(report.confusion) == pytest.approx(report.accuracy * len(data.test))


def test_what_cannot_be_classified_is_said() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="no labels") as told:
        fit_classes(two_coins(rng, 20, unlabelled=True), factorised)
    assert told.value.where == "coins:train" and told.value.hint is not None
    with pytest.raises(DataError, match="all of one class"):
        fit_classes(only(two_coins(rng, 20), 3), factorised)
    with pytest.raises(DataError, match="no training row has the label 99"):
        only(two_coins(rng, 20), 99)
    model = circuit(bernoulli("A", 0.5))
    with pytest.raises(DataError, match="two or more"):
        Classifier((1,), ((model, 0),), (1.0,))
    with pytest.raises(DataError, match="prior"):
        Classifier((1, 2), ((model, 0), (model, 0)), (0.9, 0.9))
    with pytest.raises(DataError, match="1 labels for 2 rows"):
        pair = Classifier((1, 2), ((model, 0), (model, 0)), (0.5, 0.5))
        assess(pair, np.zeros((2, 1)), np.array([1]))
    broken = circuit(0.5 * bernoulli("A", 0.5) + 0.5 * indicator("B", 1))
    with pytest.raises(PropertyError):
        pair = Classifier((1, 2), ((broken, 0), (broken, 0)), (0.5, 0.5))
        pair.log_likelihoods(np.zeros((1, 2)))


def test_a_class_that_the_split_lacks_has_no_curve() -> None:
    model = circuit(bernoulli("A", 0.5))
    pair = Classifier((1, 2), ((model, 0), (model, 0)), (0.5, 0.5))
    report = assess(pair, np.zeros((3, 1)), np.array([1, 1, 5]))
    assert report.areas[1] is None and report.areas[0] is not None
    assert report.mean_area == report.areas[0]
    text = classify.curves_csv(report, ["one", "two"])
    assert {row["class"] for row in csv.DictReader(io.StringIO(text))} == {"one"}


def test_the_digits_are_told_apart() -> None:
    data = load("digits")

    def make(part: Dataset) -> Circuit:
        return build_structure("rat", shape_of(part), {"depth": 2, "replicas": 3, "units": 4})

    found = fit_classes(data, make, "online-em", options=TrainOptions(epochs=10))
    labels = labelled(data, "test")
    report = assess(found, data.test, labels)
    assert report.accuracy > 0.9
    assert report.mean_area is not None and report.mean_area > 0.95
    picture = ElementTree.fromstring(classify.curves_svg(report, [f"<{n}>" for n in range(10)]))
    texts = [one.text or "" for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text.startswith("<") for text in texts) == 10
    lines = list(picture.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 10
