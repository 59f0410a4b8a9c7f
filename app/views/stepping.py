"""A pass through the circuit, step by step, as marks in its drawing."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from pc_workbench.views.scene import Scene
from pccore.graph import Unit
from pccore.queries.steps import InducedTree, Roll, Step, number

#: Emphasis of what a step does not concern, and of what a tree leaves out.
FAINT, HIDDEN = 0.4, 0.06

Look = dict[str, Any]


def texts(steps: Sequence[Step], upto: int) -> dict[Unit, str]:
    """The results of the first `upto` steps, beside their units."""
    return {step.unit: number(step.result) for step in steps[:upto]}


def mark(
    scene: Scene, steps: Sequence[Step], upto: int, tree: InducedTree | None, alone: bool
) -> Scene:
    """The scene with the edges of the pass marked: thick where chosen, dashed where they lost.

    upto: number of the current step from 1; 0 shows the whole pass. alone: only the induced tree.
    """
    edges = _choices(steps if upto == 0 else steps[:upto])
    near: set[str] | None = None
    if upto and steps:
        current = steps[min(upto, len(steps)) - 1]
        near = {node(current.unit), *(node(part.child) for part in current.children)}
    kept: tuple[set[str], set[tuple[str, str]]] | None = None
    if alone and tree is not None:
        pairs = {(node(a), node(b)) for a, b, _ in tree.edges}
        kept = {node(unit) for unit in tree.units}, pairs
    nodes = [{**one, **_node_look(one["id"], kept, near)} for one in scene["nodes"]]
    drawn: list[Look] = []
    for edge in scene["edges"]:
        pair = (edge["source"], edge["target"])
        look = dict(edges.get(pair, {}))
        if kept is not None:
            look = (
                {"width": 1.0, "chosen": True}
                if pair in kept[1]
                else {"emphasis": HIDDEN, "label": None}
            )
        elif near is not None and pair not in edges and not near.issuperset(pair):
            look.setdefault("emphasis", FAINT)
        drawn.append({**edge, **look})
    return {**scene, "nodes": nodes, "edges": drawn}


def _choices(steps: Sequence[Step]) -> dict[tuple[str, str], Look]:
    """How the edges of sums look that have been decided; a trace has the last word."""
    found: dict[tuple[str, str], Look] = {}
    for step in steps:
        for part in step.children:
            pair = (node(step.unit), node(part.child))
            if part.chosen:
                found[pair] = {"width": 1.0, "dashed": False, "chosen": True}
            elif part.chosen is not None:
                found[pair] = {"width": 0.0, "dashed": True, "emphasis": 0.6}
                if part.margin is not None and math.isfinite(part.margin):
                    found[pair]["label"] = f"−{part.margin:.3g} nats"
    return found


def _node_look(
    name: str, kept: tuple[set[str], set[tuple[str, str]]] | None, near: set[str] | None
) -> Look:
    if kept is not None:
        return {} if name in kept[0] else {"emphasis": HIDDEN, "value": None}
    return {"emphasis": FAINT} if near is not None and name not in near else {}


def node(unit: Unit) -> str:
    """The id of a unit's node."""
    return f"u:{unit.group}:{unit.index}"


def equation(step: Step) -> str:
    """A step in large type, as HTML: the equation, and with its numbers; texts are escaped."""
    dice = "".join(_strip(roll) for roll in step.rolls[:4])
    notes = "".join(f'<div class="note">{html.escape(note)}</div>' for note in step.notes)
    return (
        f'<div class="pcw-step"><div class="what">{html.escape(step.title)}</div>'
        f'<div class="equation">{html.escape(step.equation)}</div>'
        f'<div class="filled">{html.escape(step.filled)}</div>{dice}{notes}</div>'
    )


def _strip(roll: Roll) -> str:
    """A die: a part for each child or state, as long as it is probable, and the roll."""
    parts = "".join(
        f'<span class="part{" hit" if i == roll.hit else ""}" '
        f'style="flex: {max(one.high - one.low, 0.001):.4f} 1 0">'
        f"{html.escape(one.label)} {one.high - one.low:.3g}</span>"
        for i, one in enumerate(roll.intervals[:60])
    )
    hit = roll.intervals[roll.hit]
    said = f"{roll.what}: {roll.u:.4f} falls into {hit.label}, {hit.low:.4f} to {hit.high:.4f}"
    return (
        f'<div class="die" role="img" aria-label="{html.escape(said, quote=True)}">{parts}'
        f'<span class="roll" style="left:{100 * roll.u:.2f}%">▲</span></div>'
    )
