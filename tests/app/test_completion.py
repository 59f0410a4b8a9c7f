"""Completions change what is hidden and nothing else, and their numbers are right."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pc_workbench.views.completion import complete, fits, image_shape
from pccore import datasets, queries
from pccore.compile import Program, compile_circuit
from pccore.completion import to_pixels
from pccore.datasets import ImageShape
from pccore.errors import DataError
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, shape_of

KINDS = ("digits", "shapes", "grey", "colour")


@functools.cache
def example(kind: str) -> tuple[Program, np.ndarray, ImageShape]:
    """An untrained model of pictures and one of them."""
    if kind in ("digits", "shapes"):
        data = datasets.load(kind)
        shape, row = shape_of(data), data.test[1]
    else:
        size = (6, 5, 3 if kind == "colour" else 1)
        count = int(np.prod(size))
        shape = Shape.of(count, Support("finite", 256), (*size, 255))
        row = np.random.default_rng(0).integers(0, 256, count)
    options = {"units": 3, "depth": 2, "replicas": 2}
    circuit = build_structure("rat", shape, options)
    grid = image_shape(circuit)
    assert grid is not None
    return compile_circuit(circuit), np.asarray(row, dtype=np.float32), grid


def some_mask(grid: ImageShape, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((grid.height, grid.width)) < rng.choice([0.05, 0.4, 0.95])


@given(st.sampled_from(KINDS), st.integers(0, 10_000), st.integers(0, 3))
def test_only_hidden_pixels_change(kind: str, seed: int, samples: int):
    program, row, grid = example(kind)
    mask = some_mask(grid, seed)
    found = complete(
        program, row, mask, grid, seed=seed, samples=samples, tree=True, uncertainty=True
    )
    truth = to_pixels(row, grid)
    assert len(found.samples) == samples
    for picture in (found.mpe, found.tree, found.mean, *found.samples):
        assert picture is not None
        assert picture.image.dtype == np.uint8 and picture.image.shape == truth.shape
        assert np.array_equal(picture.image[~mask], truth[~mask])
    assert found.uncertainty is not None and not found.uncertainty[~mask].any()


@pytest.mark.parametrize("kind", KINDS)
def test_everything_hidden_gives_samples_of_the_model(kind: str):
    program, row, grid = example(kind)
    mask = np.ones((grid.height, grid.width), bool)
    found = complete(program, row, mask, grid, seed=1, samples=2)
    again = complete(program, 0 * row, mask, grid, seed=1, samples=2)
    assert found.log_visible == pytest.approx(0, abs=1e-4)
    for one, other in zip(found.samples, again.samples, strict=True):
        assert np.array_equal(one.image, other.image)
    assert not np.array_equal(found.samples[0].image, found.samples[1].image)


def test_the_numbers_are_those_of_the_queries():
    program, row, grid = example("digits")
    mask = some_mask(grid, 7)
    found = complete(program, row, mask, grid, samples=1)
    values = row.astype(float)
    evidence = np.where(mask.reshape(-1), np.nan, values)
    assert found.log_visible == pytest.approx(float(queries.log_probability(program, evidence)))
    below = float(queries.log_conditional(program, values, evidence))
    assert found.log_truth == pytest.approx(below, rel=1e-4)
    mean = queries.posterior_mean(program, evidence)[0].numpy()
    assert found.mean is not None and found.mpe is not None
    expected = np.mean(((mean - values)[mask.reshape(-1)] * 255 / 16) ** 2)
    assert found.mean.mse == pytest.approx(expected)
    # Rows that the MPE and the samples lose against cannot be more probable than possible.
    assert found.mpe.log_probability is not None and found.mpe.log_probability <= 0
    assert not found.exact


def test_what_is_not_asked_for_is_not_made():
    program, row, grid = example("digits")
    found = complete(program, row, some_mask(grid, 1), grid, samples=0, mpe=False, mean=False)
    assert (found.mpe, found.tree, found.mean, found.uncertainty) == (None,) * 4
    assert found.samples == ()


def test_the_uncertainty_is_that_of_the_marginals():
    program, row, grid = example("digits")
    mask = some_mask(grid, 3)
    found = complete(program, row, mask, grid, samples=0, mpe=False, mean=False, uncertainty=True)
    evidence = np.where(mask.reshape(-1), np.nan, row.astype(float))
    tables = queries.marginals(program, evidence).probabilities
    bits = [
        float(-(t[0] * torch.log2(t[0].clamp_min(1e-300))).sum()) for t in tables if t is not None
    ]
    expected = np.rint(np.reshape(bits, (8, 8)) / np.log2(17) * 255)
    assert found.mean is None and found.uncertainty is not None
    assert np.abs(found.uncertainty - expected).max() <= 1
    assert found.white == "entropy, white: 4.09 bits"


def test_nothing_hidden_has_no_error():
    program, row, grid = example("digits")
    found = complete(program, row, np.zeros((8, 8), bool), grid)
    assert found.mpe is not None and found.mpe.mse is None and found.exact
    assert found.log_truth == pytest.approx(0, abs=1e-6)


def test_values_are_scaled_by_their_maximum():
    grid = ImageShape(1, 4, maximum=15)
    pixels = to_pixels(np.array([0, 15, 7.5, np.nan]), grid)
    assert pixels.tolist() == [[0, 255, 128, 0]]


def test_a_row_of_another_length_is_refused():
    program, _, grid = example("digits")
    with pytest.raises(DataError, match="no picture"):
        complete(program, np.zeros(3), np.zeros((8, 8), bool), grid)


def test_a_circuit_is_a_picture_where_its_notes_say_so():
    program, _, grid = example("shapes")
    circuit = program.circuit
    assert image_shape(circuit) == grid
    assert fits(datasets.load("shapes"), grid) and not fits(datasets.load("digits"), grid)
    endless = image_shape(
        circuit.with_meta({"image": {"height": 16, "width": 16, "maximum": 1e308}})
    )
    assert endless is not None and endless.maximum <= 65_535
    for image in ({"height": 3, "width": 3}, {"height": "8", "width": 8}, [8, 8], None, {}):
        assert image_shape(circuit.with_meta({"image": image})) is None
    bare = {"height": grid.height, "width": grid.width}
    guessed = image_shape(circuit.with_meta({"image": bare}))
    assert guessed is not None and guessed.maximum == grid.maximum
