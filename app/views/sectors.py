"""The sectors of a HyperSPN in its drawing: which sums' weights come from which embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pc_workbench.views.outline import Outline, group_of
from pc_workbench.views.scene import Scene
from pccore.generated import Generated
from pccore.graph import Circuit, SumGroup

#: Colours that the drawing has; they repeat what stands beside a sum.
TINTS = 7


@dataclass(frozen=True, eq=False)
class Sectors:
    """of: for each group the first of its sectors and how many there are, [groups, 2], -1 where
    its weights are not generated. count, size, embedding: sectors, weights of one, and numbers of
    its embedding."""

    of: np.ndarray
    count: int
    size: int
    embedding: int

    def line(self) -> str:
        """One sentence about all of them."""
        return (
            f"{self.count:,} sectors of {self.size} weights: one network makes each from an "
            f"embedding of {self.embedding} numbers. Beside sums whose weights are sector 5 stands "
            "s5 (zoom in, open a group, or point at it); the colour only repeats the number."
        )


def sectors_of(circuit: Circuit) -> Sectors | None:
    """The sectors of a circuit whose weights a network generates, None for any other."""
    params = circuit.params
    if not isinstance(params, Generated):
        return None
    found = np.full((len(circuit.groups), 2), -1, dtype=np.int64)
    for g, group in enumerate(circuit.groups):
        slot = params.slots.get(group.parameter) if isinstance(group, SumGroup) else None
        if slot is not None:
            found[g] = slot.start, slot.stop - slot.start
    network = params.network
    return Sectors(found, network.sectors, network.size, network.embeddings.shape[1])


def coloured(scene: Scene, found: Sectors, outline: Outline) -> Scene:
    """The scene with the sectors of each sum beside it, in its card, and as its colour."""
    known = {node["id"]: group_of(node["id"], outline) for node in scene["nodes"]}
    drawn = {group for group in known.values() if group is not None}
    clusters = {outline.cluster_id(c): c for c in range(outline.num_clusters)}
    tints: dict[str, int] = {}
    nodes: list[dict[str, Any]] = []
    for node in scene["nodes"]:
        name, group = node["id"], known[node["id"]]
        if group is None:
            members = [g for g in outline.members(clusters[name]).tolist() if g not in drawn]
            text = _told(found, members)
            nodes.append({**node, "title": _joined(node, text)} if text else node)
            continue
        first, count = found.of[group].tolist()
        if first < 0:
            nodes.append(node)
            continue
        tints[name] = first % TINTS + 1
        short = f"s{first}" if count == 1 else f"s{first}–{first + count - 1}"
        title = _joined(node, _told(found, [group]))
        nodes.append({**node, "tint": tints[name], "value": short, "title": title})
    edges = [
        {**edge, "tint": tints[edge["source"]]} if edge["source"] in tints else edge
        for edge in scene["edges"]
    ]
    return {**scene, "nodes": nodes, "edges": edges}


def _told(found: Sectors, groups: Sequence[int]) -> str:
    """The sectors of groups in words, empty where there are none."""
    own = found.of[list(groups)]
    own = own[own[:, 0] >= 0]
    if not len(own):
        return ""
    first, last = int(own[:, 0].min()), int((own.sum(1) - 1).max())
    return f"sector {first}" if first == last else f"sectors {first} to {last}"


def _joined(node: dict[str, Any], text: str) -> str:
    return "; ".join(part for part in (node.get("title", ""), text) if part)
