"""A compiled program as facts: what each layer computes, and where each group is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pc_workbench.views import labels
from pc_workbench.views.outline import Outline, group_of
from pc_workbench.views.scene import Scene
from pc_workbench.views.unit_details import unit_of
from pccore.compile import Program
from pccore.compile.edges import EdgeSumLayer
from pccore.compile.layer import Layer
from pccore.compile.plan import LayerKind, Plan
from pccore.compile.profile import layer_costs
from pccore.graph import Circuit, LeafGroup, SparseEdges

#: How strong what is computed elsewhere is drawn in the graph.
FAINT = 0.4


class Words(NamedTuple):
    """A kind of layer: its name, what it computes, and the units in it, lowest first."""

    name: str
    about: str
    signs: tuple[str, ...]


KINDS: Mapping[LayerKind, Words] = {
    "leaf": Words("leaves", "log-probabilities, from the sufficient statistics", ("leaf",)),
    "einsum": Words(
        "product + sum",
        "a Kronecker product and the dense sum over it at once; the products are never stored",
        ("product", "sum"),
    ),
    "dense": Words("dense sum", "every unit weighs all inputs of its group", ("sum",)),
    "mix": Words("mixing sum", "unit k weighs unit k of each input", ("sum",)),
    "hadamard": Words("Hadamard product", "unit k multiplies unit k of each input", ("product",)),
    "kronecker": Words("Kronecker product", "a unit for each pair of input units", ("product",)),
    "edge_sum": Words("sum over edges", "a row of children for each unit, padded", ("sum",)),
    "edge_product": Words(
        "product over edges", "a row of children for each unit, not padded", ("product",)
    ),
}


@dataclass(frozen=True, eq=False)
class Row:
    """Units of a layer of edges whose rows of children have one width, padding included.

    units: positions in the layer. counts: children of each.
    """

    width: int
    units: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """What is known of a layer whatever the batch.

    groups: positions in the circuit. sizes, inputs: the least and the largest number of units of
    a group, and of child units (of sufficient statistics in a layer of leaves). edges: with those
    of fused products. rows: of a layer of edges, else none.
    """

    number: int
    kind: LayerKind
    groups: tuple[int, ...]
    sizes: tuple[int, int]
    units: int
    inputs: tuple[int, int]
    edges: int
    padding: int
    parameters: int
    rows: tuple[Row, ...]

    @property
    def words(self) -> Words:
        """Its kind in words."""
        return KINDS[self.kind]

    @property
    def title(self) -> str:
        """Its kind in words, and what the engine calls it where that is no word."""
        return self.words.name + (" (einsum)" if self.kind == "einsum" else "")

    @property
    def padded(self) -> float:
        """The share of padding in what is computed."""
        return self.padding / max(1, self.padding + self.edges)


@dataclass(frozen=True, eq=False)
class Facts:
    """A program: its layers; for each group the layer that computes it, -1 for none."""

    layers: tuple[LayerFacts, ...]
    where: np.ndarray
    plan: Plan


def facts(program: Program) -> Facts:
    """Linear in the number of groups and of their units."""
    plan, circuit = program.plan, program.circuit
    where = np.full(len(circuit.groups), -1, dtype=np.int64)
    for number, spec in enumerate(plan.layers):
        where[list(spec.groups)] = number
    for product, user in plan.fused.items():
        where[product] = where[user]
    found: list[LayerFacts] = []
    for layer, cost in zip(program.layers, layer_costs(program, 1), strict=True):
        rows = _rows(circuit, layer)
        sizes = [circuit.groups[g].size for g in cost.groups] if rows else [cost.size]
        fused = 2 * cost.inputs * len(cost.groups) if cost.kind == "einsum" else 0
        inputs = (cost.inputs, cost.inputs)
        if rows:
            counts = [row.counts for row in rows]
            inputs = (min(int(c.min()) for c in counts), max(int(c.max()) for c in counts))
        found.append(
            LayerFacts(
                cost.number, cost.kind, cost.groups, (min(sizes), max(sizes)), cost.units, inputs,
                cost.edges + fused, cost.padding, cost.parameters, rows,
            )
        )  # fmt: skip
    return Facts(tuple(found), where, plan)


def _rows(circuit: Circuit, layer: Layer) -> tuple[Row, ...]:
    """The units of a layer of edges by the width of their rows."""
    if layer.spec.kind not in ("edge_sum", "edge_product"):
        return ()
    counted: list[np.ndarray] = []
    for g in layer.spec.groups:
        group = circuit.groups[g]
        assert not isinstance(group, LeafGroup)
        if isinstance(group.edges, SparseEdges):
            counted.append(np.diff(group.edges.offsets))
        else:  # one unit over all units of its inputs
            counted.append(np.array([sum(circuit.groups[i].size for i in group.inputs)]))
    counts = np.concatenate(counted)
    if isinstance(layer, EdgeSumLayer):
        blocks = [(block.children.shape[1], block.units.cpu().numpy()) for block in layer.blocks]
    else:
        blocks = [(int(n), np.flatnonzero(counts == n)) for n in np.unique(counts)]
    return tuple(Row(width, units, counts[units]) for width, units in blocks)


def shape_text(one: LayerFacts) -> str:
    """The shape of a layer: `80 × [8 × 64]`, or its rows and their padding."""
    if one.rows:
        units = labels.count(one.units, "unit")
        text = f"{units} of {span(one.inputs)} {'child' if one.inputs[1] == 1 else 'children'}"
        return text + (f", {share_text(one.padded)} padding" if one.padding else "")
    return f"{len(one.groups):,} × [{one.sizes[0]:,} × {one.inputs[0]:,}]"


def span(ends: tuple[int, int]) -> str:
    """`3`, or `2 to 5`."""
    return f"{ends[0]:,}" if ends[0] == ends[1] else f"{ends[0]:,} to {ends[1]:,}"


def share_text(share: float) -> str:
    """A share in percent; what is there at all is never 0 %."""
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


# -- in the graph ----------------------------------------------------------------------------


def mark(scene: Scene, found: Facts, number: int, outline: Outline) -> Scene:
    """The scene with what a layer computes marked; the rest steps back."""
    inside = found.where == number
    known = {node["id"]: group_of(node["id"], outline) for node in scene["nodes"]}
    drawn = np.zeros(len(inside), dtype=bool)
    drawn[[group for group in known.values() if group is not None]] = True
    clusters = {outline.cluster_id(c): c for c in range(outline.num_clusters)}
    marked: set[str] = set()
    nodes: list[dict[str, Any]] = []
    for node in scene["nodes"]:
        name, group = node["id"], known[node["id"]]
        if group is not None:
            hits, text = int(inside[group]), f"computed in layer {number}"
            if group in found.plan.fused:
                text += ", its values are never stored"
        else:
            members = outline.members(clusters[name])
            rest = members[~drawn[members]]
            hits = int(inside[rest].sum())
            text = f"{hits:,} of {labels.count(len(rest), 'group')} computed in layer {number}"
        if not hits:
            nodes.append({**node, "emphasis": FAINT})
            continue
        marked.add(name)
        title = "; ".join(part for part in (node.get("title", ""), text) if part)
        nodes.append({**node, "mark": "layer", "title": title})
    edges = [
        edge if edge["source"] in marked else {**edge, "emphasis": FAINT} for edge in scene["edges"]
    ]
    return {**scene, "nodes": nodes, "edges": edges}


def place(circuit: Circuit, found: Facts, outline: Outline, node: str) -> tuple[str, int | None]:
    """Where a node of the graph is computed, in words, and the number of the layer if it is one."""
    group = group_of(node, outline)
    if group is None:
        return _place_of_cluster(found, outline, node)
    number = int(found.where[group])
    unit = unit_of(outline, node)
    name = circuit.groups[group].name if unit is None else circuit.unit_name(unit)
    if number < 0:
        return f"No root reaches {name}: it is not computed.", None
    user = found.plan.fused.get(group)
    if user is not None:
        return (
            f"{name} is computed in layer {number}, fused into the sum "
            f"{circuit.groups[user].name}: it has no row of its own.",
            number,
        )
    address, layer = found.plan.addresses[group], found.plan.layers[number]
    first = address.first if unit is None else address.first + unit.index
    last = address.first + address.size - 1 if unit is None else first
    rows = "row" if first == last else "rows"
    inside = span((first - layer.first, last - layer.first))
    return (
        f"{name} is computed in layer {number}: {rows} {inside} of 0 to {layer.units - 1:,}, "
        f"in the value buffer {rows} {span((first, last))}.",
        number,
    )


def _place_of_cluster(found: Facts, outline: Outline, node: str) -> tuple[str, int | None]:
    for cluster in range(outline.num_clusters):
        if outline.cluster_id(cluster) != node:
            continue
        numbers = [int(n) for n in np.unique(found.where[outline.members(cluster)]) if n >= 0]
        if not numbers:
            return "No root reaches these groups: they are not computed.", None
        if len(numbers) == 1:
            return f"These groups are computed in layer {numbers[0]}.", numbers[0]
        listed = ", ".join(str(n) for n in numbers[:8]) + (", …" if len(numbers) > 8 else "")
        return f"These groups are computed in layers {listed}.", None
    return "", None
