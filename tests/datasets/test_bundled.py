from __future__ import annotations

import time

import numpy as np
import pytest

from pccore.datasets import SPLITS, Dataset, load, names
from pccore.datasets.bundled import parity, two_level_tree
from pccore.errors import DataError
from pccore.leaves.base import Support
from tests.datasets.helpers import real_data

BUNDLED = [info.name for info in names(root=None) if info.kind == "bundled"]


def all_rows(data: Dataset) -> np.ndarray:
    return np.concatenate([data.split(split) for split in SPLITS])


def test_the_list() -> None:
    assert BUNDLED == [
        "digits", "parity", "sentences", "shapes", "shapes-binary", "two-level-tree",
    ]  # fmt: skip


@pytest.mark.parametrize("name", BUNDLED)
def test_what_the_list_says_is_true(name: str) -> None:
    info = next(i for i in names() if i.name == name)
    data = load(name)
    assert data.name == name
    assert data.num_variables == info.num_variables
    assert len(all_rows(data)) == info.rows
    assert data.description == info.description
    assert not np.isnan(all_rows(data)).any()
    assert min(len(data.split(split)) for split in SPLITS) > 0


def test_digits() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    bunch = load_digits()
    assert data.image is not None
    assert (data.image.height, data.image.width, data.image.maximum) == (8, 8, 16)
    assert set(data.supports) == {Support("finite", 17)}
    assert [len(data.split(s)) for s in SPLITS] == [1259, 269, 269]
    # Together the splits hold every image with its label once.
    rows = np.concatenate(
        [np.column_stack([data.split(split), data.labels[split]]) for split in SPLITS]
    )
    whole = np.column_stack([bunch.data, bunch.target])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, whole))
    assert len(np.unique(rows, axis=0)) == 1797
    # Each class has its share in every split.
    for label in range(10):
        total = (bunch.target == label).sum()
        for split, share in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
            part = data.labels[split]
            assert part is not None
            assert abs((part == label).sum() - share * total) <= 1


@pytest.mark.parametrize("variables", [2, 5, 12])
def test_parity(variables: int) -> None:
    data = parity.make(variables)
    for split in SPLITS:
        states, counts = np.unique(data.split(split), axis=0, return_counts=True)
        assert len(states) == 2 ** (variables - 1)
        assert len(set(counts)) == 1
        assert (states.sum(axis=1) % 2 == 0).all()


@pytest.mark.parametrize("variables", [1, 17])
def test_parity_of_impossible_size(variables: int) -> None:
    with pytest.raises(DataError, match="2 to 16"):
        parity.make(variables)


def correlations(rows: np.ndarray) -> np.ndarray:
    """Mean correlation of the leaves whose lowest common ancestor is 1..8 levels up."""
    matrix = np.corrcoef(rows.T)
    leaf = np.arange(256)
    means = []
    for level in range(1, 9):
        below = (leaf[:, None] >> level) == (leaf >> level)
        apart = (leaf[:, None] >> (level - 1)) != (leaf >> (level - 1))
        means.append(matrix[below & apart].mean())
    return np.array(means)


def test_two_level_tree_correlates_by_distance() -> None:
    found = correlations(all_rows(load("two-level-tree")))
    expected = np.arange(7, -1, -1) / 24
    assert np.abs(found - expected).max() < 0.01
    assert (np.diff(found) < 0).all()


def test_two_level_tree_agrees_with_the_published_data() -> None:
    published = all_rows(load(str(real_data() / "two_level_tree_256.npz")))
    ours = all_rows(load("two-level-tree"))
    assert np.abs(correlations(ours) - correlations(published)).max() < 0.005
    # Fourth moments tell this process from others of equal correlations.
    for width in (128, 64, 32, 16, 8, 4, 2):
        kurtosis = [
            ((m - 0.5) ** 4).mean() / ((m - 0.5) ** 2).mean() ** 2
            for m in (rows.reshape(-1, width).mean(axis=1) for rows in (ours, published))
        ]
        assert kurtosis[0] == pytest.approx(kurtosis[1], rel=0.03)


def test_shapes() -> None:
    for name, top in (("shapes", 15), ("shapes-binary", 1)):
        data = load(name)
        assert data.image is not None and data.image.maximum == top
        assert all_rows(data).max() == top and all_rows(data).min() == 0
        assert data.label_names == ("rectangle", "disc", "cross")
        train = data.labels["train"]
        assert train is not None and set(train) == {0, 1, 2}
        # The middle of the picture is part of nearly every shape, the corner of nearly none.
        pictures = data.train.reshape(-1, 16, 16)
        assert pictures[:, 8, 8].mean() > 3 * pictures[:, 0, 0].mean()


def test_made_anew_they_are_the_same_and_quick() -> None:
    for make in (two_level_tree.make, parity.make):
        make.cache_clear()
        start = time.perf_counter()
        first = make()
        assert time.perf_counter() - start < 5  # about 0.1 s; generous for a busy machine
        make.cache_clear()
        assert make().fingerprint() == first.fingerprint()


def test_limit_and_no_validation() -> None:
    data = load("digits", limit=10)
    assert [len(data.split(s)) for s in SPLITS] == [10, 10, 10]
    assert all(len(label) == 10 for label in data.labels.values() if label is not None)
    data = load("digits", valid=False)
    assert [len(data.split(s)) for s in SPLITS] == [1259 + 269, 0, 269]
    assert data.labels["train"] is not None and len(data.labels["train"]) == 1528
    with pytest.raises(DataError, match="limit of 0"):
        load("digits", limit=0)
