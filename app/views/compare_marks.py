"""The differences of two circuits as marks in their drawings, and as the rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pc_workbench.views.outline import Outline
from pc_workbench.views.scene import Scene, node_of
from pccore.csv_text import csv_text
from pccore.graph import Unit
from pccore.queries.compare import Differences, UnitDifference

Which = Literal["first", "second"]
#: The sign that stands for a status wherever colour could be missed.
SIGNS: Mapping[str, str] = {"added": "+", "removed": "−", "changed": "Δ"}
#: How strong what did not change is drawn.
FAINT = 0.5
#: Rows of the table on screen; the CSV has all.
ROWS = 400


def mark(scene: Scene, found: Differences, which: Which, outline: Outline) -> Scene:
    """The scene of one of the circuits with its differences marked; what is the same steps back.

    A node that stands for several parts is marked as changed if any of them differs. Nothing steps
    back where nothing differs.
    """
    words: dict[str, Counter[str]] = {}
    for one in found.units:
        unit = one.first if which == "first" else one.second
        node = None if unit is None else _node(scene, outline, found, unit)
        if node is not None:
            words.setdefault(node, Counter())[one.status] += 1
    edges = _edges(scene, found, which, outline)
    alone = "u:" if found.level == "unit" else "g:"
    nodes = [
        _marked(node, words.get(node["id"]), alone, not found.identical) for node in scene["nodes"]
    ]
    drawn: list[dict[str, Any]] = []
    for edge in scene["edges"]:
        word = edges.get((edge["source"], edge["target"]))
        faint = {} if found.identical else {"emphasis": FAINT}
        drawn.append({**edge, **({"mark": word} if word else faint)})
    return {**scene, "nodes": nodes, "edges": drawn}


def _node(scene: Scene, outline: Outline, found: Differences, unit: Unit) -> str | None:
    """The id of what stands for a unit, or for a group of which only unit 0 is named."""
    if found.level == "group":
        known = {node["id"] for node in scene["nodes"]}
        if f"g:{unit.group}" in known:
            return f"g:{unit.group}"
    return node_of(scene, outline, unit)


def _marked(
    node: dict[str, Any], words: Counter[str] | None, alone: str, differing: bool
) -> dict[str, Any]:
    if words is None:
        return {**node, **({"emphasis": FAINT} if differing else {})}
    if node["id"].startswith(alone):
        return {**node, "mark": next(iter(words))}
    told = ", ".join(f"{n} {word}" for word, n in words.items())
    return {**node, "mark": "changed", "title": f"{node.get('title', '')}; {told}".lstrip("; ")}


def _edges(
    scene: Scene, found: Differences, which: Which, outline: Outline
) -> dict[tuple[str, str], str]:
    """The mark of each drawn edge, by its two nodes."""
    drawn = {(edge["source"], edge["target"]) for edge in scene["edges"]}
    places: dict[Unit, str | None] = {}
    marks: dict[tuple[str, str], str] = {}
    for one in found.edges:
        ends = one.first if which == "first" else one.second
        if ends is None:
            continue
        for unit in ends:
            if unit not in places:
                places[unit] = _node(scene, outline, found, unit)
        pair = (places[ends[0]] or "", places[ends[1]] or "")
        if pair in drawn:
            marks[pair] = one.status if marks.get(pair, one.status) == one.status else "changed"
    return marks


def partner(found: Differences, which: Which, unit: Unit) -> Unit | None:
    """What corresponds to a unit in the other circuit."""
    return (found.pairs if which == "first" else found.back).get(unit)


def ordered(found: Differences) -> list[UnitDifference]:
    """The differences, those of inner units first."""
    return sorted(found.units, key=lambda one: one.kind.endswith("leaf"))


def table(found: Differences, most: int = ROWS) -> list[dict[str, str]]:
    """The first rows of the table on screen, in the order of `ordered`."""
    return [
        {
            "Mark": f"{SIGNS[one.status]} {one.status}",
            "Unit": one.name,
            "Kind": one.kind,
            "Variables": _few(one.scope),
            "What differs": "; ".join(one.what),
        }
        for one in ordered(found)[:most]
    ]


def _few(names: Sequence[str], most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def to_csv(found: Differences) -> str:
    """The whole table as CSV."""
    return csv_text(
        ["status", "unit", "kind", "variables", "what"],
        (
            [one.status, one.name, one.kind, " ".join(one.scope), "; ".join(one.what)]
            for one in ordered(found)
        ),
    )
