"""Circuits to nodes, and the finished part of a draft to a circuit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.draft.nodes import MAX_NAME, Arc, Kind, Leaf, Node, free_name
from pccore.draft.order import children_first
from pccore.errors import GraphError
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SumGroup, Unit


@dataclass(frozen=True)
class Finished:
    """A circuit and the node that each of its groups (of one unit) stands for."""

    circuit: Circuit
    ids: tuple[str, ...]

    def id_of(self, unit: Unit) -> str:
        """The node of a unit."""
        return self.ids[unit.group]

    def unit_of(self, id: str) -> Unit | None:
        """The unit of a node, None where the node is unfinished."""
        try:
            return Unit(self.ids.index(id), 0)
        except ValueError:
            return None


def finish(
    nodes: Mapping[str, Node],
    roots: Sequence[str],
    variables: Sequence[str],
    meta: Mapping[str, Json],
    complete: Collection[str],
) -> Finished:
    """The circuit of the nodes in `complete`, groups of one unit named as the nodes.

    Raises GraphError where there is no root.
    """
    if not roots:
        raise GraphError(
            "nothing of the drawing is finished", hint="draw a leaf, or give a unit a child"
        )
    order = [n for n in children_first(nodes) if n in complete]
    position = {n: i for i, n in enumerate(order)}
    columns = {name: v for v, name in enumerate(variables)}
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    for n in order:
        node = nodes[n]
        name = node.name
        if node.leaf is not None:
            family = node.leaf.family
            groups.append(LeafGroup(name, 1, family, (columns[node.leaf.variable],), name))
            params[name] = node.leaf.tensor.reshape(1, 1, *family.parameter_shape)
            continue
        arcs = [arc for arc in node.arcs if arc.child in position]
        inputs = tuple(position[arc.child] for arc in arcs)
        if node.kind == "sum":
            groups.append(SumGroup(name, 1, inputs, name))
            params[name] = torch.tensor([[arc.weight for arc in arcs]], dtype=torch.float64)
        else:
            groups.append(ProductGroup(name, 1, inputs))
    tops = [(position[root], 0) for root in roots]
    return Finished(Circuit(groups, tops, variables, params, meta), tuple(order))


def read_circuit(circuit: Circuit) -> tuple[dict[str, Node], tuple[str, ...]]:
    """The nodes of a circuit, in the order of reading, and the ids of its roots.

    Raises ParameterError for illegal parameters.
    """
    circuit.validate_params()
    made: list[Node] = []
    ids: dict[Unit, str] = {}
    names = set[str]()

    def put(kind: Kind, name: str, arcs: Sequence[Arc] = (), leaf: Leaf | None = None) -> str:
        label = free_name(name[:MAX_NAME].strip() or kind, names)
        names.add(label)
        id = f"u{len(made)}"
        made.append(Node(id, kind, label, arcs=tuple(arcs), leaf=leaf))
        return id

    for position, group in enumerate(circuit.groups):
        values = torch.empty(0)
        if group.kind == "leaf":
            values = circuit.params[group.parameter].detach().cpu().double()
        for index in range(group.size):
            unit = Unit(position, index)
            name = _printable(circuit.unit_name(unit))
            if group.kind != "leaf":
                arcs = [Arc(ids[e.child], e.weight) for e in circuit.children(unit)]
                ids[unit] = put(group.kind, name, arcs)
                continue
            leaves = [
                Leaf(
                    circuit.variables[v],
                    group.family,
                    tuple(values[row, index].reshape(-1).tolist()),
                )
                for row, v in enumerate(group.variables)
            ]
            if len(leaves) == 1:
                ids[unit] = put("leaf", name, leaf=leaves[0])
            else:
                parts = [put("leaf", f"{name} {leaf.variable}", leaf=leaf) for leaf in leaves]
                ids[unit] = put("product", name, [Arc(part) for part in parts])
    roots = tuple(dict.fromkeys(ids[root] for root in circuit.roots))
    return _as_read({node.id: node for node in made}, roots), roots


def _as_read(nodes: dict[str, Node], roots: Sequence[str]) -> dict[str, Node]:
    """From the roots down and from left to right; then what no root reaches."""
    found: dict[str, Node] = {}
    stack = [*reversed(nodes), *reversed(roots)]
    while stack:
        n = stack.pop()
        if n not in found:
            found[n] = nodes[n]
            stack += [arc.child for arc in reversed(nodes[n].arcs)]
    return found


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)
