"""How much pairs of columns tell about each other, and the tree that keeps most of it.

Sources: Chow and Liu, "Approximating discrete probability distributions with dependence trees",
1968 (the maximum spanning tree of mutual informations); of two Gaussian columns of correlation r
the mutual information is -log(1 - r^2) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pccore.structures.independence import correlation

#: Joint counts that are held at a time.
_CELLS = 2**23
#: Rows that are written out as indicators at a time.
_ROWS = 4096

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Tree(NamedTuple):
    """A rooted tree of variables. parent: -1 at the root. order: parents before children."""

    parent: tuple[int, ...]
    order: tuple[int, ...]

    def children(self) -> list[list[int]]:
        """The children of each variable."""
        below: list[list[int]] = [[] for _ in self.parent]
        for v in self.order[1:]:
            below[self.parent[v]].append(v)
        return below


def mutual_information(
    values: npt.NDArray[np.integer], states: Sequence[int], pseudocount: float
) -> FloatArray:
    """I(X_u; X_v) in nats of all pairs of columns, [V, V].

    values: [N, V], column v from 0 to states[v] - 1, or -1 for missing: a row counts for a pair
    if it has both. pseudocount: added to every cell of a pair's table.
    """
    width = len(states)
    starts = np.concatenate([[0], np.cumsum(states)]).astype(np.int64)
    found = np.zeros((width, width))
    first = 0
    while first < width:
        # So many columns that their tables with all later ones fit.
        room = starts[first] + max(states[first], _CELLS // int(starts[-1] - starts[first]))
        last = max(first + 1, int(np.searchsorted(starts, room, side="right")) - 1)
        cells = _joint(values, starts, first, last) + pseudocount
        rows = np.add.reduceat(cells, starts[first:-1] - starts[first], axis=1)
        inner = starts[first:last] - starts[first]
        columns = np.add.reduceat(cells, inner, axis=0)
        total = np.add.reduceat(rows, inner, axis=0)
        both = np.add.reduceat(_x_log_x(cells), starts[first:-1] - starts[first], axis=1)
        own = np.add.reduceat(_x_log_x(rows), inner, axis=0)
        other = np.add.reduceat(_x_log_x(columns), starts[first:-1] - starts[first], axis=1)
        nats = np.add.reduceat(both, inner, axis=0) - own - other + _x_log_x(total)
        part = nats / np.where(total > 0, total, 1.0)
        found[first:last, first:] = part
        found[first:, first:last] = part.T
        first = last
    return found


def _joint(values: npt.NDArray[np.integer], starts: IntArray, first: int, last: int) -> FloatArray:
    """Joint counts of columns first to last with all columns from first on."""
    below = int(starts[first])
    width, block = int(starts[-1]) - below, int(starts[last]) - below
    joint = np.zeros((block, width))
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS, first:].astype(np.int64)
        hot = np.zeros((len(part), width), dtype=np.float32)
        row, column = np.nonzero(part >= 0)
        hot[row, starts[first:-1][column] - below + part[row, column]] = 1.0
        joint += hot[:, :block].T @ hot
    return joint


def _x_log_x(x: FloatArray) -> FloatArray:
    return x * np.log(np.where(x > 0, x, 1.0))


def gaussian_information(data: npt.NDArray[np.floating]) -> FloatArray:
    """I(X_u; X_v) in nats as if all pairs of columns were Gaussian, [V, V]; NaN is missing."""
    present = ~np.isnan(data)
    mean = np.where(present, data, 0.0).sum(0, dtype=np.float64) / np.maximum(present.sum(0), 1)
    # Around the mean, where the products do not lose their digits.
    r, _ = correlation(np.where(present, data - mean, 0.0), present)
    return -0.5 * np.log1p(-np.square(np.clip(r, -1 + 1e-9, 1 - 1e-9)))


def spanning_tree(information: FloatArray, root: int = 0) -> Tree:
    """The maximum spanning tree by Prim's algorithm; of equals the lowest number is taken."""
    width = len(information)
    best = information[root].copy()
    parent = np.full(width, root)
    parent[root] = -1
    outside = np.ones(width, dtype=bool)
    outside[root] = False
    order = [root]
    while len(order) < width:
        new = int(np.argmax(np.where(outside, best, -np.inf)))
        outside[new] = False
        order.append(new)
        closer = outside & (information[new] > best)
        best[closer] = information[new][closer]
        parent[closer] = new
    return Tree(tuple(int(p) for p in parent), tuple(order))


def at_centre(tree: Tree) -> Tree:
    """The same tree seen from the middle of its longest path, where it is least deep."""
    end = _walk(tree, tree.order[0]).order[-1]
    there = _walk(tree, end)
    path = [there.order[-1]]
    while there.parent[path[-1]] >= 0:
        path.append(there.parent[path[-1]])
    return _walk(tree, path[len(path) // 2])


def _walk(tree: Tree, root: int) -> Tree:
    """The tree from another root, breadth first; the last variable is a farthest one."""
    near: list[list[int]] = tree.children()
    for v, p in enumerate(tree.parent):
        if p >= 0:
            near[v].append(p)
    parent = [-1] * len(near)
    order = [root]
    for v in order:
        for w in near[v]:
            if w != parent[v]:
                parent[w] = v
                order.append(w)
    return Tree(tuple(parent), tuple(order))
