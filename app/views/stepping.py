"""A pass as it is shown: texts beside the units, edges that won or lost, and the current step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pc_workbench.views import labels
from pc_workbench.views.scene import Scene
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues
from pccore.queries.steps import (
    Part,
    Scale,
    Step,
    Walk,
    derivative_steps,
    draw,
    explain,
    flow_steps,
    max_values,
    number,
    up_steps,
)

#: Passes by the name that the state gives them: label and what they show.
PASSES: Mapping[str, tuple[str, str]] = {
    "up": ("Values", "S of every unit: the up pass"),
    "derivatives": ("Derivatives", "dS/dS_n of every unit: the derivative pass"),
    "flows": ("Flows", "The share of the root's value that passes through every unit"),
    "mpe": ("MPE", "Most probable explanation by max-product, and the trace back"),
    "sample": ("Sample", "A sample with every roll of the dice"),
}
#: The query of the licence table that a pass needs.
NEEDS: Mapping[str, str] = {"mpe": "mpe", "sample": "sample"}
_FAINT = 0.3


@dataclass(frozen=True)
class Pass:
    """A pass under one evidence.

    steps: empty where `reason` says why it cannot be stepped through. walk: of MPE and samples.
    logs: for each group the number beside its units, as a log, [size]; None for samples.
    """

    kind: str
    scale: Scale
    steps: tuple[Step, ...]
    reason: str
    walk: Walk | None = None
    logs: tuple[np.ndarray, ...] | None = None

    def last_of(self, unit: Unit, near: int = 0) -> int:
        """The number (from 1) of the step at a unit, the next one to `near`; 0 if there is none."""
        places = [i for i, step in enumerate(self.steps, start=1) if step.unit == unit]
        return min(places, key=lambda i: abs(i - (near or len(self.steps)))) if places else 0


@dataclass(frozen=True)
class View:
    """What of a pass is shown: step from 1, 0 for all; alone: the induced tree alone."""

    step: int = 0
    alone: bool = False
    unit: Unit | None = None  # the one that is selected
    below: Unit | None = None  # the one that is zoomed into
    bright: frozenset[Unit] = field(default_factory=frozenset)


def make_pass(
    values: UnitValues, kind: str, scale: Scale, seed: int, below: Unit | None = None
) -> Pass:
    """Compute a pass. What cannot be stepped through has a reason; never raises PCError."""
    walk: Walk | None = None
    steps: tuple[Step, ...] = ()
    reason = ""
    try:
        if kind == "up":
            steps = up_steps(values, below, scale)
        elif kind == "derivatives":
            steps = derivative_steps(values, below, scale)
        elif kind == "flows":
            steps = flow_steps(values, below, scale)
        elif kind == "sample":
            walk = draw(values, seed, below, scale)
        else:
            walk = _explained(values, below, scale)
        steps = walk.steps if walk else steps
    except PCError as error:
        reason = str(error)
        reason = reason[:1].upper() + reason[1:]
    return Pass(kind, scale, steps, reason, walk, _logs(values, kind))


def _explained(values: UnitValues, below: Unit | None, scale: Scale) -> Walk:
    """With the maxima of all units, or the trace alone where these are too many."""
    if values.circuit.num_units <= 5_000:
        try:
            return explain(values, below, scale)
        except PCError as error:
            if "stepped through" not in error.message:
                raise
    return explain(values, below, scale, up=False)


def _logs(values: UnitValues, kind: str) -> tuple[np.ndarray, ...] | None:
    try:
        if kind == "up":
            return values.log_value
        if kind == "derivatives":
            return values.log_derivative
        if kind == "flows":
            with np.errstate(divide="ignore"):
                return tuple(np.log(flow) for flow in values.flow)
        return max_values(values) if kind == "mpe" else None
    except PCError:
        return None


# -- texts beside the units -------------------------------------------------------------------


def short(log: float, scale: Scale) -> str:
    """Three significant digits for beside a unit; "" where a unit was not evaluated."""
    if math.isnan(log):
        return ""
    if scale == "log":
        return "−∞" if log == -math.inf else f"{log + 0.0:.3g}".replace("-", "−")
    if log > 690:
        return f"e^{log:.0f}"
    return labels.number(math.exp(log)).replace("-", "−")


def brief(value: float) -> str:
    """Three significant digits, as beside an edge."""
    return number(value) if not math.isfinite(value) else labels.number(value).replace("-", "−")


def texts(values: UnitValues, shown: Pass, units: Sequence[Unit]) -> dict[Unit, str]:
    """The texts beside units."""
    if shown.walk is not None and shown.kind == "sample":
        return _drawn(values.circuit, shown.walk)
    if shown.logs is None:
        return {}
    return {
        u: text for u in units if (text := short(float(shown.logs[u.group][u.index]), shown.scale))
    }


def _drawn(circuit: Circuit, walk: Walk) -> dict[Unit, str]:
    """What was rolled at sums, and what leaves gave."""
    found: dict[Unit, str] = {}
    for step in walk.steps:
        group = circuit.groups[step.unit.group]
        if group.kind == "sum" and step.rolls:
            found[step.unit] = f"u = {step.rolls[0].u:.3f}"
        elif group.kind == "leaf":
            v = group.variables[0]
            value = labels.number(round(float(walk.assignment[v]), 3))
            more = "…" if len(group.variables) > 1 else ""
            found[step.unit] = f"{circuit.variables[v]} = {value}{more}"
    return found


def units_in(scene: Scene) -> list[Unit]:
    """The units that a scene draws one by one."""
    return [unit for node in scene["nodes"] if (unit := unit_of(node["id"])) is not None]


def flattened(scene: Scene, aspect: float, least: float = 0.62) -> Scene:
    """The scene with its rows closer together where it is higher than the window is.

    aspect: width over height of the window. least: what may remain of the distance of two rows.
    """
    if not scene["nodes"] or scene["height"] <= 0:
        return scene
    share = max(least, min(1.0, scene["width"] / scene["height"] / aspect))
    nodes = [{**node, "y": node["y"] * share} for node in scene["nodes"]]
    return {**scene, "nodes": nodes, "height": scene["height"] * share}


def focus(circuit: Circuit, below: Unit, most: int = 120) -> list[Unit]:
    """The units next below one that is zoomed into, breadth first, itself included."""
    found = {below: None}
    queue = [below]
    for unit in queue:
        if circuit.groups[unit.group].kind == "leaf":
            continue
        for edge in circuit.children(unit):
            if len(found) >= most:
                return list(found)
            if edge.child not in found:
                found[edge.child] = None
                queue.append(edge.child)
    return list(found)


def unit_of(node: str) -> Unit | None:
    """The unit of an id `u:12:3`, None for groups and clusters."""
    kind, *numbers = node.split(":")
    if kind != "u" or len(numbers) != 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        return None
    return Unit(int(numbers[0]), int(numbers[1]))


def node_id(unit: Unit) -> str:
    """The id of a unit in a scene."""
    return f"u:{unit.group}:{unit.index}"


# -- marks in the drawing ---------------------------------------------------------------------


def dress(scene: Scene, values: UnitValues, shown: Pass, view: View) -> Scene:
    """A copy of the scene with texts beside the units, as far as the steps have come."""
    units = units_in(scene)
    written = texts(values, shown, units)
    done = shown.steps[: view.step] if view.step else shown.steps
    known = {step.unit for step in done}
    nodes = [_node(node, written, known, view) for node in scene["nodes"]]
    edges = [dict(edge) for edge in scene["edges"]]
    table = {(edge["source"], edge["target"]): edge for edge in edges}
    if view.step and shown.kind in ("up", "derivatives", "flows"):
        _light_current(table, done[-1], shown.kind)
    if shown.kind == "flows":
        _flowing(table, done)
    if shown.walk is not None:
        _choices(nodes, table, shown, done, view)
    if view.bright:
        lit = {node_id(unit) for unit in view.bright}
        for (source, target), edge in table.items():
            if source not in lit or target not in lit:
                edge["emphasis"] = _FAINT
    dressed = {**scene, "nodes": nodes, "edges": edges}
    if view.alone and shown.walk is not None:
        return _tree_alone(dressed, shown.walk)
    return dressed


def _node(
    node: Mapping[str, Any], written: Mapping[Unit, str], known: set[Unit], view: View
) -> dict[str, Any]:
    """A copy of a node: its text where it is computed, faint where it is not or out of sight."""
    unit = unit_of(node["id"])
    fresh = dict(node)
    fresh.pop("value", None)
    if unit is None:
        return fresh
    if (unit in known or not view.step) and unit in written:
        fresh["value"] = written[unit]
    if view.step and unit not in known:
        fresh["emphasis"] = 0.45
    if view.bright and unit not in view.bright:
        fresh["emphasis"] = _FAINT
    return fresh


_Table = dict[tuple[str, str], dict[str, Any]]


def _light_current(table: _Table, step: Step, kind: str) -> None:
    """The edges that the current step reads stand out."""
    own = node_id(step.unit)
    end = 1 if kind == "derivatives" else 0  # derivatives come from above
    for pair, edge in table.items():
        if pair[end] != own:
            edge["emphasis"] = 0.4


def _flowing(table: _Table, done: Sequence[Step]) -> None:
    """Edges as thick as their flow, with its number."""
    for step in done:
        for part in step.children:
            edge = table.get((node_id(step.unit), node_id(part.child)))
            if edge is not None:
                edge["width"] = min(1.0, part.contribution) if part.contribution >= 0 else None
                edge["label"] = brief(part.contribution)


def _choices(
    nodes: list[dict[str, Any]], table: _Table, shown: Pass, done: Sequence[Step], view: View
) -> None:
    """Winners and what was drawn thick, losers dashed with their margin, the rest faint."""
    tracing = any(step.kind in ("trace", "sample") for step in done)
    if tracing:
        for edge in table.values():
            edge["emphasis"] = 0.25
            edge["width"] = 0.1
    for step in done:
        if tracing and step.kind == "max":
            continue
        for part in sorted(step.children, key=lambda p: p.chosen is True):
            edge = table.get((node_id(step.unit), node_id(part.child)))
            if edge is None or part.chosen is None:
                continue
            edge["emphasis"] = 1.0
            if part.chosen:
                edge |= {"chosen": tracing, "width": 0.75, "dashed": False}
            else:
                edge |= {"dashed": True, "width": 0.12, "emphasis": 0.75}
            label = _edge_label(part, step, shown.scale)
            if label:
                edge["label"] = label
    if tracing and shown.walk is not None:
        tree = {node_id(unit) for unit in shown.walk.tree.units} if not view.step else set[str]()
        tree |= {node_id(step.unit) for step in done if step.kind != "max"}
        for node in nodes:
            if node["id"] not in tree:
                node["emphasis"] = 0.4


def _edge_label(part: Part, step: Step, scale: Scale) -> str:
    """The probability of a drawn child; of a loser its margin, as a quotient or a difference."""
    if step.kind == "sample":
        return brief(part.contribution) if step.rolls else ""
    if part.chosen or part.margin is None:
        return ""
    if math.isinf(part.margin):
        return "0"
    if part.margin == 0:
        return "ties"
    if scale == "log":
        return f"−{brief(part.margin)}"
    return f"÷{brief(part.ratio or math.inf)}"


def _tree_alone(scene: Scene, walk: Walk) -> Scene:
    kept = {node_id(unit) for unit in walk.tree.units}
    links = {(node_id(a), node_id(b)) for a, b, _ in walk.tree.edges}
    return {
        **scene,
        "nodes": [{**n, "emphasis": 1.0} for n in scene["nodes"] if n["id"] in kept],
        "edges": [
            {**e, "dashed": False, "emphasis": 1.0}
            for e in scene["edges"]
            if (e["source"], e["target"]) in links
        ],
    }
