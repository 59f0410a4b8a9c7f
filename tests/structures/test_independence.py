"""Tests of independence and clusters: against scipy's on single pairs, and on made-up data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pccore.leaves.base import Support
from pccore.structures import independence
from pccore.structures.clustering import cluster_rows
from pccore.structures.independence import (
    Codes,
    components,
    g_test,
    independent_parts,
    rank_test,
)

REAL = Support("real")
NAN = np.nan


def some_codes(rows: int = 60) -> np.ndarray:
    """Columns of 2 to 4 states, some related, with missing values and one constant."""
    random = np.random.default_rng(0)
    a = random.integers(0, 2, rows)
    columns = [a, (a + (random.random(rows) < 0.3)) % 2, a * 2 + random.integers(0, 2, rows)]
    columns += [random.integers(0, 3, rows), np.zeros(rows, dtype=int)]
    data = np.stack(columns, 1).astype(np.float32)
    data[random.random(data.shape) < 0.15] = NAN
    return data


@pytest.mark.parametrize("chunk", [1, 2**22])
def test_g_test_is_that_of_scipy(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(independence, "_CHUNK", chunk)
    data = some_codes()
    found = g_test(Codes.of(data, [Support("finite", 4)] * 5, 8))
    assert found.shape == (5, 5)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(data[:, i]) & ~np.isnan(data[:, j])
            table = np.zeros((4, 4))
            np.add.at(table, (data[both, i].astype(int), data[both, j].astype(int)), 1)
            table = table[table.sum(1) > 0][:, table.sum(0) > 0]
            expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
            assert found[i, j] == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-30)
    assert (found[4] == 1).all()


def test_rank_test_is_near_that_of_scipy() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=300)
    data = np.stack([x, np.exp(x) + random.normal(size=300) * 3, random.normal(size=300)], 1)
    data = np.concatenate([data, np.round(data[:, :1]), np.ones((300, 1))], 1)
    found = rank_test(data)
    for i, j in ((0, 1), (0, 2), (1, 2), (3, 1), (3, 2)):
        expected = stats.spearmanr(data[:, i], data[:, j])
        assert found[i, j] == pytest.approx(expected.pvalue, abs=0.03)
    assert (found[4] == 1).all()
    data[::7, 0] = NAN
    seen = ~np.isnan(data[:, 0])
    expected = stats.spearmanr(data[seen, 0], data[seen, 1])
    assert rank_test(data)[0, 1] == pytest.approx(expected.pvalue, abs=0.03)


def test_codes_cut_at_quantiles() -> None:
    data = np.array([[0.1, 9], [0.2, 1], [0.3, NAN], [0.4, 0]], dtype=np.float32)
    codes = Codes.of(data, [REAL, Support("finite", 10)], 2)
    assert codes.values.tolist() == [[0, 1], [0, 0], [1, -1], [1, 0]]
    assert codes.states == 2
    assert codes.ordered.tolist() == [True, True]


def test_components() -> None:
    graph = np.zeros((6, 6), dtype=bool)
    for i, j in ((0, 3), (3, 5), (2, 4)):
        graph[i, j] = graph[j, i] = True
    assert [part.tolist() for part in components(graph)] == [[0, 3, 5], [1], [2, 4]]


def test_dependence_that_only_one_of_the_tests_sees() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=800)
    data = np.stack([x, x**2 + 0.1 * random.normal(size=800), random.normal(size=800)], 1)
    parts = independent_parts(data, [REAL] * 3, 0.001, 8)
    assert [part.tolist() for part in parts] == [[0, 1], [2]]
    assert rank_test(data)[0, 1] > 0.001
    # A weak trend that is lost in 8 x 8 cells.
    data[:, 1] = x + 5 * random.normal(size=800)
    assert g_test(Codes.of(data, [REAL] * 3, 8))[0, 1] > 0.001
    assert len(independent_parts(data, [REAL] * 3, 0.001, 8)) == 2


@pytest.mark.parametrize("method", ["kmeans", "em"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_clusters_are_found(method: str, missing: float) -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 400)
    bits = random.random((400, 10)) < np.where(truth[:, None] == 1, 0.9, 0.1)
    levels = (random.normal(size=(400, 2)) + 4 * truth[:, None]) * (1, 1000)
    kinds = (truth[:, None] * 2 + random.integers(0, 2, (400, 2))).astype(float)
    data = np.concatenate([bits, levels, kinds], 1).astype(np.float32)
    data[random.random(data.shape) < missing] = NAN
    supports = [Support("finite", 2)] * 10 + [REAL] * 2 + [Support("finite", 4)] * 2
    found = cluster_rows(data, supports, 2, 0, method=method)  # type: ignore[arg-type]
    agree = float((found == truth).mean())
    assert max(agree, 1 - agree) > 0.97
    assert np.array_equal(found, cluster_rows(data, supports, 2, 0, method=method))  # type: ignore[arg-type]


def test_fewer_clusters_than_asked_for() -> None:
    rows = np.repeat(np.array([[0, 1], [1, 0]], dtype=np.float32), 5, axis=0)
    supports = [Support("finite", 2)] * 2
    assert set(cluster_rows(rows, supports, 5, 0).tolist()) == {0, 1}
    assert cluster_rows(rows[:5], supports, 2, 0).tolist() == [0] * 5
    assert cluster_rows(rows[:5] * NAN, supports, 2, 0).tolist() == [0] * 5
