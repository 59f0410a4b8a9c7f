"""Types of variables, summaries, splits, and the file that keeps them."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pccore.datasets import (
    SPLITS,
    Dataset,
    ImageShape,
    dataset_bytes,
    describe,
    guess_supports,
    load,
    parse_shares,
    resplit,
    retype,
    save_dataset,
    suggested_types,
    types_of,
)
from pccore.errors import DataError
from pccore.leaves.base import Support

ROWS = 40


def table() -> Dataset:
    """colour: words; rating: 1, 2, 5; age: whole; n: large counts; x: real."""
    random = np.random.RandomState(0)
    colour = random.randint(0, 3, ROWS).astype(float)
    rating = np.array([1, 2, 5])[random.randint(0, 3, ROWS)].astype(float)
    age = random.randint(18, 90, ROWS).astype(float)
    n = random.randint(0, 2000, ROWS).astype(float)
    x = random.randn(ROWS)
    values = np.stack([colour, rating, age, n, x], 1).astype(np.float32)
    values[3, 0] = values[5, 4] = np.nan
    return Dataset(
        name="t",
        train=values[:30],
        valid=values[30:35],
        test=values[35:],
        variables=("colour", "rating", "age", "n", "x"),
        supports=(Support("finite", 3), *guess_supports(values[:, 1:])),
        categories={"colour": ("blue", "green", "red")},
        labels={"train": np.arange(30) % 2, "valid": np.zeros(5, int), "test": np.ones(5, int)},
        label_names=("no", "yes"),
    )


def column(data: Dataset, name: str) -> np.ndarray:
    return np.concatenate([data.split(s)[:, data.variables.index(name)] for s in SPLITS])


def test_types_that_load_takes_and_better_ones() -> None:
    data = table()
    assert types_of(data) == {
        "colour": "categorical", "rating": "categorical", "age": "categorical", "n": "count",
        "x": "real",
    }  # fmt: skip
    assert suggested_types(data) == {"age": "count"}
    years = np.arange(1990, 2030, dtype=np.float32)[:, None]
    ids = np.arange(ROWS, dtype=np.float32)[:, None]
    sex = (1 + np.arange(ROWS) % 2).astype(np.float32)[:, None]
    values = np.concatenate([years, ids, sex], 1)
    data = Dataset("y", values, values[:0], values[:0], ("year", "ID", "sex"),
                   guess_supports(values))  # fmt: skip
    assert suggested_types(data) == {"year": "real", "ID": "ignore", "sex": "binary"}
    made = retype(data, suggested_types(data))
    assert made.variables == ("year", "sex") and made.categories == {"sex": ("1", "2")}


def test_other_types_keep_what_the_values_say() -> None:
    data = table()
    made = retype(data, {"rating": "ordered", "age": "real"}, {"colour": ["red", "green", "blue"]})
    assert types_of(made)["rating"] == "ordered" == types_of(made)["colour"]
    assert made.categories["colour"] == ("red", "green", "blue")
    np.testing.assert_array_equal(column(made, "colour"), 2 - column(data, "colour"))
    np.testing.assert_array_equal(column(made, "age"), column(data, "age"))
    again = retype(made, {"rating": "count", "colour": "categorical"})
    np.testing.assert_array_equal(column(again, "rating"), column(data, "rating"))
    assert again.ordered == () and again.categories["colour"] == ("red", "green", "blue")


def test_numbers_become_states_and_numbers_again() -> None:
    values = np.array([[0.5], [2.5], [0.5], [np.nan]], np.float32)
    data = Dataset("h", values, values[:1], values[:0], ("h",), guess_supports(values))
    made = retype(data, {"h": "binary"})
    assert made.categories == {"h": ("0.5", "2.5")} and made.supports == (Support("finite", 2),)
    np.testing.assert_array_equal(made.train[:, 0], [0, 1, 0, np.nan])
    np.testing.assert_array_equal(retype(made, {"h": "real"}).train, values)


def test_a_column_becomes_the_class_of_the_rows() -> None:
    made = retype(table(), {"rating": "label", "n": "ignore"})
    assert made.variables == ("colour", "age", "x")
    assert made.label_names == ("0", "1", "2", "3", "4", "5")
    np.testing.assert_array_equal(made.labels["train"], table().train[:, 1])


@pytest.mark.parametrize(
    ("types", "orders", "said"),
    [
        ({"colour": "real"}, {}, "'blue' is not a number"),
        ({"colour": "binary"}, {}, "3 different values are not binary"),
        ({"x": "count"}, {}, "is no count"),
        ({"x": "label"}, {}, "has no label"),
        ({"none": "real"}, {}, "no variable 'none'"),
        ({"x": "float"}, {}, "'float' is no type"),
        ({}, {"colour": ["red", "green"]}, "misses 'blue'"),
        ({}, {"colour": ["red", "green", "blue", "pink"]}, "names 'pink'"),
        ({}, {"colour": ["red", "red", "green", "blue"]}, "a state twice"),
        (dict.fromkeys(("colour", "rating", "age", "n", "x"), "ignore"), {}, "every column"),
    ],
)
def test_what_cannot_be_is_said(types: dict, orders: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        retype(table(), types, orders)


def test_pixels_have_one_type() -> None:
    image = np.zeros((3, 4), np.float32)
    data = Dataset("i", image, image[:0], image[:0], tuple("abcd"), (Support("finite", 2),) * 4,
                   image=ImageShape(2, 2, maximum=1))  # fmt: skip
    assert retype(data, {}) is not None
    with pytest.raises(DataError, match="pixels"):
        retype(data, {"a": "real"})
    assert suggested_types(data) == {}


def test_summaries_count_everything() -> None:
    data = table()
    found = {one.name: one for one in describe(data)}
    for name, one in found.items():
        values = column(data, name)
        present = values[~np.isnan(values)]
        assert (one.present, one.missing) == (len(present), len(values) - len(present))
        assert sum(bar.count for bar in one.bars) == len(present)
        assert one.different == len(set(present.tolist()))
        assert math.isclose(one.mean, present.astype(float).mean())
        assert one.minimum == present.min() and one.maximum == present.max()
    assert [bar.text for bar in found["colour"].bars] == ["blue", "green", "red"]
    assert describe(data, ["x"], ["test"])[0].present == 5
    with pytest.raises(DataError, match="'none'"):
        describe(data, ["none"])


def test_a_variable_without_a_value() -> None:
    nothing = np.full((3, 2), np.nan, np.float32)
    nothing[:, 1] = 0
    data = Dataset("n", nothing, nothing[:0], nothing[:0], ("a", "b"), guess_supports(nothing))
    first = describe(data)[0]
    assert first.present == 0 and math.isnan(first.mean)
    assert types_of(retype(data, {"a": "real"}))["a"] == "real"
    assert describe(retype(data, {"a": "real"}))[0].bars == ()


@pytest.mark.parametrize("in_order", [False, True])
def test_other_splits_have_the_same_rows(in_order: bool) -> None:
    data = table()
    made = resplit(data, (0.5, 0.25, 0.25), seed=3, in_order=in_order)
    assert [len(made.split(s)) for s in SPLITS] == [20, 10, 10]
    rows = np.concatenate([data.split(s) for s in SPLITS])
    others = np.concatenate([made.split(s) for s in SPLITS])
    if in_order:
        np.testing.assert_array_equal(rows, others)
    np.testing.assert_array_equal(np.sort(rows[:, 3]), np.sort(others[:, 3]))
    assert (
        made.fingerprint() == resplit(data, (0.5, 0.25, 0.25), 3, in_order=in_order).fingerprint()
    )
    # Labels go with their rows.
    known = {float(r[3]): int(y) for s in SPLITS for r, y in zip(data.split(s), data.labels[s])}  # noqa: B905
    for split in SPLITS:
        for row, label in zip(made.split(split), made.labels[split], strict=True):
            assert known[float(row[3])] == label


@pytest.mark.parametrize("text", ["", "80/20", "80/10/9", "0/50/50", "a/b/c", "-80/90/90", "1/1/1"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(DataError):
        parse_shares(text)


def test_shares() -> None:
    assert parse_shares("80/10/10") == (0.8, 0.1, 0.1)
    assert parse_shares(" 0.7 / 0 / .3") == (0.7, 0.0, 0.3)


def same(one: Dataset, other: Dataset) -> bool:
    facts = ("variables", "supports", "categories", "ordered", "label_names", "image")
    return one.fingerprint() == other.fingerprint() and all(
        getattr(one, fact) == getattr(other, fact) for fact in facts
    )


def test_a_saved_dataset_is_the_same(tmp_path: Path) -> None:
    data = retype(table(), {"age": "count", "rating": "ordered"})
    save_dataset(data, tmp_path / "a.npz")
    found = load(tmp_path / "a.npz")
    assert same(data, found) and dataset_bytes(data) == dataset_bytes(found)
    assert same(data, copy.deepcopy(data))  # as worker processes get it
    with pytest.raises(DataError, match=r"\.npz"):
        save_dataset(data, tmp_path / "a.csv")


@given(
    arrays(np.float32, (5, 2), elements=st.sampled_from([0.0, 1.0, 2.0, 300.0, np.nan, 0.25])),
    st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=2, unique=True),
    st.text(max_size=20),
)
@settings(max_examples=30)
def test_any_table_is_kept(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, names: list[str], told: str
) -> None:
    # A fixed-width array of text drops NULs at the end.
    names = [name.rstrip("\0") or f"v{i}" for i, name in enumerate(names)]
    data = Dataset("a", values, values[:2], values[:0], tuple(names), guess_supports(values),
                   description=told)  # fmt: skip
    path = tmp_path_factory.mktemp("kept") / "a.npz"
    save_dataset(data, path)
    assert same(data, load(path))


@pytest.mark.parametrize(
    "text",
    [
        '{"format": "pccore-dataset", "version": 2}',
        '{"format": "pccore-dataset", "version": 1}',
        '{"format": "pccore-dataset", "version": 1, "supports": [["finite", null, 1]]}',
        '{"format": "pccore-dataset", "version": 1, "supports": [["real", null, 99999999999]]}',
        '{"format": "pccore-dataset", "version": 1, "supports": 3, "categories": []}',
        '{"format": "pccore-dataset"' + "[" * 5000,
        '["pccore-dataset"]',
    ],
)
def test_notes_of_another_kind_are_refused(tmp_path: Path, text: str) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 1)), notes=np.array(text))
    with pytest.raises(DataError, match=r"a\.npz"):
        load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.zeros((4, 1)), notes=np.array("what I remember"))
    assert load(tmp_path / "b.npz").num_variables == 1
