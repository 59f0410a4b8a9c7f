"""The layered layout: no overlaps, few crossings, deterministic, fast enough for large graphs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pccore.drawing.layout import (
    count_crossings,
    depths,
    extent,
    layered_layout,
    layered_routes,
)


def random_layers(widths: list[int], fan: int, seed: int) -> tuple[int, np.ndarray]:
    """A layered graph: every node has up to `fan` parents in the rank above."""
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(widths)])
    edges = [
        np.stack(
            [
                rng.integers(starts[r], starts[r + 1], widths[r + 1] * fan),
                np.repeat(np.arange(starts[r + 1], starts[r + 2]), fan),
            ],
            axis=1,
        )
        for r in range(len(widths) - 1)
    ]
    return int(starts[-1]), np.unique(np.concatenate(edges), axis=0)


def closest(positions: np.ndarray) -> float:
    """The least distance in x between two nodes of one row."""
    order = np.lexsort((positions[:, 0], positions[:, 1]))
    x, y = positions[order].T
    same = np.diff(y) == 0
    return float(np.diff(x)[same].min(initial=np.inf))


@pytest.mark.parametrize(
    "widths", [[1, 2, 4, 8, 16], [1, 40, 3, 40], [3, 3, 3], [1, 300, 5], [1, 50, 2000]]
)
def test_no_overlaps(widths):
    n, edges = random_layers(widths, 2, seed=1)
    positions = layered_layout(n, edges, node_width=50)
    assert np.isfinite(positions).all()
    assert closest(positions) >= 50 - 1e-6


def test_parents_are_above_their_children():
    n, edges = random_layers([1, 30, 90, 200], 3, seed=2)
    y = layered_layout(n, edges)[:, 1]
    assert (y[edges[:, 0]] < y[edges[:, 1]]).all()


def test_long_edges_run_beside_the_nodes():
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [0, 4], [4, 3]])
    positions, routes = layered_routes(5, edges)
    assert depths(5, edges).tolist() == [0, 1, 2, 3, 1]
    assert closest(positions) >= 72 - 1e-6
    assert sorted(routes) == [3, 5]
    assert len(routes[3]) == 2 and len(routes[5]) == 1
    assert (np.diff(routes[3][:, 1]) > 0).all()  # from the parent down to the child
    for x, y in np.concatenate(list(routes.values())):
        row = positions[positions[:, 1] == y, 0]
        assert np.abs(row - x).min() > 40


def test_levels_of_a_circuit_put_leaves_at_the_bottom():
    edges = np.array([[0, 1], [0, 2], [2, 3]])
    y = layered_layout(4, edges, levels=np.array([2, 0, 1, 0]))[:, 1]
    assert y[1] == y[3] > y[2] > y[0]


def test_deterministic():
    n, edges = random_layers([1, 20, 60, 30], 3, seed=3)
    first = layered_layout(n, edges)
    assert np.array_equal(first, layered_layout(n, edges))
    assert np.array_equal(first, layered_layout(n, edges.copy()[::-1]))


def test_fewer_crossings_than_a_random_order():
    n, edges = random_layers([6, 14, 30, 30], 2, seed=4)
    positions = layered_layout(n, edges)
    shuffled = positions.copy()
    rng = np.random.default_rng(0)
    for y in np.unique(positions[:, 1]):
        row = np.flatnonzero(positions[:, 1] == y)
        shuffled[row, 0] = positions[rng.permutation(row), 0]
    assert count_crossings(positions, edges) < 0.6 * count_crossings(shuffled, edges)


def test_a_tree_has_no_crossings_and_centred_parents():
    nodes = np.arange(1, 31)
    edges = np.stack([(nodes - 1) // 2, nodes], axis=1)
    positions = layered_layout(31, edges)
    assert count_crossings(positions, edges) == 0
    left, right = positions[1], positions[2]
    assert positions[0, 0] == pytest.approx((left[0] + right[0]) / 2, abs=1.0)


def test_wide_ranks_are_broken_into_rows():
    n, edges = random_layers([1, 200], 1, seed=5)
    positions = layered_layout(n, edges, node_width=50, wrap=40)
    assert len(np.unique(positions[:, 1])) == 1 + 5
    assert extent(positions, node_width=50)[0] < 50 * 60


def test_count_crossings():
    positions = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    assert count_crossings(positions, np.array([[0, 3], [1, 2]])) == 1
    assert count_crossings(positions, np.array([[0, 2], [1, 3]])) == 0


def test_nothing_one_and_unconnected():
    none = np.zeros((0, 2), int)
    assert layered_layout(0, none).shape == (0, 2)
    assert layered_layout(1, none).tolist() == [[36.0, 55.0]]
    assert closest(layered_layout(5, none)) >= 72


def test_a_cycle_does_not_hang():
    positions = layered_layout(3, np.array([[0, 1], [1, 2], [2, 1]]))
    assert np.isfinite(positions).all()


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="outside"):
        layered_layout(2, np.array([[0, 2]]))
    with pytest.raises(ValueError, match="levels"):
        layered_layout(2, np.array([[0, 1]]), levels=np.array([0]))


def test_ten_thousand_nodes_are_quick():
    n, edges = random_layers([1, 10, 100, 1000, 4000, 4000, 889], 2, seed=6)
    best = min(_seconds(n, edges) for _ in range(3))
    assert n == 10_000
    assert best < 1.0  # tens of milliseconds on an idle machine


def test_a_hundred_thousand_nodes_and_a_deep_chain():
    n, edges = random_layers([1, 1000, 30_000, 50_000, 18_999], 2, seed=7)
    assert np.isfinite(layered_layout(n, edges)).all()
    chain = np.stack([np.arange(19_999), np.arange(1, 20_000)], axis=1)
    positions = layered_layout(20_000, chain)
    assert np.ptp(positions[:, 0]) == 0
    assert (np.diff(positions[:, 1]) > 0).all()


def _seconds(n: int, edges: np.ndarray) -> float:
    start = time.perf_counter()
    layered_layout(n, edges)
    return time.perf_counter() - start
