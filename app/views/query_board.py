"""The current step in words and numbers, as the stepper shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pc_workbench.views.stepping import Pass, View
from pccore.graph import Circuit
from pccore.queries import UnitValues
from pccore.queries.steps import Step, Walk, number, written_tree

#: Variables of a completion that are written out.
MOST_NAMED = 10

_SUMMARIES: Mapping[str, tuple[str, str]] = {
    "derivatives": (
        "Derivatives of the root with respect to every unit",
        "a sum passes on w · ∂S/∂sum, a product ∂S/∂product · the other children",
    ),
    "flows": (
        "Flows: the share of the root's value through every unit",
        "F_n = S_n · ∂S/∂S_n / S",
    ),
}


def board(values: UnitValues, shown: Pass, view: View) -> dict[str, Any]:
    """What the stepper shows: see `components.stepper`."""
    found: dict[str, Any] = {
        "count": len(shown.steps),
        "tree": shown.walk is not None,
        "reason": shown.reason,
    }
    if shown.reason:
        return found
    if view.alone and shown.walk is not None:
        equation, filled = written_tree(values, shown.walk.tree, shown.scale)
        found["title"] = "The induced tree alone: weights and leaves multiplied"
        if shown.scale == "log":
            found["title"] = "The induced tree alone: logs of weights and leaves added"
        return found | {"equation": equation, "filled": filled}
    if view.step:
        return found | _words(shown.steps[view.step - 1])
    at = shown.last_of(view.unit) if view.unit is not None else 0
    if at:
        return found | _words(shown.steps[at - 1])
    if shown.walk is not None:
        return found | _completed(values, shown, shown.walk)
    if shown.kind == "up":
        return found | _words(shown.steps[-1])
    title, equation = _SUMMARIES[shown.kind]
    found |= {"title": title, "equation": equation}
    return found | {"notes": ["Select a unit to see its numbers, or go step by step."]}


def _words(step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "equation": step.equation,
        "filled": step.filled,
        "notes": list(step.notes),
        "rolls": [
            {"what": r.what, "u": r.u, "intervals": [list(i) for i in r.intervals], "hit": r.hit}
            for r in step.rolls
        ],
    }


def _completed(values: UnitValues, shown: Pass, walk: Walk) -> dict[str, Any]:
    title = "A sample of P(X | e)" if shown.kind == "sample" else "Most probable explanation"
    notes: list[str] = []
    if shown.kind == "mpe":
        if walk.quality == "exact":
            notes.append("Exact: the circuit is deterministic.")
        else:
            notes.append(
                "A bound: the value of the best induced tree. The circuit is not known to be "
                "deterministic, so another state may have a larger S."
            )
        behind = "− says by how much of a log" if shown.scale == "log" else "÷ by what factor"
        notes.append(f"Dashed edges lost, {behind}.")
    _, filled = written_tree(values, walk.tree, shown.scale)
    return {
        "title": title,
        "equation": assignment_text(values.circuit, walk.assignment),
        "filled": f"induced tree: {filled}",
        "notes": notes,
    }


def assignment_text(circuit: Circuit, assignment: np.ndarray) -> str:
    """`X1 = 1, X2 = 0, …`."""
    known = [v for v in range(len(assignment)) if not math.isnan(assignment[v])]
    parts = [f"{circuit.variables[v]} = {number(float(assignment[v]))}" for v in known[:MOST_NAMED]]
    more = len(known) - len(parts)
    return ", ".join(parts) + (f", … ({more} more)" if more > 0 else "")
