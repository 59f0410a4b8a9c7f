"""Factor graphs compiled to circuits by variable elimination.

Eliminating X multiplies the tables and earlier results that mention it and sums over its states;
here every cell of the result is a sum unit over products of [X = x] and earlier cells, with the
product of the table entries as weight. Each variable is summed once, so the circuit is smooth,
decomposable and deterministic, and equals the product of the tables (Darwiche 2003, sec. 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import combinations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pccore.errors import FileError
from pccore.files.base import Limits
from pccore.files.importing.assemble import assemble
from pccore.files.importing.nodes import PRODUCT, SUM, Nodes
from pccore.graph import Circuit, IntArray, Json

Number = TypeVar("Number", np.int64, np.float64)
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Factor:
    """A table of linear weights >= 0 with an axis for each of some variables."""

    scope: tuple[int, ...]
    table: FloatArray


@dataclass(frozen=True, slots=True)
class _Cells:
    """The result of an elimination: a node for each state of the variables in `scope`."""

    scope: tuple[int, ...]
    nodes: IntArray


def compile_factors(
    factors: Sequence[Factor],
    cards: Sequence[int],
    names: Sequence[str],
    meta: dict[str, Json],
    limits: Limits,
) -> Circuit:
    """The circuit of the product of the factors; cards: the number of states of each variable.

    Raises FileError where the result would be too large.
    """
    if len(cards) > limits.max_variables // 10:
        raise FileError(
            f"more than {limits.max_variables // 10} variables are not supported",
            hint=limits.way_out("max_variables"),
        )
    order = elimination_order([factor.scope for factor in factors], cards)
    position = {v: n for n, v in enumerate(order)}
    tables: list[list[Factor]] = [[] for _ in cards]
    results: list[list[_Cells]] = [[] for _ in cards]
    top: list[int] = []
    scale = 0.0
    for factor in factors:
        if factor.scope:
            tables[min(factor.scope, key=position.__getitem__)].append(factor)
        else:
            value = float(factor.table)
            scale += math.log(value) if value > 0 else -math.inf
    nodes = Nodes(limits)
    for v in order:
        cells = _eliminate(nodes, v, tables[v], results[v], cards)
        results[v] = []
        if cells.scope:
            results[min(cells.scope, key=position.__getitem__)].append(cells)
        else:
            top.append(int(cells.nodes.reshape(-1)[0]))
    root = top[0] if len(top) == 1 else nodes.add_product(top)
    if scale:
        root = nodes.add_sum([root], [scale])
    return assemble(nodes, root, names, meta)


def _eliminate(
    nodes: Nodes, v: int, tables: list[Factor], below: list[_Cells], cards: Sequence[int]
) -> _Cells:
    whole = {u for part in (*tables, *below) for u in part.scope} - {v}
    scope = (*sorted(whole), v)
    shape = tuple(cards[u] for u in scope)
    cells = math.prod(shape)
    if cells * (3 + len(below)) > nodes.limits.max_text_size:
        raise FileError(
            f"compiling the network needs a table of {cells} cells: its treewidth is too large",
            hint=nodes.limits.way_out("max_text_size"),
        )
    if len(shape) > 30:
        raise FileError("a table over more than 30 variables is not supported")
    logs = np.zeros(shape)
    with np.errstate(divide="ignore"):
        for factor in tables:
            logs = logs + _aligned(np.log(factor.table), factor.scope, scope)
    literals = np.array([nodes.literal(v, state, cards[v]) for state in range(cards[v])])
    columns = [np.broadcast_to(_aligned(part.nodes, part.scope, scope), shape) for part in below]
    children = np.broadcast_to(literals, shape)
    if columns:
        rows = np.stack([children, *columns], -1).reshape(cells, -1)
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        products = nodes.add_rows(PRODUCT, distinct, np.zeros(distinct.shape))
        children = products[which.reshape(shape)]
    sums = nodes.add_rows(SUM, children.reshape(-1, cards[v]), logs.reshape(-1, cards[v]))
    return _Cells(scope[:-1], sums.reshape(shape[:-1]))


def _aligned(
    array: npt.NDArray[Number], own: tuple[int, ...], scope: tuple[int, ...]
) -> npt.NDArray[Number]:
    """The array with an axis for each variable of `scope`, of length 1 where it has none."""
    order = sorted(range(len(own)), key=lambda axis: scope.index(own[axis]))
    have = {own[axis] for axis in order}
    moved = array.transpose(order)
    lengths = iter(moved.shape)
    return moved.reshape([next(lengths) if u in have else 1 for u in scope])


def elimination_order(scopes: Sequence[Sequence[int]], cards: Sequence[int]) -> list[int]:
    """Variables in the order of least fill, ties by the size of the table that arises.

    Kjaerulff 1990, "Triangulation of graphs - algorithms giving small total state space".
    """
    near: list[set[int]] = [set() for _ in cards]
    for scope in scopes:
        for u in scope:
            near[u].update(scope)
    for u, others in enumerate(near):
        others.discard(u)

    def cost(u: int) -> tuple[int, float]:
        others = near[u]
        if len(others) > 64:  # so large a clique cannot be compiled anyway
            return 10**9, 0.0
        size = sum(math.log(cards[w]) for w in others)
        have = sum(len(near[w] & near[u]) for w in others)
        return len(others) * (len(others) - 1) - have, size

    costs = {u: cost(u) for u in range(len(cards))}
    waiting = [(found, u) for u, found in costs.items()]
    heapify(waiting)
    order: list[int] = []
    while costs:
        found, u = heappop(waiting)
        if costs.get(u) != found:
            continue  # it has changed since
        if found[0] == 10**9:
            raise FileError("the network is too dense to be compiled")
        del costs[u]
        order.append(u)
        changed = _connect(near, u, found[0] > 0)
        for w in changed:
            new = cost(w)
            if new != costs[w]:
                costs[w] = new
                heappush(waiting, (new, w))
    return order


def _connect(near: list[set[int]], u: int, fills: bool) -> set[int]:
    """Take u away and make neighbours of its neighbours; whose costs may be others now.

    fills: whether that takes new edges.
    """
    changed = set(near[u])
    fill = [(a, b) for a, b in combinations(near[u], 2) if b not in near[a]] if fills else []
    for w in near[u]:
        near[w] |= near[u]
        near[w] -= {u, w}
    for a, b in fill:  # of others, only who sees both ends of a new edge
        changed |= near[a] & near[b]
    return changed
