"""From scalar nodes to the groups of a circuit, in arrays.

Nodes of one kind and one scope become one group of irregular edges; where a node has a child of
its own scope, those come in ranks, so that a group only depends on earlier ones. A PSDD has two
groups for each node of its vtree, however many decision nodes there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pccore.errors import FileError
from pccore.files.importing.nodes import LEAF, SUM, Nodes
from pccore.files.importing.scopes import Scopes
from pccore.files.validation import validate_params
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.groups import IntArray

#: Units x inputs of one group; a group that has more becomes several.
_CELLS = 2**24


def assemble(
    nodes: Nodes, root: int | Sequence[int], variables: Sequence[str], meta: Mapping[str, Json]
) -> Circuit:
    """The circuit below `root`, one or several: a unit for each node, an edge for each edge.

    Raises FileError where a node lacks children, ParameterError for parameters that are not legal.
    """
    roots = [root] if isinstance(root, int) else root
    live = reachable(nodes, *roots)
    scopes = Scopes(nodes.limits)
    scope_of, rank = _scopes_and_ranks(nodes, live, scopes)
    groups = _Groups(nodes, scope_of, rank, scopes, live)
    circuit = Circuit(
        groups.build(), [groups.place(one) for one in roots], variables, groups.params, meta
    )
    validate_params(circuit)
    return circuit


def reachable(nodes: Nodes, *roots: int) -> bytearray:
    """1 for each node at or below the roots."""
    live = bytearray(len(nodes))
    for root in roots:
        live[root] = 1
    offsets, children = nodes.offsets, nodes.children
    for node in range(max(roots), -1, -1):
        if live[node]:
            for child in children[offsets[node] : offsets[node + 1]]:
                live[child] = 1
    return live


def _scopes_and_ranks(nodes: Nodes, live: bytearray, scopes: Scopes) -> tuple[IntArray, IntArray]:
    """For each node the number of its scope, and its height above others of that scope."""
    scope_of, rank = [0] * len(nodes), [0] * len(nodes)
    offsets, children = nodes.offsets, nodes.children
    for node, kind in enumerate(nodes.kinds):
        if not live[node]:
            continue
        if kind == LEAF:
            scope_of[node] = scopes.number(1 << nodes.leaf_variable[nodes.leaf[node]])
            continue
        below = children[offsets[node] : offsets[node + 1]]
        if not below:
            raise FileError("a constant stands where a node with variables is needed")
        own = scopes.union([scope_of[child] for child in below])
        scope_of[node] = own
        rank[node] = max(rank[child] + 1 if scope_of[child] == own else 0 for child in below)
    return np.array(scope_of, np.int64), np.array(rank, np.int64)


class _Groups:
    """Groups in topological order: smaller scopes first, then lower ranks."""

    def __init__(
        self, nodes: Nodes, scope_of: IntArray, rank: IntArray, scopes: Scopes, live: bytearray
    ) -> None:
        self.nodes = nodes
        self.params: dict[str, Tensor] = {}
        self.offsets = np.frombuffer(nodes.offsets, np.int64)
        self.children = (
            np.frombuffer(nodes.children, np.int64) if nodes.children else np.zeros(0, np.int64)
        )
        kinds = np.frombuffer(nodes.kinds, np.uint8).astype(np.int64)
        leaf = np.frombuffer(nodes.leaf, np.int64)
        families = np.frombuffer(nodes.leaf_family, np.int64)
        # Leaves of different families are different groups.
        kinds = np.where(kinds == LEAF, -1 - families[leaf], kinds)
        widths = np.array([bits.bit_count() for bits in scopes.bits], np.int64)
        alive = np.flatnonzero(np.frombuffer(live, np.uint8))
        keys = np.stack([kinds, scope_of, rank, widths[scope_of]])[:, alive]
        order = np.lexsort(keys)
        self.members = alive[order]
        keys = keys[:, order]
        new = np.any(keys[:, 1:] != keys[:, :-1], axis=0)
        starts = [0, *(np.flatnonzero(new) + 1).tolist(), len(alive)]
        self.parts = list(itertools.pairwise(starts))
        self.group_of = np.zeros(len(nodes), np.int64)
        self.index_of = np.zeros(len(nodes), np.int64)
        self.sizes: list[int] = []

    def place(self, node: int) -> tuple[int, int]:
        """Group and index of a node, once built."""
        return int(self.group_of[node]), int(self.index_of[node])

    def build(self) -> list[Group]:
        """Every group."""
        groups: list[Group] = []
        for start, end in self.parts:
            members = self.members[start:end]
            if self.nodes.kinds[int(members[0])] == LEAF:
                self._settle(members)
                groups.append(self._leaves(members, len(groups)))
            else:
                self._inner(members, groups)
        return groups

    def _settle(self, members: IntArray) -> None:
        self.group_of[members] = len(self.sizes)
        self.index_of[members] = np.arange(len(members))
        self.sizes.append(len(members))

    def _leaves(self, members: IntArray, number: int) -> Group:
        nodes = self.nodes
        leaves = [nodes.leaf[int(node)] for node in members]
        family = nodes.families[nodes.leaf_family[leaves[0]]]
        variable = nodes.leaf_variable[leaves[0]]
        values = torch.tensor([nodes.leaf_values[leaf] for leaf in leaves], dtype=torch.float64)
        shape = (1, len(leaves), *family.parameter_shape)
        name = f"L{number}"
        self.params[name] = values.reshape(shape)
        return LeafGroup(name, len(leaves), family, (variable,), name)

    def _inner(self, members: IntArray, groups: list[Group]) -> None:
        first = self.offsets[members]
        counts = self.offsets[members + 1] - first
        ends = np.cumsum(counts)
        edges = np.repeat(first - (ends - counts), counts) + np.arange(int(ends[-1]))
        below = self.children[edges]
        owners = self.group_of[below]
        inputs = np.unique(owners)
        if len(members) > 1 and len(members) * len(inputs) > _CELLS:
            half = len(members) // 2
            self._inner(members[:half], groups)
            self._inner(members[half:], groups)
            return
        sizes = np.array([self.sizes[i] for i in inputs.tolist()], np.int64)
        starts = np.cumsum(sizes) - sizes
        flat = starts[np.searchsorted(inputs, owners)] + self.index_of[below]
        sparse = SparseEdges(np.concatenate([[0], ends]), flat)
        number, size = len(groups), len(members)
        self._settle(members)
        into = tuple(inputs.tolist())
        if self.nodes.kinds[int(members[0])] == SUM:
            name = f"S{number}"
            logs = np.frombuffer(self.nodes.log_weights, np.float64)[edges]
            self.params[name] = torch.from_numpy(np.exp(logs))
            groups.append(SumGroup(name, size, into, name, sparse))
        else:
            groups.append(ProductGroup(f"P{number}", size, into, sparse))
