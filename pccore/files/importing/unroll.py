"""A circuit as scalar nodes, for formats that list them one by one."""

from __future__ import annotations

import numpy as np

from pccore.errors import FileError
from pccore.files.importing.assemble import reachable
from pccore.files.importing.nodes import LEAF, PRODUCT, Nodes
from pccore.files.validation import validate_params
from pccore.graph import Circuit, LeafGroup, SumGroup
from pccore.groups import IntArray
from pccore.limits import current_limits
from pccore.reference import edge_rows, log_weights


def unrolled(circuit: Circuit) -> Nodes:
    """The nodes below the root of a circuit, children first, the root last.

    A factorised leaf becomes a product of univariate ones. Raises FileError where there are several
    roots or too many nodes, ParameterError for parameters that are not legal.
    """
    validate_params(circuit)
    limits = current_limits()
    if circuit.num_units + circuit.num_edges > limits.max_text_size:
        raise FileError(
            f"the format cannot hold more than {limits.max_text_size} nodes and edges",
            hint=limits.way_out("max_text_size"),
        )
    if len(circuit.roots) > 1:
        raise FileError(f"the format cannot hold {len(circuit.roots)} roots, only one")
    nodes = Nodes(limits)
    numbers: list[IntArray] = []
    for group in circuit.groups:
        if isinstance(group, LeafGroup):
            numbers.append(_leaves(nodes, circuit, group))
            continue
        rows = edge_rows(circuit, group)
        flat = np.concatenate([numbers[i] for i in group.inputs])[rows.children]
        logs = log_weights(circuit, group) if isinstance(group, SumGroup) else None
        own: list[int] = []
        for k in range(group.size):
            span = slice(int(rows.offsets[k]), int(rows.offsets[k + 1]))
            children = flat[span].tolist()
            if logs is None:
                own.append(nodes.add_product(children))
            else:
                own.append(nodes.add_sum(children, logs.reshape(-1)[span].tolist()))
        numbers.append(np.array(own, np.int64))
    return _below(nodes, int(numbers[circuit.root.group][circuit.root.index]))


def _leaves(nodes: Nodes, circuit: Circuit, group: LeafGroup) -> IntArray:
    table = circuit.params[group.parameter].detach().double()
    flat = table.reshape(len(group.variables), group.size, -1).tolist()
    own: list[int] = []
    for k in range(group.size):
        single = [
            nodes.add_leaf(group.family, v, tuple(values[k]))
            for v, values in zip(group.variables, flat, strict=True)
        ]
        own.append(single[0] if len(single) == 1 else nodes.add_product(single))
    return np.array(own, np.int64)


def _below(old: Nodes, root: int) -> Nodes:
    """Only the nodes at and below the root, which is the last of them then."""
    live = reachable(old, root)
    nodes, number = Nodes(old.limits), [0] * len(old)
    for node, kind in enumerate(old.kinds):
        if not live[node]:
            continue
        edges = slice(old.offsets[node], old.offsets[node + 1])
        children = [number[child] for child in old.children[edges]]
        if kind == LEAF:
            leaf = old.leaf[node]
            family = old.families[old.leaf_family[leaf]]
            number[node] = nodes.add_leaf(family, old.leaf_variable[leaf], old.leaf_values[leaf])
        elif kind == PRODUCT:
            number[node] = nodes.add_product(children)
        else:
            number[node] = nodes.add_sum(children, list(old.log_weights[edges]))
    return nodes
