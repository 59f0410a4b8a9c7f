from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore.errors import DataError
from pccore.leaves.base import Support
from pccore.structures import Grid, Shape, build_structure, shape_of, summarise


@dataclass(frozen=True)
class Image:
    height: int = 1
    width: int = 3
    channels: int = 1
    maximum: int = 2


@dataclass(frozen=True)
class Data:
    variables: tuple[str, ...]
    supports: tuple[Support, ...]
    train: np.ndarray
    image: Image | None = None


NAN = np.nan
X = np.array([[0, 1.5, NAN], [2, NAN, NAN], [2, 2.5, NAN], [NAN, -1.0, NAN]], dtype=np.float32)
SUPPORTS = (Support("finite", 3), Support("real"), Support("finite", 2))


def test_summary_leaves_missing_values_out() -> None:
    summary = summarise(X, SUPPORTS)
    assert summary.mean.tolist() == pytest.approx([4 / 3, 1.0, 0.0])
    assert summary.variance.tolist() == pytest.approx([8 / 9, 13 / 6, 1.0])
    assert summary.mean.dtype == summary.variance.dtype == torch.float64
    assert summary.counts is not None
    assert summary.counts.tolist() == [[1, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_no_counts_without_finite_variables() -> None:
    assert summarise(X[:, 1:2], SUPPORTS[1:2]).counts is None


@given(st.integers(1, 50), st.integers(1, 5), st.integers(2, 6), st.integers(0, 1000))
def test_summary_equals_numpy(rows: int, width: int, states: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, states, (rows, width)).astype(np.float32)
    summary = summarise(x, [Support("finite", states)] * width)
    np.testing.assert_allclose(summary.mean.numpy(), x.mean(0, dtype=np.float64))
    np.testing.assert_allclose(summary.variance.numpy(), x.var(0, dtype=np.float64), atol=1e-12)
    assert summary.counts is not None
    assert float(summary.counts.sum()) == x.size


def test_shape_of_a_dataset() -> None:
    shape = shape_of(Data(("a", "b", "c"), SUPPORTS, X, Image()))
    assert shape.image == Grid(1, 3, 1, 2)
    assert shape.summary is not None
    assert shape.data is X
    assert shape.meta() == {"image": {"height": 1, "width": 3, "channels": 1, "maximum": 2}}
    circuit = build_structure("naive_bayes", shape, {"components": 3})
    circuit.validate_params()
    assert circuit.variables == ("a", "b", "c")


def test_initial_parameters_know_the_data() -> None:
    x = np.zeros((10, 3), dtype=np.float32)
    shape = shape_of(Data(("a", "b", "c"), (Support("finite", 2),) * 3, x))
    circuit = build_structure("factorized", shape)
    assert float(circuit.params["L(root)"].max()) < 0.5


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (((), ()), "no variables"),
        ((("a",), ()), "0 supports for 1"),
        ((("a",), SUPPORTS[:1], Grid(2, 2)), "do not have 1"),
        ((("a",), SUPPORTS[:1], Grid(1, 1, 0)), "do not have 1"),
    ],
)
def test_shapes_that_do_not_fit(arguments: tuple[object, ...], match: str) -> None:
    with pytest.raises(DataError, match=match):
        Shape(*arguments)  # type: ignore[arg-type]


def test_summary_of_other_data() -> None:
    with pytest.raises(DataError, match="shape"):
        summarise(X, SUPPORTS[:2])
