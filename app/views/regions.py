"""The region graph of a circuit as a drawing: a node for each scope, one for each product group."""

from __future__ import annotations

from typing import Any

import numpy as np

from pccore.drawing.layout import layered_layout
from pccore.graph import Circuit, LeafGroup, ProductGroup

MOST_NODES = 320


def scene(circuit: Circuit) -> dict[str, Any] | None:
    """A scene for `circuit_graph`; None where it would have more than MOST_NODES nodes.

    Sum and leaf groups over one scope are one region, whatever the number of their units.
    """
    place: dict[object, int] = {}
    node_of: list[int] = []
    first: list[int] = []  # a group of each node
    for number, group in enumerate(circuit.groups):
        scope = circuit.scopes[number]
        key = number if isinstance(group, ProductGroup) else scope
        if key not in place:
            place[key] = len(first)
            first.append(number)
        node_of.append(place[key])
    if len(first) > MOST_NODES:
        return None
    pairs = {
        (node_of[number], node_of[below])
        for number, group in enumerate(circuit.groups)
        if not isinstance(group, LeafGroup)
        for below in group.inputs
        if node_of[number] != node_of[below]
    }
    edges = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    inner = {parent for parent, _ in pairs}
    positions = layered_layout(len(first), edges)
    nodes: list[dict[str, Any]] = []
    for node, number in enumerate(first):
        product = isinstance(circuit.groups[number], ProductGroup)
        scope = circuit.scopes[number]
        variables = f"{len(scope)} variable" + ("" if len(scope) == 1 else "s")
        nodes.append(
            {
                "id": f"n{node}",
                "x": float(positions[node, 0]),
                "y": float(positions[node, 1]),
                "kind": "product" if product else "sum" if node in inner else "leaf",
                "label": "" if product else str(len(scope)),
                "title": f"{'Partition' if product else 'Region'} of {variables}",
            }
        )
    return {
        "id": f"regions-{len(first)}-{len(pairs)}-{hash(tuple(sorted(pairs)))}",
        "nodes": nodes,
        "edges": [{"source": f"n{a}", "target": f"n{b}"} for a, b in edges.tolist()],
    }
