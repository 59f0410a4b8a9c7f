from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pccore.datasets import (
    Dataset,
    ImageShape,
    check_columns,
    check_support,
    guess_supports,
    load,
)
from pccore.datasets.supports import describe_supports
from pccore.errors import DataError
from pccore.leaves.base import Support

BINARY = Support("finite", 2)


def small(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "small",
        "train": np.array([[0, 1], [1, np.nan]]),
        "valid": np.zeros((0, 2)),
        "test": np.array([[1, 1]]),
        "variables": ("a", "b"),
        "supports": (BINARY, BINARY),
    }
    return Dataset(**(fields | changes))


def test_arrays_are_read_only_float32() -> None:
    given_array = np.zeros((3, 2), np.float32)
    data = small(train=given_array, labels={"train": np.array([0, 1, 0])})
    for rows in (data.train, data.valid, data.test, data.labels["train"]):
        assert rows is not None
        with pytest.raises(ValueError, match="read-only"):
            rows[...] = 1
    assert data.train.dtype == np.float32
    assert given_array.flags.writeable  # the caller's own array stays as it was
    with pytest.raises(TypeError):
        data.labels["train"] = None  # type: ignore[index]


def test_split_and_summary() -> None:
    data = small(image=ImageShape(1, 2, maximum=1))
    assert data.split("test") is data.test
    with pytest.raises(DataError, match="'all' is no split"):
        data.split("all")
    facts = data.summary()
    assert (facts["train"], facts["valid"], facts["test"], facts["variables"]) == (2, 0, 1, 2)
    assert facts["missing"] == pytest.approx(1 / 6)
    assert facts["image"] == "1x2, values 0..1"
    assert facts["supports"] == "2 x finite(2)"
    assert data.num_variables == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": np.zeros((1, 3))}, "small, test: 3 columns for 2 variables"),
        ({"valid": np.zeros((1, 1))}, "small, valid: 1 column for 2 variables"),
        ({"test": np.array([[1, np.inf]])}, "small, test: row 0, column b: the value inf"),
        (
            {"train": np.array([[0, 1], [0, 2]])},
            "train: row 1, column b: the value 2 is not an int",
        ),
        (
            {"train": np.array([[0.5, 1]])},
            "row 0, column a: the value 0.5 is not an integer from 0",
        ),
        ({"train": np.zeros(2)}, "the array has 1 dimensions, not 2"),
        ({"train": np.zeros((0, 2))}, "no rows to train on"),
        ({"train": [["x", "y"]]}, "not numbers"),
        ({"variables": ("a", "a")}, "two variables have the name 'a'"),
        ({"supports": (BINARY,)}, "1 supports for 2 variables"),
        ({"image": ImageShape(3, 3)}, "do not have 2 columns"),
        ({"labels": {"train": np.zeros(3, int)}}, "small, train: 3 labels for 2 rows"),
        ({"labels": {"test": np.array([2])}, "label_names": ("x", "y")}, "outside 0..1"),
        ({"source": "f.npz", "test": np.zeros((1, 3))}, "f.npz, test: 3 columns"),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        small(**changes)
    assert said in str(caught.value)


def test_no_columns() -> None:
    empty = np.zeros((2, 0))
    with pytest.raises(DataError, match="no columns"):
        Dataset("none", empty, empty, empty, (), ())


def test_impossible_image() -> None:
    with pytest.raises(DataError):
        ImageShape(0, 3)


def test_fingerprint() -> None:
    base = small()
    assert len(base.fingerprint()) == 64
    assert base.fingerprint() == small(name="other", description="text").fingerprint()
    assert base.fingerprint() == small(train=np.array([[-0.0, 1], [1, -np.nan]])).fingerprint()
    others = [
        small(train=np.array([[0, 1], [1, 1.0]])),
        small(variables=("a", "c")),
        small(supports=(BINARY, Support("count"))),
        small(labels={"test": np.array([0])}),
        small(image=ImageShape(1, 2)),
        small(valid=np.array([[1, 1]]), test=np.zeros((0, 2))),
    ]
    assert len({d.fingerprint() for d in [base, *others]}) == len(others) + 1


def test_fingerprints_of_bundled_data_are_fixed() -> None:
    # Runs name their data by this: a change here breaks the comparison with older runs.
    expected = {
        "digits": "8791fcdb26e5",
        "parity": "ce6d247d8ab3",
        "sentences": "eeff7937f466",
        "shapes": "e68c9bbfe552",
        "shapes-binary": "34bb934ca3e0",
        "two-level-tree": "acfb2c6e551d",
    }
    assert {name: load(name).fingerprint()[:12] for name in expected} == expected


def test_copies() -> None:
    data = small(labels={"train": np.array([1, 0])}, categories={"a": ("x", "y")})
    for other in (copy.deepcopy(data), copy.copy(data), replace(data)):
        assert other.fingerprint() == data.fingerprint()
        assert dict(other.categories) == {"a": ("x", "y")}
        assert not other.train.flags.writeable


@pytest.mark.parametrize(
    ("column", "support"),
    [
        ([0, 1, 1], BINARY),
        ([0, 0, 0], BINARY),
        ([np.nan, np.nan], BINARY),
        ([0, np.nan, 16], Support("finite", 17)),
        ([3, 256], Support("finite", 257)),
        ([3, 257], Support("count")),
        ([0, 0.5], Support("real")),
        ([-1, 1], Support("real")),
        ([1e30, np.nan], Support("count")),
    ],
)
def test_guessed_support(column: list[float], support: Support) -> None:
    assert guess_supports(np.array(column)[:, None]) == (support,)


def test_guess_covers_all_splits() -> None:
    parts = [np.array([[0.0, 1.0]]), np.array([[4.0, 0.5]]), np.zeros((0, 2))]
    assert guess_supports(*parts) == (Support("finite", 5), Support("real"))


tables = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(width=32, allow_infinity=False)
    | st.integers(-1, 300).map(float)
    | st.sampled_from([0.0, 1.0, float("nan")]),
)


@given(tables)
def test_what_is_guessed_holds(table: Any) -> None:
    check_support(table, guess_supports(table))


@given(tables, st.data())
def test_check_finds_the_first_bad_value(table: Any, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, table.shape[0] - 1))
    column = data.draw(st.integers(0, table.shape[1] - 1))
    supports = guess_supports(table)
    table[row, column] = np.inf
    names = [f"v{i}" for i in range(table.shape[1])]
    with pytest.raises(DataError) as caught:
        check_support(table, supports, names, "here")
    assert str(caught.value).startswith(f"here: row {row}, column v{column}: the value inf is not")


def test_check_support_of_one_row_and_many_blocks() -> None:
    with pytest.raises(DataError, match="data: column X1: the value 3 is not an integer from 0 to"):
        check_support(np.array([0, 3]), [BINARY, BINARY])
    many = np.zeros((600_000, 2), np.float32)
    many[599_999, 1] = 2
    with pytest.raises(DataError, match="row 599999, column X1"):
        check_support(many, [BINARY, BINARY])
    check_support(np.array([0.5, -3]), [Support("real")] * 2)
    with pytest.raises(DataError, match="value -1 is not a non-negative integer"):
        check_support(np.array([[-1.0]]), [Support("count")])


def test_check_columns() -> None:
    check_columns(small(), ("X0", "X1"))
    check_columns(np.zeros((4, 3)), 3)
    check_columns(np.zeros(3), 3)
    with pytest.raises(DataError, match=r"--data: the data have 2 columns, the circuit has 1 var"):
        check_columns(small(), 1, "--data")
    with pytest.raises(DataError, match="3 dimensions"):
        check_columns(np.zeros((1, 2, 3)), 3)


def test_supports_in_words() -> None:
    mixed = [BINARY, BINARY, Support("real")]
    assert describe_supports(mixed) == "2 x finite(2), 1 x real"
    assert "more runs" in describe_supports([Support("finite", i) for i in range(2, 30)])
