"""A draft as the editor in the browser needs it, and the leaf families as forms."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any

from pc_workbench.views import labels
from pccore.check import FAULTS, Report, Witness
from pccore.draft import Draft, Finished, Leaf, Node
from pccore.graph import Unit
from pccore.leaves import families

#: What the parameters of a family are called in its form, where that is not plain from the code.
_PARAMETERS: Mapping[str, str] = {
    "bernoulli": "P(1)",
    "binomial": "probability of a success",
    "categorical": "probability of each state",
    "gaussian": "mean, variance",
    "indicator": "state",
    "poisson": "rate",
}
#: Hyperparameters that people choose; the bounds of a variance are left alone.
_QUIET = frozenset({"min_variance", "max_variance"})
#: What a leaf of a family starts with.
_START: Mapping[str, tuple[float, ...]] = {
    "bernoulli": (0.5,),
    "binomial": (0.5,),
    "gaussian": (0.0, 1.0),
    "indicator": (1.0,),
    "poisson": (1.0,),
}


def drawing(
    draft: Draft,
    finished: Finished | None,
    report: Report | None = None,
    *,
    witness: Witness | None = None,
    values: Mapping[Unit, str] | None = None,
) -> dict[str, Any]:
    """The draft for the browser.

    finished: of this draft, None where nothing is. report: its faults are marked. witness: the
    violation that is looked at: its edges are marked and the rest is dimmed. values: texts beside
    units.
    """
    faults = _faults(finished, report)
    bright, edges = _seen(finished, witness)
    shown = (
        {finished.id_of(unit): text for unit, text in (values or {}).items()} if finished else {}
    )
    scopes = _scopes(draft)
    nodes: list[dict[str, Any]] = []
    for n, node in draft.nodes.items():
        entry = _node(node)
        entry["title"] = draft.unfinished.get(n) or scopes[n]
        if n in draft.unfinished:
            entry["unfinished"] = True
        if n in faults:
            more = f" (and {len(faults[n]) - 1} more)" if len(faults[n]) > 1 else ""
            entry["violation"] = faults[n][0] + more
        if n in shown:
            entry["value"] = shown[n]
        if bright and n not in bright:
            entry["emphasis"] = 0.45
        nodes.append(entry)
    return {
        "nodes": nodes,
        "roots": list(draft.effective_roots),
        "marked": [root for root in draft.roots if root in draft.nodes],
        "faulty": [[source, target] for source, target in sorted(edges)],
        "variables": list(draft.variables[:500]),
    }


def _node(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "x": node.x,
        "y": node.y,
        "arcs": [[arc.child, arc.weight] for arc in node.arcs],
    }
    if node.leaf is not None:
        entry["leaf"] = leaf_entry(node.leaf)
    return entry


def leaf_entry(leaf: Leaf) -> dict[str, Any]:
    """A leaf as the form in the browser reads and writes it."""
    return {
        "variable": leaf.variable,
        "family": leaf.family.to_dict(),
        "values": list(leaf.values),
    }


def _scopes(draft: Draft) -> dict[str, str]:
    """The variables below each node, as the card shows them."""
    below: dict[str, frozenset[str]] = {}
    texts: dict[str, str] = {}
    order = {name: i for i, name in enumerate(draft.variables)}
    for n in draft.topological:
        node = draft.nodes[n]
        if node.leaf is not None:
            below[n] = frozenset((node.leaf.variable,))
        else:
            below[n] = frozenset().union(*(below[arc.child] for arc in node.arcs))
        names = sorted(below[n], key=lambda name: order.get(name, 0))
        if len(names) <= 6:
            texts[n] = "over {" + ", ".join(names) + "}"
        else:
            texts[n] = "over " + labels.count(len(names), "variable")
    return texts


def _faults(finished: Finished | None, report: Report | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if finished is not None and report is not None:
        for fault in report.violations:
            found.setdefault(finished.id_of(fault.unit), []).append(fault.message)
    return found


def _seen(
    finished: Finished | None, witness: Witness | None
) -> tuple[Collection[str], Collection[tuple[str, str]]]:
    """The nodes that a witness is about, and the edges that show it."""
    if finished is None or witness is None:
        return (), ()
    nodes = {finished.id_of(unit) for unit in (witness.unit, *witness.children)}
    edges: set[tuple[str, str]] = set()
    source = finished.id_of(witness.unit)
    if witness.property in FAULTS:
        edges |= {(source, finished.id_of(child)) for child in witness.children}
    for path in getattr(witness, "paths", ()):
        ids = [finished.id_of(unit) for unit in path]
        if ids and ids[0] != source:
            ids.insert(0, source)
        nodes |= set(ids)
        edges |= set(itertools.pairwise(ids))
    return nodes, edges


@functools.cache
def family_forms() -> tuple[dict[str, Any], ...]:
    """The families as the form for leaves needs them.

    name; parameters: what they are called; count: how many numbers, a hyperparameter's name where
    it says so; start: values of a new leaf; fields: hyperparameters with name and default.
    """
    forms: list[dict[str, Any]] = []
    for name, family in sorted(families().items()):
        fields = [
            {"name": f.name, "start": f.default}
            for f in dataclasses.fields(family)
            if isinstance(f.default, int | float) and f.name not in _QUIET
        ]
        example = family()
        count = math.prod(example.parameter_shape)
        # A categorical leaf has as many numbers as its hyperparameter says.
        grows = None
        if len(example.parameter_shape) == 1:
            grows = next((f["name"] for f in fields if f["start"] == count), None)
        forms.append(
            {
                "name": name,
                "parameters": _PARAMETERS.get(name, "parameters"),
                "count": count,
                "grows": grows,
                "start": list(_START.get(name, (1.0 / max(1, count),) * count)),
                "fields": [f for f in fields if f["name"] != grows],
            }
        )
    return tuple(forms)
