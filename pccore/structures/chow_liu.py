"""Chow-Liu trees: the tree-shaped distribution nearest to the data, as a deterministic circuit.

The tree is a maximum spanning tree of the pairwise mutual informations; each variable depends on
its parent alone. As a circuit, the unit "X|parent=c" is a sum over the states of X whose children
are the indicator of the state times the units of X's children in the tree.

Source: Chow and Liu, "Approximating discrete probability distributions with dependence trees",
1968.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pccore.build import Expression, indicator, mix, product
from pccore.errors import DataError
from pccore.structures.independence import one_hot

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Tree(NamedTuple):
    """A rooted tree of variables. parent: -1 at the root. order: parents before children."""

    parent: tuple[int, ...]
    order: tuple[int, ...]


def joint_counts(data: IntArray, states: int) -> FloatArray:
    """How often two variables have two values, [V, V, states, states]."""
    hot = one_hot(data, states)
    width = data.shape[1]
    table = (hot.T @ hot).reshape(width, states, width, states)
    return table.transpose(0, 2, 1, 3).astype(np.float64)


def mutual_information(counts: FloatArray, pseudocount: float) -> FloatArray:
    """I(X_u; X_v) in nats from `joint_counts`, [V, V]; the pseudocount is added to every cell."""
    cells = counts + pseudocount
    joint = cells / cells.sum(axis=(2, 3), keepdims=True)
    own = joint.sum(axis=3, keepdims=True) * joint.sum(axis=2, keepdims=True)
    ratio = np.divide(joint, own, out=np.ones_like(joint), where=joint > 0)
    return (joint * np.log(ratio)).sum(axis=(2, 3))


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


def chow_liu(
    data: npt.NDArray[np.floating | np.integer],
    variables: list[str],
    states: int = 2,
    pseudocount: float = 1.0,
) -> tuple[Expression, Tree]:
    """The root of the circuit, and the tree, of complete data [N, V] with values 0 to states - 1.

    pseudocount: added to every cell of a conditional table, so that no weight is 0.

    Raises DataError for missing or other values.
    """
    if data.ndim != 2 or data.shape[1] != len(variables) or not len(data):
        raise DataError(f"data of the shape {list(data.shape)} for {len(variables)} variables")
    known = np.isin(data, np.arange(states))
    if not bool(known.all()):
        raise DataError(f"a Chow-Liu tree needs complete data of the values 0 to {states - 1}")
    values = data.astype(np.int64)
    counts = joint_counts(values, states)
    tree = spanning_tree(mutual_information(counts, pseudocount))
    below: dict[int, list[int]] = {v: [] for v in range(len(variables))}
    for v in tree.order[1:]:
        below[tree.parent[v]].append(v)
    units: dict[int, list[Expression]] = {}  # of each variable, one for each state of its parent
    for v in reversed(tree.order):
        units[v] = _units(v, tree.parent[v], variables, counts, pseudocount, below[v], units)
    return units[tree.order[0]][0], tree


def _units(
    v: int,
    parent: int,
    variables: list[str],
    counts: FloatArray,
    pseudocount: float,
    below: list[int],
    units: dict[int, list[Expression]],
) -> list[Expression]:
    """The sums over the states of one variable, given each state of its parent."""
    name = variables[v]
    states = counts.shape[2]
    given: list[Expression] = []
    for c in range(states):
        leaf = indicator(name, c, states).named(f"{name}={c}")
        rest = [units[child][c] for child in below]
        given.append(product(leaf, *rest).named(f"{name}={c}, below") if rest else leaf)
    if parent < 0:
        table = np.diagonal(counts[v, v]) + pseudocount
        return [mix((table / table.sum()).tolist(), given).named(name)]
    table = counts[parent, v] + pseudocount
    table = table / table.sum(axis=1, keepdims=True)
    return [
        mix(table[c].tolist(), given).named(f"{name}|{variables[parent]}={c}")
        for c in range(states)
    ]
