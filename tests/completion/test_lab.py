"""Methods beside each other: probabilities, uncertainty, scores, baselines, tables and files."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity
from sklearn.decomposition import PCA

from pccore import oracle, queries
from pccore.build import circuit, gaussian
from pccore.compile import compile_circuit
from pccore.completion import (
    BASELINES,
    METHODS,
    complete_batch,
    complete_rows,
    files_of,
    hidden_pixels,
    log_probabilities,
    mean_image,
    probabilistic_pca,
    quality_of,
    row_scores,
    scores,
    table_csv,
    table_of,
    training_rows,
    uncertainty,
)
from pccore.datasets import ImageShape, load
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.structures import Shape, build_structure

SQUARE = ImageShape(2, 2, 1, 1)
ROWS = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 0]], np.float32)
HIDDEN = np.array([True, False, True, False])


@pytest.fixture(scope="module")
def model() -> Circuit:
    """A random circuit over the four pixels of 2x2 binary images."""
    shape = Shape.of(4, None, (2, 2))
    return build_structure("rat", shape, {"depth": 2, "units": 3, "replicas": 2, "seed": 5})


def mixture_of_gaussians() -> Circuit:
    first = gaussian("A", 3.0, 1.0) * gaussian("B", 1.0, 4.0)
    second = gaussian("A", 8.0, 0.25) * gaussian("B", 6.0, 1.0)
    return circuit(0.3 * first + 0.7 * second, variables=["A", "B"])


# -- methods -------------------------------------------------------------------------------


def test_tree_takes_sums_up_and_maxima_down(model: Circuit):
    found = complete_rows(model, ROWS, HIDDEN, "tree")
    visible = np.where(HIDDEN, np.nan, ROWS)
    expected = queries.mpe(model, visible, up="sum").assignment.numpy()
    assert np.array_equal(found, expected)
    assert quality_of(model, "tree") == "bound"
    for name in METHODS:
        completed = complete_rows(model, ROWS, HIDDEN, name, seed=1)
        assert np.array_equal(completed[:, ~HIDDEN], ROWS[:, ~HIDDEN])


def test_probabilities_of_completions_are_those_of_enumeration(model: Circuit):
    filled = {"mpe": complete_rows(model, ROWS, HIDDEN), "mean": ROWS + 0.5 * HIDDEN}
    visible, completed = log_probabilities(model, ROWS, HIDDEN, filled)
    for number, row in enumerate(ROWS):
        evidence = np.where(HIDDEN, np.nan, row)
        below = oracle.log_probability(model, evidence)
        assert visible[number] == pytest.approx(below, abs=1e-9)
        whole = oracle.log_probability(model, filled["mpe"][number])
        assert completed["mpe"][number] == pytest.approx(whole - below, abs=1e-9)
    # A mean of binary pixels is no state of them.
    assert np.isnan(completed["mean"]).all()


def test_probabilities_of_real_completions_are_densities():
    made = mixture_of_gaussians()
    rows, hidden = np.array([[3.0, 2.0]]), np.array([True, False])
    mean = complete_rows(made, rows, hidden, "mean")
    visible, completed = log_probabilities(made, rows, hidden, {"mean": mean})
    below = float(queries.log_probability(made, np.array([np.nan, 2.0])))
    assert visible[0] == pytest.approx(below)
    assert completed["mean"][0] == pytest.approx(
        float(queries.log_probability(made, mean[0])) - below
    )


# -- uncertainty ---------------------------------------------------------------------------


def test_entropy_is_that_of_the_posterior_marginals(model: Circuit):
    found = uncertainty(model, ROWS, HIDDEN, SQUARE)
    assert found.measure == "entropy" and found.unit == "bits" and found.scale == 1.0
    for number, row in enumerate(ROWS):
        tables = oracle.marginals(model, np.where(HIDDEN, np.nan, row))
        expected = [-sum(p * math.log2(p) for p in table if p > 0) for table in tables]
        assert found.values[number] == pytest.approx(expected, abs=1e-9)
        chances = [float(table[1]) for table in tables]
        assert found.means[number] == pytest.approx(chances, abs=1e-9)
    assert not found.values[:, ~HIDDEN].any()
    drawn = found.map_of(0, SQUARE)
    assert drawn.tolist() == np.rint(found.values[0].reshape(2, 2) * 255).tolist()
    assert found.mean_of(HIDDEN)[0] == pytest.approx(found.values[0][HIDDEN].mean())
    assert np.isnan(found.mean_of(np.zeros(4, bool))).all()


def test_real_pixels_have_a_standard_deviation():
    made = mixture_of_gaussians()
    image = ImageShape(1, 2, 1, 10)
    rows, hidden = np.array([[3.0, 2.0]]), np.array([True, False])
    found = uncertainty(made, rows, hidden, image)
    _, variance = oracle.moments(made, np.array([np.nan, 2.0]))
    assert found.measure == "deviation" and found.scale == 127.5
    assert found.values[0, 0] == pytest.approx(math.sqrt(variance[0]) * 25.5, rel=1e-3)
    assert found.values[0, 1] == 0


def test_many_rows_are_taken_in_parts(model: Circuit, monkeypatch: pytest.MonkeyPatch):
    whole = uncertainty(model, ROWS, HIDDEN, SQUARE).values
    monkeypatch.setattr("pccore.completion.entropy._TABLE", 1)
    assert uncertainty(model, ROWS, HIDDEN, SQUARE).values == pytest.approx(whole)


# -- scores --------------------------------------------------------------------------------


def test_scores_are_those_of_the_definitions():
    image = ImageShape(12, 9, 1, 15)
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 16, (3, 108)).astype(float)
    hidden = hidden_pixels("left", image)
    guess = np.where(hidden, generator.integers(0, 16, (3, 108)), truth)
    guess[2] = truth[2]
    found, rows = scores(truth, guess, hidden, image), row_scores(truth, guess, hidden, image)
    square = ((guess - truth)[:, hidden] * 17.0) ** 2
    assert found.mse == pytest.approx(square.mean())
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / square.mean()))
    assert rows.mse == pytest.approx(square.mean(1))
    assert rows.psnr[2] == math.inf and rows.ssim[2] == pytest.approx(1.0)
    shape = (12, 9)
    for number in range(3):
        pair = [(x[number] * 17).reshape(shape) for x in (truth, guess)]
        assert rows.ssim[number] == pytest.approx(structural_similarity(*pair, data_range=255))
    assert found.ssim == pytest.approx(rows.ssim.mean())


def test_colour_is_compared_channel_by_channel():
    image = ImageShape(8, 8, 3, 255)
    generator = np.random.default_rng(3)
    truth, guess = generator.integers(0, 256, (2, 1, 192)).astype(float)
    pair = [x[0].reshape(8, 8, 3) for x in (truth, guess)]
    expected = structural_similarity(*pair, data_range=255, channel_axis=2)
    found = row_scores(truth, guess, np.ones(192, bool), image)
    assert found.ssim[0] == pytest.approx(expected)


def test_what_cannot_be_compared_is_nan():
    truth = np.array([[0.0, 1.0, np.nan, 1.0]])
    found = scores(truth, np.ones((1, 4)), np.array([False, False, True, False]), SQUARE)
    assert math.isnan(found.mse) and math.isnan(found.psnr) and math.isnan(found.ssim)


# -- baselines -----------------------------------------------------------------------------


def test_probabilistic_pca_is_the_conditional_mean_of_its_gaussian():
    generator = np.random.default_rng(1)
    train = generator.random((40, 6)) @ generator.random((6, 12)) / 6
    train += 0.1 * generator.random((40, 12))
    rows = train[:5]
    hidden = np.arange(12) < 5
    found = probabilistic_pca(train, rows, hidden, ImageShape(3, 4, 1, 1), components=4)
    fitted = PCA(4, random_state=0).fit(train)
    covariance = fitted.get_covariance()
    gain = covariance[np.ix_(hidden, ~hidden)] @ np.linalg.inv(covariance[np.ix_(~hidden, ~hidden)])
    expected = fitted.mean_[hidden] + (rows[:, ~hidden] - fitted.mean_[~hidden]) @ gain.T
    assert found[:, hidden] == pytest.approx(np.clip(expected, 0, 1))
    assert np.array_equal(found[:, ~hidden], rows[:, ~hidden])
    for count in (1, 2, 3):  # fewer training images than components
        few = probabilistic_pca(train[:count], rows, hidden, ImageShape(3, 4, 1, 1))
        assert np.isfinite(few).all()


def test_everything_hidden_is_the_mean_image():
    train = np.random.default_rng(4).random((9, 4))
    everything = np.ones(4, bool)
    found = probabilistic_pca(train, train[:2], everything, SQUARE)
    assert found == pytest.approx(mean_image(train, train[:2], everything, SQUARE))
    assert found[0] == pytest.approx(train.mean(0))


def test_baselines_learn_from_validation_rows_unless_these_are_completed():
    data = load("digits")
    known = training_rows(data, "test")
    assert len(known) == len(data.train) + len(data.valid)
    assert np.array_equal(known[-1], data.valid[-1])
    assert training_rows(data, "valid") is data.train


# -- batches -------------------------------------------------------------------------------


def test_a_batch_has_every_method_with_its_scores(model: Circuit):
    batch = complete_batch(
        model,
        ROWS,
        HIDDEN,
        SQUARE,
        ["mean", "mpe", "tree"],
        baselines=list(BASELINES),
        train=ROWS,
        uncertain=True,
    )
    assert [one.name for one in batch.methods] == ["mean", "mpe", "tree"]
    assert [one.name for one in batch.baselines] == list(BASELINES)
    for guess in batch.methods:
        assert np.array_equal(guess.rows, complete_rows(model, ROWS, HIDDEN, guess.name, SQUARE))
        expected = scores(ROWS, guess.rows, HIDDEN, SQUARE)
        assert (guess.scores.mse, guess.scores.psnr) == (expected.mse, expected.psnr)
    table = table_of(batch)
    assert len(table) == 3 * 7
    assert table[0]["image"] == 0 and table[0]["log_completed"] is None
    assert table[1]["mse"] == pytest.approx(float(batch.methods[1].by_row.mse[0]))
    read = list(csv.DictReader(io.StringIO(table_csv(batch))))
    assert [row["method"] for row in read[:3]] == ["mean", "mpe", "tree"]
    assert float(read[0]["log_visible"]) == pytest.approx(float(batch.log_visible[0]))
    files = dict(files_of(batch))
    assert {"completion-00002.png", "completion-tree-00000.png", "contact-sheet.png"} <= set(files)
    with Image.open(io.BytesIO(files["uncertainty-00000.png"])) as picture:
        assert picture.size == (2, 2)


def test_colour_pictures_with_factorised_channels():
    image = ImageShape(4, 4, 3, 255)
    shape = Shape.of(48, None, (4, 4, 3, 255))
    options = {"units": 3, "depth": 2, "replicas": 2, "leaf": "gaussian"}
    program = compile_circuit(build_structure("rat", shape, options))
    rows = np.random.default_rng(5).integers(0, 256, (2, 48)).astype(float)
    hidden = hidden_pixels("left", image)
    batch = complete_batch(
        program,
        rows,
        hidden,
        image,
        list(METHODS),
        baselines=["nn", "ppca"],
        train=rows,
        uncertain=True,
    )
    for guess in batch.guesses:
        assert np.allclose(guess.rows[:, ~hidden], rows[:, ~hidden])
        assert np.isfinite(guess.rows).all() and guess.rows.max() <= 255
    with Image.open(io.BytesIO(dict(files_of(batch))["completion-00000.png"])) as picture:
        assert picture.mode == "RGB" and picture.size == (4, 4)


def test_wrong_names_are_refused(model: Circuit):
    with pytest.raises(OptionError, match="'guess'"):
        complete_batch(model, ROWS, HIDDEN, SQUARE, ["guess"])
    with pytest.raises(OptionError, match="'best'"):
        complete_batch(model, ROWS, HIDDEN, SQUARE, baselines=["best"], train=ROWS)
    with pytest.raises(OptionError, match="twice"):
        complete_batch(model, ROWS, HIDDEN, SQUARE, ["mean", "mean"])
    with pytest.raises(OptionError, match="training rows"):
        complete_batch(model, ROWS, HIDDEN, SQUARE, baselines=["nn"])
