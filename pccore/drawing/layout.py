"""Layered layout of a directed acyclic graph, in numpy.

Ranks by depth with the root on top, order within a rank by barycentre sweeps, then x coordinates
that pull every node to the mean of its neighbours without overlap. Long edges get placeholder
nodes on the ranks they cross, as long as these are few, so that other nodes make room for them.

Source: the framework of Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981; the pull under order constraints is isotonic regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pccore.groups import IntArray

FloatArray = npt.NDArray[np.float64]

EXACT_LIMIT = 3000  # nodes up to which the least-squares pull is used (a Python loop over nodes)
RANK_BUDGET = 6000  # rank visits over all sweeps: bounds the time of very deep graphs
PLACEHOLDER_WIDTH = 0.4  # of a node, for a long edge passing through a rank


class Layout(NamedTuple):
    """Where everything goes.

    Attributes:
        positions: float [N, 2], x to the right, y down.
        routes: for an edge that crosses ranks, by its number, the points float [k, 2] it should
            pass from parent to child, so that it runs beside the nodes and not through them.
    """

    positions: FloatArray
    routes: dict[int, FloatArray]


@dataclass(frozen=True, slots=True)
class _Layers:
    """Nodes and placeholders in ranks, with the edges between neighbouring ranks only."""

    rank: IntArray  # int [M], 0 on top
    width: FloatArray  # float [M]
    upper: IntArray  # int [S], ends of the segments, rank r
    lower: IntArray  # int [S], rank r + 1
    first: IntArray  # int [R + 1], segments of upper rank r are first[r]:first[r + 1]
    owner: IntArray  # int [M - N], the edge each placeholder stands for; ordered, top down


def depths(num_nodes: int, edges: IntArray) -> IntArray:
    """Length of the longest path from a root to each node, int [N].

    Args:
        num_nodes: N.
        edges: int [E, 2], (parent, child). What lies on a cycle gets a rank below all others.
    """
    parent, child = edges[:, 0], edges[:, 1]
    order = np.argsort(parent, kind="stable")
    child = child[order]
    offsets = np.searchsorted(parent[order], np.arange(num_nodes + 1))
    waiting = np.bincount(child, minlength=num_nodes)
    depth = np.full(num_nodes, -1, dtype=np.int64)
    front = np.flatnonzero(waiting == 0)
    level = 0
    while front.size:
        depth[front] = level
        reached = child[_spans(offsets[front], offsets[front + 1])]
        np.subtract.at(waiting, reached, 1)
        reached = np.unique(reached) if reached.size > 1 else reached
        front = reached[waiting[reached] == 0]
        level += 1
    depth[depth < 0] = level
    return depth


def layered_layout(
    num_nodes: int,
    edges: IntArray,
    levels: IntArray | None = None,
    *,
    node_width: float = 72.0,
    level_gap: float = 110.0,
    sweeps: int = 8,
    wrap: int | None = None,
) -> FloatArray:
    """Positions of the nodes, float [N, 2]: :func:`layered_routes` without the routes."""
    return layered_routes(
        num_nodes,
        edges,
        levels,
        node_width=node_width,
        level_gap=level_gap,
        sweeps=sweeps,
        wrap=wrap,
    ).positions


def layered_routes(
    num_nodes: int,
    edges: IntArray,
    levels: IntArray | None = None,
    *,
    node_width: float = 72.0,
    level_gap: float = 110.0,
    sweeps: int = 8,
    wrap: int | None = None,
) -> Layout:
    """Positions of the nodes, the root on top, and the routes of long edges.

    Args:
        num_nodes: N.
        edges: int [E, 2], (parent, child).
        levels: height of each node above the leaves, int [N], larger above (``Circuit.levels``);
            None ranks by the longest path from a root.
        node_width: least distance between neighbours of a row.
        level_gap: distance of the ranks.
        sweeps: how many times the ranks are gone through for the order and for x.
        wrap: a rank of more nodes is broken into staggered rows; default grows with sqrt(N).

    Returns:
        The layout, deterministic; the smallest x and y of a node are half a node width and half a
        level gap (:func:`extent` gives the size of the drawing). Routes are missing where there
        would be too many of them.

    Raises:
        ValueError: an edge names a node that does not exist, or levels has the wrong length.
    """
    edges = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    if num_nodes == 0:
        return Layout(np.zeros((0, 2)), {})
    if edges.size and not (edges.min() >= 0 and edges.max() < num_nodes):
        raise ValueError(f"an edge names a node outside 0..{num_nodes - 1}")
    if levels is None:
        rank = depths(num_nodes, edges)
    else:
        rank = np.asarray(levels, dtype=np.int64)
        if rank.shape != (num_nodes,):
            raise ValueError(f"levels has {rank.shape[0]} entries for {num_nodes} nodes")
        rank = rank.max() - rank
    rank = np.unique(rank, return_inverse=True)[1]  # no empty ranks
    wrap = wrap or max(24, int(2.5 * num_nodes**0.5))

    layers = _layers(num_nodes, edges, rank, node_width)
    num_ranks = int(rank.max()) + 1
    sweeps = max(1, min(sweeps, RANK_BUDGET // num_ranks))
    members = _order(layers, num_ranks, sweeps)
    rows = np.array([max(1, -(-int((m < num_nodes).sum()) // wrap)) for m in members])
    x = _coordinates(layers, members, rows, sweeps, exact=num_nodes <= EXACT_LIMIT)

    y = np.zeros(len(layers.rank))
    row_gap = 0.8 * level_gap
    top = level_gap / 2
    for nodes, count in zip(members, rows, strict=True):
        y[nodes] = top + row_gap * (count - 1) / 2
        real = nodes[nodes < num_nodes]
        y[real] = top + row_gap * (np.arange(len(real)) % count)
        top += level_gap + row_gap * (count - 1)
    points = np.stack([x, y], axis=1)
    points[:, 0] += node_width / 2 - points[:num_nodes, 0].min()
    return Layout(points[:num_nodes], _routes(layers, points[num_nodes:], rank, edges))


def _routes(
    layers: _Layers, points: FloatArray, rank: IntArray, edges: IntArray
) -> dict[int, FloatArray]:
    """The placeholders of each long edge, in the direction of the edge."""
    owners, starts = np.unique(layers.owner, return_index=True)
    parts = np.split(points, starts[1:])
    return {
        int(edge): part if rank[edges[edge, 0]] < rank[edges[edge, 1]] else part[::-1]
        for edge, part in zip(owners, parts, strict=False)
    }


def extent(
    positions: FloatArray, *, node_width: float = 72.0, level_gap: float = 110.0
) -> tuple[float, float]:
    """Width and height of the drawing, with half a node width and level gap around it."""
    if not len(positions):
        return (node_width, level_gap)
    right, bottom = positions.max(axis=0)
    return (float(right) + node_width / 2, float(bottom) + level_gap / 2)


def count_crossings(positions: FloatArray, edges: IntArray, limit: int = 4000) -> int:
    """The number of pairs of edges, between the same two rows, that cross.

    Edges between other rows are not looked at. Quadratic in the edges of a pair of rows.

    Raises:
        ValueError: two rows are joined by more than ``limit`` edges.
    """
    edges = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    start, end = positions[edges[:, 0]], positions[edges[:, 1]]
    rows = np.unique(np.stack([start[:, 1], end[:, 1]], axis=1), axis=0, return_inverse=True)[1]
    total = 0
    for pair in range(int(rows.max(initial=-1)) + 1):
        a = start[rows == pair, 0]
        b = end[rows == pair, 0]
        if len(a) > limit:
            raise ValueError(f"{len(a)} edges between two rows: too many to count the crossings")
        crossing = (a[:, None] < a[None, :]) & (b[:, None] > b[None, :])
        total += int(crossing.sum())
    return total


def _spans(starts: IntArray, ends: IntArray) -> IntArray:
    """All indices of the ranges starts[i]:ends[i], one after the other."""
    sizes = ends - starts
    shift = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    return np.arange(len(shift)) + shift


def _layers(num_nodes: int, edges: IntArray, rank: IntArray, node_width: float) -> _Layers:
    """Direct all edges downwards and cut the long ones at placeholders, if these are few."""
    upward = rank[edges[:, 0]] > rank[edges[:, 1]]
    down = np.where(upward[:, None], edges[:, ::-1], edges)
    span = rank[down[:, 1]] - rank[down[:, 0]]
    number = np.flatnonzero(span > 0)
    down, span = down[number], span[number]
    extra = np.maximum(span - 1, 0)
    width = np.full(num_nodes, node_width)
    owner = np.zeros(0, dtype=np.int64)
    if 0 < extra.sum() <= 2 * num_nodes + 200:
        edge = np.repeat(np.arange(len(down)), extra)
        step = _spans(np.zeros_like(extra), extra)
        ids = num_nodes + np.arange(len(edge))
        last = step == extra[edge] - 1
        upper = np.where(step == 0, down[edge, 0], ids - 1)
        segments = [
            down[span == 1],
            np.stack([upper, ids], axis=1),
            np.stack([ids[last], down[edge[last], 1]], axis=1),
        ]
        rank = np.concatenate([rank, rank[down[edge, 0]] + step + 1])
        width = np.concatenate([width, np.full(len(edge), PLACEHOLDER_WIDTH * node_width)])
        down = np.concatenate(segments)
        owner = number[edge]
    else:
        down = down[span == 1]
    down = down[np.lexsort((down[:, 1], down[:, 0], rank[down[:, 0]]))]
    first = np.searchsorted(rank[down[:, 0]], np.arange(rank.max() + 2))
    return _Layers(rank, width, down[:, 0], down[:, 1], first, owner)


def _neighbour_means(
    layers: _Layers, value: FloatArray, nodes: IntArray, rank: int, up: bool
) -> FloatArray:
    """Mean value of the neighbours above (up) or below of each node; its own if it has none."""
    segment = rank - 1 if up else rank
    if not 0 <= segment < len(layers.first) - 1:
        return value[nodes]
    part = slice(layers.first[segment], layers.first[segment + 1])
    here, there = (layers.lower, layers.upper) if up else (layers.upper, layers.lower)
    low = nodes.min()
    size = int(nodes.max() - low) + 1
    if size > 8 * len(nodes) + 64:  # scattered ids: count over the members only
        place = np.searchsorted(nodes, here[part], sorter=(by_id := np.argsort(nodes)))
        index, slots = by_id[place], np.arange(len(nodes))
        size = len(nodes)
    else:
        index, slots = here[part] - low, nodes - low
    count = np.bincount(index, minlength=size)[slots]
    total = np.bincount(index, weights=value[there[part]], minlength=size)[slots]
    return np.where(count > 0, total / np.maximum(count, 1), value[nodes])


def _order(layers: _Layers, num_ranks: int, sweeps: int) -> list[IntArray]:
    """Members of each rank from left to right, by barycentre sweeps down and up."""
    by_rank = np.argsort(layers.rank, kind="stable")
    bounds = np.searchsorted(layers.rank[by_rank], np.arange(num_ranks + 1))
    members = [by_rank[bounds[r] : bounds[r + 1]] for r in range(num_ranks)]
    place = np.zeros(len(layers.rank))
    for nodes in members:
        place[nodes] = _centred(len(nodes))
    best, fewest = [m.copy() for m in members], None
    judged = len(layers.upper) <= 1500  # counting is quadratic: only small graphs keep the best
    for sweep in range(2 * sweeps):
        up = sweep % 2 == 0  # look up while going down
        for rank in range(num_ranks) if up else range(num_ranks - 1, -1, -1):
            nodes = members[rank]
            if len(nodes) < 2:
                continue
            means = _neighbour_means(layers, place, nodes, rank, up)
            nodes = nodes[np.lexsort((place[nodes], means))]
            members[rank] = nodes
            place[nodes] = _centred(len(nodes))
        if judged:
            found = count_crossings(
                np.stack([place, layers.rank.astype(float)], axis=1),
                np.stack([layers.upper, layers.lower], axis=1),
            )
            if fewest is None or found < fewest:
                best, fewest = [m.copy() for m in members], found
    return best if judged else members


def _centred(count: int) -> FloatArray:
    return np.arange(count, dtype=np.float64) - (count - 1) / 2


def _coordinates(
    layers: _Layers, members: list[IntArray], rows: IntArray, sweeps: int, *, exact: bool
) -> FloatArray:
    """x of every node: near the mean of its neighbours, in order, without overlap."""
    x = np.zeros(len(layers.rank))
    offsets: list[FloatArray] = []
    for nodes, count in zip(members, rows, strict=True):
        width = layers.width[nodes]
        # In a rank of several rows, nodes of one row are `count` places apart.
        gaps = np.full(len(nodes) - 1, width.max() / count) if count > 1 else None
        gaps = (width[1:] + width[:-1]) / 2 if gaps is None else gaps
        offset = np.concatenate([[0.0], np.cumsum(gaps)])
        offsets.append(offset)
        x[nodes] = offset - offset[-1] / 2
    num_ranks = len(members)
    for sweep in range(2 * sweeps):
        up = sweep % 2 == 0
        for rank in range(num_ranks) if up else range(num_ranks - 1, -1, -1):
            nodes, offset = members[rank], offsets[rank]
            wanted = _neighbour_means(layers, x, nodes, rank, up)
            if sweep >= 2 * sweeps - 2:  # the last two: both sides count
                wanted = (wanted + _neighbour_means(layers, x, nodes, rank, not up)) / 2
            if len(nodes) == 1:
                x[nodes] = wanted
                continue
            x[nodes] = offset + _monotone(wanted - offset, exact=exact)
    return x


def _monotone(wanted: FloatArray, *, exact: bool) -> FloatArray:
    """The non-decreasing sequence nearest to ``wanted``.

    Nearest in the sum of squares if exact (pool adjacent violators); else in the largest
    deviation, which is the middle of two running extremes and needs no loop.
    """
    if not exact:
        rising = np.maximum.accumulate(wanted)
        falling = np.minimum.accumulate(wanted[::-1])[::-1]
        return (rising + falling) / 2
    means: list[float] = []
    sizes: list[int] = []
    for value in wanted.tolist():
        size = 1
        while means and means[-1] > value:
            before = sizes.pop()
            value = (value * size + means.pop() * before) / (size + before)
            size += before
        means.append(value)
        sizes.append(size)
    return np.repeat(means, sizes)
