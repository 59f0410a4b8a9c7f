"""A circuit as a scene for the circuit viewer: nodes and edges with places, texts and alarms.

Ids are stable: `u:12:3` is unit 3 of group 12, `g:12` the group (or the rest of it, where some of
its units are drawn), `l:5:sum` the sums of level 5 (or the rest of them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pc_workbench.views import labels
from pc_workbench.views.outline import KINDS, UNITS_SHOWN, Cut, Outline, make_cut
from pccore.check import FAULTS, Report, Witness
from pccore.check.walk import child_units
from pccore.drawing.layout import extent, layered_layout
from pccore.graph import Circuit, LeafGroup, SparseEdges, Unit

Scene = dict[str, Any]

#: Edges that are drawn; of more, the heaviest.
MOST_EDGES = 500
#: Up to so many edges carry their weights as text.
LABELLED_EDGES = 130
#: Nodes in a row of a drawing that is not drawn unit by unit; more take several rows.
ROW = 12
#: Units of a witness's paths that are drawn whatever the size of the circuit.
PATH_UNITS = 24
#: Width over height that a drawing is spread to, and the most that it is spread.
ASPECT, SPREAD = 1.25, 2.4


def circuit_scene(
    circuit: Circuit,
    report: Report | None = None,
    *,
    outline: Outline | None = None,
    view: Collection[str] = (),
    focus: Iterable[Unit] = (),
    witness: Witness | None = None,
    values: Mapping[Unit, str] | None = None,
    name: str = "circuit",
) -> Scene:
    """Draw a circuit.

    report: its faults are marked. outline: `Outline.of(circuit)`, where it is at hand. view: ids
    that were expanded or collapsed (see `outline.toggle`). focus: units to be drawn whatever their
    number. witness: the violation that is looked at; its paths are marked and the rest is dimmed.
    values: texts beside units. name: tells drawings of different circuits apart.

    Returns the scene: at most 220 nodes and `MOST_EDGES` edges; "hidden_edges" is the number of
    those left out.
    """
    outline = outline or Outline.of(circuit)
    units = [*focus, *(_units_of(witness) if witness else [])]
    cut = make_cut(outline, view, [unit.group for unit in units])
    drawing = _Drawing(circuit, outline, cut)
    drawing.mark_faults(report, witness)
    drawing.write_values(values or {})
    return drawing.finish(name)


def node_of(scene: Scene, outline: Outline, unit: Unit) -> str | None:
    """The id of the node that stands for a unit in a scene: the unit, its group or its cluster."""
    known = {node["id"] for node in scene["nodes"]}
    cluster = outline.cluster_id(int(outline.cluster[unit.group]))
    ids = (f"u:{unit.group}:{unit.index}", f"g:{unit.group}", cluster)
    return next((one for one in ids if one in known), None)


def _units_of(witness: Witness) -> list[Unit]:
    """What is to be seen of a violation: the unit, its children, the ends of the paths first."""
    ends = [path[-1] for path in witness.paths]
    between = [unit for path in witness.paths for unit in path[:PATH_UNITS]]
    return list(dict.fromkeys([witness.unit, *witness.children, *ends, *between]))


class _Drawing:
    """The nodes and edges in the making."""

    def __init__(self, circuit: Circuit, outline: Outline, cut: Cut) -> None:
        self.circuit = circuit
        self.outline = outline
        self.cut = cut
        self.nodes: dict[str, dict[str, Any]] = {}
        self.levels: list[float] = []
        self.edges: dict[tuple[str, str], dict[str, Any]] = {}
        self.home: dict[int, list[str]] = {}  # group -> its nodes
        self.cluster_node: dict[int, str] = {}
        self._clusters()
        for group in np.flatnonzero(cut.shown).tolist():
            self._group(group)
        self._connect()

    # -- nodes ---------------------------------------------------------------------------

    def _add(self, node: dict[str, Any], level: float) -> str:
        self.nodes[node["id"]] = node
        self.levels.append(level)
        return node["id"]

    def _clusters(self) -> None:
        """One node for what remains of each cluster."""
        outline = self.outline
        for cluster in range(outline.num_clusters):
            members = outline.members(cluster)
            rest = members[~self.cut.shown[members]]
            if not len(rest):
                continue
            kind = KINDS[outline.kind[rest[0]]]
            widths = sorted({len(self.circuit.scopes[g]) for g in rest[:: 1 + len(rest) // 500]})
            lengths = f"{widths[0]} to {widths[-1]}" if len(widths) > 1 else f"{widths[0]}"
            wide = bool(self.cut.wide[cluster])
            more = "more " if len(rest) < len(members) else ""
            units = int(outline.size[rest].sum())
            node = {
                "id": outline.cluster_id(cluster),
                "kind": kind,
                "label": labels.count(len(rest), f"{more}{kind} group"),
                "sublabel": f"over {lengths} variable{'' if lengths == '1' else 's'}",
                "size_badge": f"×{len(rest)}",
                "expandable": True,
                "expanded": wide,
                "title": f"{labels.count(units, 'unit')}, {_levels(outline, rest)}",
            }
            middle = outline.level[outline.band == outline.band[rest[0]]]
            height = (int(middle.min()) + int(middle.max())) / 2
            self.cluster_node[cluster] = self._add(node, height)

    def _group(self, position: int) -> None:
        group = self.circuit.groups[position]
        level = float(self.outline.level[position])
        if position not in self.cut.opened:
            self.home[position] = [self._add(self._group_node(position, group.size), level)]
            return
        shown = min(group.size, UNITS_SHOWN)
        ids = [self._add(self._unit_node(Unit(position, i)), level) for i in range(shown)]
        if shown < group.size:
            ids.append(self._add(self._group_node(position, group.size - shown), level))
        self.home[position] = ids

    def _group_node(self, position: int, size: int) -> dict[str, Any]:
        group = self.circuit.groups[position]
        opened = position in self.cut.opened
        node = {
            "id": f"g:{position}",
            "kind": group.kind,
            "label": f"{size} more" if opened else group.name,
            "sublabel": labels.scope_text(self.circuit.scopes[position], self.circuit.variables),
            "size_badge": f"×{size}",
            "expandable": True,
            "expanded": opened,
            "title": labels.count(size, "unit"),
        }
        if isinstance(group, LeafGroup):
            node["symbol"] = labels.glyph(group)
        return node

    def _unit_node(self, unit: Unit) -> dict[str, Any]:
        group = self.circuit.groups[unit.group]
        scope = labels.scope_text(self.circuit.scopes[unit.group], self.circuit.variables)
        node = {"id": f"u:{unit.group}:{unit.index}", "kind": group.kind}
        if isinstance(group, LeafGroup):
            text = labels.leaf_text(self.circuit, unit)
            if group.family.name == "indicator" and len(text) <= 6:
                node |= {"symbol": text, "title": f"indicator, {self.circuit.unit_name(unit)}"}
            else:
                node |= {"symbol": labels.glyph(group), "label": text}
                node["title"] = self.circuit.unit_name(unit)
        else:
            node |= {"label": self.circuit.unit_name(unit), "title": scope}
        if not self.outline.fine:
            node |= {"expandable": True, "expanded": True, "sublabel": scope}
        return node

    # -- edges ---------------------------------------------------------------------------

    def _connect(self) -> None:
        """Edges between what is drawn: weighted below units, plain between groups."""
        outline, opened = self.outline, self.cut.opened
        plain = np.ones(len(outline.edges), dtype=bool)
        for position in sorted(opened):
            units = min(self.circuit.groups[position].size, UNITS_SHOWN)
            for index in range(units):
                self._below(Unit(position, index))
            if units == self.circuit.groups[position].size:
                plain[outline.edges[:, 0] == position] = False
        # Numbers of drawn nodes for all groups at once: most groups lie in clusters.
        drawn = -1 - outline.cluster
        shown = self.cut.shown
        drawn = np.where(shown, np.arange(len(drawn)), drawn)
        pairs = np.unique(drawn[outline.edges[plain]], axis=0)
        for parent, child in pairs[pairs[:, 0] != pairs[:, 1]].tolist():
            for source in self._ids(parent)[-1:]:  # the rest, where units are drawn
                for target in self._ids(child):
                    self._edge(source, target, None)

    def _ids(self, drawn: int) -> Sequence[str]:
        return self.home[drawn] if drawn >= 0 else (self.cluster_node[-1 - drawn],)

    def _node_of(self, unit: Unit) -> str:
        ids = self.home.get(unit.group)
        if ids is None:
            return self.cluster_node[int(self.outline.cluster[unit.group])]
        return ids[min(unit.index, len(ids) - 1)]

    def _below(self, unit: Unit) -> None:
        """Edges of one unit; those to the same node are joined and their weights added."""
        children = child_units(self.circuit, unit)
        weights = weights_of(self.circuit, unit, len(children))
        joined: dict[str, float | None] = {}
        for child, weight in zip(children, weights, strict=True):
            target = self._node_of(child)
            known = joined.get(target)
            joined[target] = weight if known is None or weight is None else known + weight
        heaviest = max((w for w in joined.values() if w is not None), default=0.0)
        for target, weight in joined.items():
            edge = self._edge(f"u:{unit.group}:{unit.index}", target, weight)
            if weight is not None and heaviest > 0:
                edge["width"] = max(0.0, weight) / heaviest

    def _edge(self, source: str, target: str, weight: float | None) -> dict[str, Any]:
        if (target, source) in self.edges:  # two clusters of one band may use each other
            return self.edges[target, source]
        edge = self.edges.setdefault((source, target), {"source": source, "target": target})
        if weight is not None:
            edge["weight"] = weight
        return edge

    # -- marks ---------------------------------------------------------------------------

    def mark_faults(self, report: Report | None, witness: Witness | None) -> None:
        """Alarms at the units of all faults; the one that is looked at stands out."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for fault in report.violations if report else ():
            found[self._node_of(fault.unit)].append(fault.message)
            self._mark_edges(fault)
        for node, messages in found.items():
            more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
            self.nodes[node]["violation"] = messages[0] + more
        if witness is None:
            return
        self._mark_edges(witness)
        bright = {self._node_of(witness.unit), *(self._node_of(c) for c in witness.children)}
        bright |= self._mark_paths(witness)
        for identity, node in self.nodes.items():
            if identity not in bright and "violation" not in node:
                node["emphasis"] = 0.45
        for (source, target), edge in self.edges.items():
            if source not in bright or target not in bright:
                edge["emphasis"] = 0.3

    def _mark_paths(self, witness: Witness) -> set[str]:
        """Mark the edges of the paths, and say beside each unit on which one it is."""
        top = self._node_of(witness.unit)
        numbers: defaultdict[str, list[str]] = defaultdict(list)
        lacking = set[str]()
        for number, path in enumerate(witness.paths, start=1):
            above = top
            for unit in path:
                node = self._node_of(unit)
                if node == above:
                    continue  # both in one group or cluster that is drawn as a whole
                numbers[node] += [str(number)] if str(number) not in numbers[node] else []
                edge = self.edges.get((above, node)) or self.edges.get((node, above))
                if edge is not None:
                    edge["violation"] = True
                above = node
            if witness.variables[0] not in self.circuit.scopes[path[-1].group]:
                lacking.add(above)
        for identity, on in numbers.items():
            several = "s" if len(on) > 1 else ""
            self.nodes[identity]["value"] = f"path{several} {' + '.join(on)}"
        for identity in lacking:
            name = self.circuit.variables[witness.variables[0]]
            shown = name if len(name) <= 10 else name[:9] + "…"
            self.nodes[identity]["value"] = f"lacks {shown}"
        return set(numbers)

    def _mark_edges(self, witness: Witness) -> None:
        source = self._node_of(witness.unit)
        for child in witness.children:
            edge = self.edges.get((source, self._node_of(child)))
            if edge is not None and witness.property in FAULTS:
                edge["violation"] = True

    def write_values(self, values: Mapping[Unit, str]) -> None:
        """Texts beside the units that are drawn one by one."""
        for unit, text in values.items():
            node = self.nodes.get(f"u:{unit.group}:{unit.index}")
            if node is not None:
                node["value"] = text

    # -- the whole -----------------------------------------------------------------------

    def finish(self, name: str) -> Scene:
        """Places for everything."""
        nodes, edges = list(self.nodes.values()), list(self.edges.values())
        hidden = len(edges) - MOST_EDGES
        if hidden > 0:
            edges.sort(key=lambda e: (not e.get("violation"), -e.get("width", 1.0)))
            edges = edges[:MOST_EDGES]
        weighted = sum("weight" in edge for edge in edges)
        for edge in edges:
            weight = edge.pop("weight", None)
            if weight is not None and weighted <= LABELLED_EDGES:
                edge["label"] = labels.number(weight)
        number = {node["id"]: i for i, node in enumerate(nodes)}
        pairs = np.array([(number[e["source"]], number[e["target"]]) for e in edges], np.int64)
        pairs = pairs.reshape(-1, 2)
        ranks = np.unique(np.round(self.levels, 2), return_inverse=True)[1]
        width = _node_width(nodes)
        fine = self.outline.fine
        gap = 112.0 if fine else 78.0
        wrap = None if fine else ROW
        places = layered_layout(
            len(nodes), pairs, ranks, node_width=width, level_gap=gap, wrap=wrap
        )
        across, down = extent(places, node_width=width, level_gap=gap)
        # A narrow drawing leaves the sides of the window empty, a flat one what is below: spread.
        wider = min(SPREAD, max(1.0, ASPECT * down / across))
        higher = min(SPREAD, max(1.0, across / down / (1.6 * ASPECT)))
        across, down = across * wider, down * higher
        for node, (x, y) in zip(nodes, places.tolist(), strict=True):
            node |= {"x": x * wider, "y": y * higher}
        return {
            "id": name,
            "nodes": nodes,
            "edges": edges,
            "width": across,
            "height": down,
            "hidden_edges": max(0, hidden),
        }


def weights_of(circuit: Circuit, unit: Unit, amount: int) -> list[float] | list[None]:
    """The weights of a sum's edges; None for products and where the tensor does not fit."""
    group = circuit.groups[unit.group]
    if group.kind != "sum":
        return [None] * amount
    tensor = labels.parameters_of(circuit, group)
    if tensor is None:
        return [None] * amount
    if isinstance(group.edges, SparseEdges):
        start = int(group.edges.offsets[unit.index])
        return tensor[start : start + amount].tolist()
    return tensor[unit.index].tolist()


def _node_width(nodes: Sequence[Mapping[str, Any]]) -> float:
    """Room for the texts: beside inner nodes, below leaves."""
    widest = 0.0
    for node in nodes:
        length = max(
            min(18, len(node.get("label", ""))), min(20, len(node.get("sublabel", ""))) * 0.9
        )
        text = 7.2 * length
        widest = max(widest, text if node["kind"] == "leaf" else 44 + text)
        if node.get("value"):
            widest = max(widest, 60 + 7.1 * len(node["value"]))
    return max(72.0, min(200.0, 10 + widest))


def _levels(outline: Outline, groups: np.ndarray) -> str:
    low, high = int(outline.level[groups].min()), int(outline.level[groups].max())
    return f"level {low}" if low == high else f"levels {low} to {high}"
