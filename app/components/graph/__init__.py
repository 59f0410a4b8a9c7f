"""The circuit viewer: an SVG graph with pan, zoom, search, keyboard and export.

The browser owns the viewport, Python owns the graph; ids cross the wire::

    event = circuit_graph(scene, key="graph", selected=state.unit)
    if event and event.type == "expand": ...

A page whose scene depends on the event reads it before drawing, with :func:`graph_event` or with
``on_event``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import streamlit as st

from ..assets import component

__all__ = ["GraphEvent", "circuit_graph", "graph_event"]

EventType = Literal["select", "expand", "collapse"]

_SCRIPTS = ("model", "draw", "viewport", "export", "keyboard", "main")
_KINDS = ("sum", "product", "leaf")
_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class GraphEvent:
    """What somebody did to the graph.

    Attributes:
        type: "select" (also when nothing is selected any more), "expand" or "collapse".
        id: the node, or None if the selection was cleared.
        nonce: grows with every event of one mounted graph.
    """

    type: EventType
    id: str | None
    nonce: int


def read_graph_event(payload: object) -> GraphEvent | None:
    """Validate what the browser sent; None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    kind, node, nonce = payload.get("type"), payload.get("id"), payload.get("nonce")
    if kind not in ("select", "expand", "collapse") or type(nonce) is not int:
        return None
    if not (isinstance(node, str) or (node is None and kind == "select")):
        return None
    return GraphEvent(cast(EventType, kind), node, nonce)


def graph_event(key: str) -> GraphEvent | None:
    """The event that caused this run, before the graph is drawn; None if there was none."""
    state = st.session_state.get(key)
    return read_graph_event(state.get("event")) if isinstance(state, Mapping) else None


def circuit_graph(
    scene: Mapping[str, Any],
    *,
    key: str,
    selected: str | None = None,
    height: int = 560,
    label: str = "Circuit",
    on_event: Callable[[GraphEvent], None] | None = None,
) -> GraphEvent | None:
    """Draw a circuit.

    Args:
        scene: ``{"id", "nodes", "edges", "width", "height"}``. ``id`` names the drawing: while it
            stays, so does the viewport. A node is ``{"id", "x", "y", "kind": "sum" | "product" |
            "leaf"}`` and optionally ``label``, ``sublabel``, ``symbol`` (for a leaf "bars",
            "bell", "indicator", "steps" or a short text), ``value`` (text), ``size_badge`` (text,
            e.g. "×32"; drawn as a stack), ``violation`` (True or what is wrong), ``expandable``,
            ``expanded``, ``title`` (text of the card), ``emphasis`` (0 faint to 1 strong),
            ``mark`` ("added", "removed" or "changed", as for edges; "layer"), ``tint`` (1 to 7, as
            for edges: a colour that repeats what ``value`` says). An edge
            is ``{"source", "target"}`` (parent, child) and optionally ``label``, ``width`` (0 to
            1), ``emphasis``, ``violation``, ``dashed``, ``chosen``, ``via`` (points [x, y] to
            pass, see ``drawing.layout.layered_routes``). Positions are in pixels at zoom 1; with
            its texts on the right a sum or product is 100 to 130 wide, so ``node_width=120`` suits;
            a leaf has its texts below, 35 more.
        key: unique and constant.
        selected: id of the selected node; None leaves the selection to the browser.
        height: of the drawing area in pixels.
        label: name of the drawing for screen readers and saved files.
        on_event: called before the rerun that the event causes.

    Returns:
        The event that caused this run, or None.

    Raises:
        ValueError: an edge names an unknown node, a kind is unknown, a position is not finite,
            two nodes share an id, or there are more than 2000 nodes.
    """
    checked = check_scene(scene)
    data = {"scene": checked, "selected": selected, "height": int(height), "label": label}

    def changed() -> None:
        event = graph_event(key)
        if event is not None and on_event is not None:
            on_event(event)

    result = component("graph", _SCRIPTS)(key=key, data=data, on_event_change=changed)
    event = read_graph_event(result.get("event"))
    known = {node["id"] for node in checked["nodes"]}
    # The scene may have been drawn anew without the node that the event names.
    return event if event is None or event.id is None or event.id in known else None


def check_scene(scene: Mapping[str, Any]) -> dict[str, Any]:
    """The scene as the browser needs it: complete, finite and consistent.

    Raises:
        ValueError: see :func:`circuit_graph`.
    """
    nodes = [dict(node) for node in scene.get("nodes", ())]
    edges = [dict(edge) for edge in scene.get("edges", ())]
    if len(nodes) > _LIMIT:
        raise ValueError(f"the scene has {len(nodes)} nodes; at most {_LIMIT} can be drawn")
    known: set[str] = set()
    for node in nodes:
        name = node.get("id")
        if not isinstance(name, str) or name in known:
            raise ValueError(f"node id {name!r} is not a text or occurs twice")
        if node.get("kind") not in _KINDS:
            raise ValueError(f"node {name!r} has the unknown kind {node.get('kind')!r}")
        node["x"], node["y"] = float(node["x"]), float(node["y"])
        if not (math.isfinite(node["x"]) and math.isfinite(node["y"])):
            raise ValueError(f"node {name!r} has no finite position")
        _clean(node, "emphasis")
        known.add(name)
    for edge in edges:
        for end in ("source", "target"):
            if edge.get(end) not in known:
                raise ValueError(f"an edge names the unknown node {edge.get(end)!r}")
        _clean(edge, "emphasis")
        _clean(edge, "width")
        if edge.get("via") is not None:
            edge["via"] = [[float(x), float(y)] for x, y in edge["via"]]
    return {"id": str(scene.get("id", "")), "nodes": nodes, "edges": edges}


def _clean(item: dict[str, Any], field: str) -> None:
    """Clamp a fraction to 0..1; JSON has no NaN, so that becomes "not given"."""
    value = item.get(field)
    if value is not None:
        value = float(value)
        item[field] = min(1.0, max(0.0, value)) if math.isfinite(value) else None
