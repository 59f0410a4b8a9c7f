"""Where nodes go by themselves: the layered layout, leaves in the lowest row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from pccore.draft.nodes import Node
from pccore.draft.order import children_first, heights
from pccore.drawing.layout import layered_layout
from pccore.leaves.indicator import Indicator

#: Least distance of neighbours in a row and distance of the rows, in pixels.
ACROSS, DOWN = 108.0, 120.0
#: Distances where names are long, and where there are many rows.
WIDEST, LOWEST = 190.0, 88.0
#: A drawing that is higher than wide is spread, up to so much.
ASPECT, SPREAD = 1.3, 1.7


def tidy(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes in rows by their height above the leaves, few crossings; the order is kept."""
    if not nodes:
        return {}
    number = {n: i for i, n in enumerate(nodes)}
    pairs = [
        (number[n], number[child])
        for n, node in nodes.items()
        for child in dict.fromkeys(arc.child for arc in node.arcs)
    ]
    height = heights(nodes, children_first(nodes))
    # A unit without children stands where its children would stand below it.
    levels = np.array([max(height[n], node.kind != "leaf") for n, node in nodes.items()])
    gap = max(LOWEST, DOWN - 6 * max(0, int(levels.max()) - 4))
    places = layered_layout(
        len(nodes),
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        levels,
        node_width=_width(nodes),
        level_gap=gap,
    )
    across, down = np.ptp(places, axis=0) + np.array([ACROSS, gap])
    places[:, 0] *= min(SPREAD, max(1.0, ASPECT * down / across))
    return {
        n: dataclasses.replace(node, x=round(float(x), 1), y=round(float(y), 1))
        for (n, node), (x, y) in zip(nodes.items(), places.tolist(), strict=True)
    }


def _width(nodes: Mapping[str, Node]) -> float:
    """Room for the texts: beside inner units, below leaves (whose numbers take some)."""
    widest = 0
    for node in nodes.values():
        if node.leaf is None:
            widest = max(widest, 6 + len(node.name))
        elif not isinstance(node.leaf.family, Indicator):
            widest = max(widest, len(node.leaf.variable) + 4 + 5 * min(3, len(node.leaf.values)))
    return min(WIDEST, max(ACROSS, 7.4 * widest))
