"""Completion against enumeration, and the baselines against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from pccore import oracle
from pccore.build import circuit, indicator, product
from pccore.completion import (
    BASELINES,
    complete_rows,
    contact_sheet,
    hidden_pixels,
    mean_squared_error,
    nearest_neighbour,
    principal_components,
    quality_of,
    to_picture,
)
from pccore.datasets import ImageShape
from pccore.errors import DataError, EvidenceError, OptionError, PropertyError
from pccore.graph import Circuit
from pccore.structures import Shape, build_structure
from pccore.structures.figures import figures

SQUARE = ImageShape(2, 2, 1, 1)


@pytest.fixture(scope="module")
def model() -> Circuit:
    """A random circuit over the four pixels of 2x2 binary images."""
    shape = Shape.of(4, None, (2, 2))
    return build_structure("rat", shape, {"depth": 2, "units": 3, "replicas": 2, "seed": 5})


# -- masks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("left", ["1000", "1000"]),
        ("right", ["0111", "0111"]),
        ("top", ["1111", "0000"]),
        ("bottom", ["0000", "1111"]),
    ],
)
def test_halves(where: str, rows: list[str]):
    # An odd middle goes to right and bottom: left and right never overlap.
    cells = [[int(c) for c in row[:3]] for row in rows]
    expected = np.repeat(np.array(cells, bool).reshape(-1), 3)
    assert np.array_equal(hidden_pixels(where, ImageShape(2, 3, 3)), expected)


def test_opposite_halves_share_an_image():
    image = ImageShape(5, 7, 1)
    for first, second in (("left", "right"), ("top", "bottom")):
        assert np.array_equal(hidden_pixels(first, image), ~hidden_pixels(second, image))


def test_masks_from_files(tmp_path: Path):
    cells = np.array([[255, 0, 130], [0, 120, 255]], np.uint8)
    path = tmp_path / "mask.PNG"
    expected = [True, False, True, False, False, True]
    for mode in ("L", "RGB", "RGBA", "P"):
        Image.fromarray(cells).convert(mode).save(path)
        assert hidden_pixels(path, ImageShape(2, 3)).tolist() == expected
    assert hidden_pixels(str(path), ImageShape(2, 3, 2)).tolist() == np.repeat(expected, 2).tolist()
    with pytest.raises(DataError, match=r"2x3 pixels, the images 3x2"):
        hidden_pixels(path, ImageShape(3, 2))
    with pytest.raises(DataError, match="hides no pixel"):
        hidden_pixels("left", ImageShape(3, 1))
    with pytest.raises(OptionError, match="'centre'"):
        hidden_pixels("centre", SQUARE)


# -- completions ---------------------------------------------------------------------------


def test_mean_is_the_conditional_expectation(model: Circuit):
    hidden = np.array([True, False, True, False])
    rows = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 1, 1, np.nan]], np.float32)
    found = complete_rows(model, rows, hidden, "mean")
    for row, completed in zip(rows, found, strict=True):
        evidence = np.where(hidden, np.nan, row)
        tables = oracle.marginals(model, evidence)
        for v in range(4):
            if np.isnan(evidence[v]):
                assert completed[v] == pytest.approx(float(tables[v][1]), abs=1e-9)
            else:
                assert completed[v] == row[v]


def test_mpe_is_exact_on_deterministic_circuits():
    tree = figures()["figure1_junction_tree"]()
    hidden = np.array([True, True, False])
    found = complete_rows(tree, np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), hidden, "mpe")
    for value, completed in zip((1.0, 0.0), found, strict=True):
        best = oracle.mpe(tree, [np.nan, np.nan, value])[0]
        assert completed.tolist() == [float(v) for v in best]
    assert quality_of(tree, "mpe") == "exact"
    assert quality_of(figures()["figure1_naive_bayes"](), "mpe") == "bound"
    assert quality_of(tree, "mean") == quality_of(tree, "sample") == "exact"


def test_samples_follow_the_conditional(model: Circuit):
    hidden = np.array([True, True, False, False])
    rows = np.tile(np.array([[0, 0, 1, 0]], np.float32), (4000, 1))
    found = complete_rows(model, rows, hidden, "sample", seed=3)
    mean = complete_rows(model, rows[:1], hidden, "mean")
    assert found.mean(0) == pytest.approx(mean[0], abs=0.04)
    assert np.array_equal(found, complete_rows(model, rows, hidden, "sample", seed=3))
    assert not np.array_equal(found, complete_rows(model, rows, hidden, "sample", seed=4))
    one = complete_rows(model, rows[:1], hidden, "sample", seed=3)
    assert one.shape == (1, 4) and one[0, 2:].tolist() == [1.0, 0.0]


def test_a_mask_for_each_row(model: Circuit):
    rows = np.array([[0, 1, 0, 1], [0, 1, 0, 1]], np.float32)
    hidden = np.array([[True, False, False, False], [False, False, False, True]])
    found = complete_rows(model, rows, hidden, "mean")
    for row in range(2):
        alone = complete_rows(model, rows[row : row + 1], hidden[row], "mean")
        assert found[row] == pytest.approx(alone[0])


def test_completions_are_pictures():
    shape = Shape.of(4, None, (2, 2))
    model = build_structure("naive_bayes", shape, {"leaf": "gaussian", "components": 2})
    hidden = np.array([True, True, False, False])
    found = complete_rows(model, np.ones((50, 4)), hidden, "sample", SQUARE)
    assert found.min() >= 0 and found.max() <= 1


def test_refusals(model: Circuit):
    rows, hidden = np.zeros((1, 4)), np.array([True, False, False, False])
    with pytest.raises(OptionError, match="'guess'"):
        complete_rows(model, rows, hidden, "guess")  # pyright: ignore[reportArgumentType]
    broken = figures()["incomplete"]()
    with pytest.raises(PropertyError, match="X2"):
        complete_rows(broken, np.zeros((1, 2)), np.array([True, False]), "mean")
    sure = circuit(product(indicator("X0", 1), indicator("X1", 0)))
    with pytest.raises(EvidenceError, match="probability zero"):
        complete_rows(sure, np.ones((1, 2)), np.array([True, False]), "mean")


# -- scores --------------------------------------------------------------------------------


def test_errors_count_hidden_known_values_on_the_scale_of_bytes():
    image = ImageShape(1, 4, 1, 16)
    truth = np.array([[0.0, 16.0, 4.0, np.nan]])
    guess = np.array([[9.0, 12.0, 8.0, 1.0]])
    hidden = np.array([False, True, True, True])
    assert mean_squared_error(truth, guess, hidden, image) == pytest.approx((4 * 255 / 16) ** 2)
    assert np.isnan(mean_squared_error(truth, guess, np.zeros(4, bool), image))


def test_nearest_neighbour():
    image = ImageShape(1, 3, 1, 10)
    train = np.array([[9.0, 1.0, 1.0], [5.0, 7.0, 7.0], [np.nan, 4.0, 0.0]])
    rows = np.array([[0.0, 2.0, 1.0], [0.0, 9.0, 9.0], [3.0, 4.0, np.nan]])
    hidden = np.array([True, False, False])
    found = nearest_neighbour(train, rows, hidden, image)
    # The missing value of a training image counts as the mean (7); of the last row, too (8 / 3).
    assert found[:, 0].tolist() == [9.0, 5.0, 7.0]
    assert found[:2, 1:].tolist() == rows[:2, 1:].tolist()
    everything = nearest_neighbour(train, rows, np.ones(3, bool), image)
    assert everything.tolist() == [[9.0, 1.0, 1.0]] * 3


def test_nearest_neighbour_agrees_with_a_loop():
    generator = np.random.default_rng(0)
    train, rows = generator.random((40, 12)), generator.random((300, 12))
    hidden = generator.random(12) < 0.5
    image = ImageShape(3, 4, 1, 1)
    found = nearest_neighbour(train, rows, hidden, image)
    for row, completed in zip(rows, found, strict=True):
        best = np.argmin(((train - row)[:, ~hidden] ** 2).sum(1))
        assert completed == pytest.approx(np.where(hidden, train[best], row))


def test_principal_components():
    generator = np.random.default_rng(1)
    train = generator.random((30, 6)) @ generator.random((6, 12)) / 6
    rows = generator.random((5, 12))
    hidden = np.arange(12) < 5
    image = ImageShape(3, 4, 1, 1)
    found = principal_components(train, rows, hidden, image, components=4)
    pca = PCA(4, random_state=0).fit(train)
    filled = np.where(hidden, train.mean(0), rows)
    rebuilt = np.clip(pca.inverse_transform(pca.transform(filled)), 0, 1)
    assert found[:, hidden] == pytest.approx(rebuilt[:, hidden])
    assert np.array_equal(found[:, ~hidden], rows[:, ~hidden])
    for count in (1, 3):  # fewer training images than components
        assert principal_components(train[:count], rows, hidden, image).shape == rows.shape


@pytest.mark.parametrize("name", list(BASELINES))
def test_baselines_leave_the_data_alone(name: str):
    train = np.array([[0.0, 1.0], [1.0, np.nan], [0.0, 0.0]], np.float32)
    rows = np.array([[1.0, np.nan]], np.float32)
    before = train.copy(), rows.copy()
    found = BASELINES[name](train, rows, np.array([True, False]), ImageShape(1, 2, 1, 1))
    assert not np.isnan(found).any()
    assert np.array_equal(train, before[0], equal_nan=True)
    assert np.array_equal(rows, before[1], equal_nan=True)


# -- pictures ------------------------------------------------------------------------------


def test_pictures():
    image = ImageShape(1, 2, 1, 16)
    assert np.asarray(to_picture(np.array([0.0, 16.0]), image)).tolist() == [[0, 255]]
    missing = np.asarray(to_picture(np.array([np.nan, 8.0]), image))
    assert missing.shape == (1, 2, 3) and missing[0, 1].tolist() == [128, 128, 128]
    assert len(set(missing[0, 0].tolist())) > 1
    colour = to_picture(np.arange(6.0), ImageShape(1, 2, 3, 5))
    assert colour.mode == "RGB" and np.asarray(colour)[0, 1].tolist() == [153, 204, 255]


def test_contact_sheet():
    image = ImageShape(2, 2, 1, 1)
    sheet = contact_sheet({"a": np.zeros((3, 4)), "b": np.ones((3, 4))}, image, cell=10)
    pixels = np.asarray(sheet)
    assert (pixels == 0).all(-1).sum() >= 3 * 100  # three black squares of 10x10, and text
    assert contact_sheet({"a": np.zeros((0, 4))}, image).height > 0
