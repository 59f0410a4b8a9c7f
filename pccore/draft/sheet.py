"""A draft as it lies on the canvas, to be looked at: the operations on it are in `document`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from pccore.draft.convert import Finished, finish
from pccore.draft.nodes import Node
from pccore.draft.order import children_first, heights
from pccore.errors import NotFoundError
from pccore.graph import Circuit, Json


@dataclass(frozen=True)
class Sheet:
    """The nodes, the marked roots, the variables in the order of the data's columns, notes."""

    nodes: Mapping[str, Node] = field(default_factory=lambda: MappingProxyType(dict[str, Node]()))
    roots: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    meta: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType(dict[str, Json]()))

    # -- circuits ------------------------------------------------------------------------

    def circuit(self) -> Circuit:
        """The circuit of the finished part: `finished` without the ids. Raises GraphError."""
        return self.finished.circuit

    @cached_property
    def finished(self) -> Finished:
        """The circuit of the finished part, and which node each of its groups is.

        Units without children are left out, and the edges to them; parts that no root reaches
        stay in. The roots are `effective_roots`.

        Raises GraphError where nothing is finished.
        """
        return finish(self.nodes, self.effective_roots, self.variables, self.meta, self._complete)

    @cached_property
    def effective_roots(self) -> tuple[str, ...]:
        """The marked roots that are finished; where none is, the unit that most depends on.

        That is the highest unit without parents (by the longest path below it), the first drawn
        of several.
        """
        marked = tuple(root for root in self.roots if root in self._complete)
        if marked:
            return marked
        tops = [n for n in self.nodes if n in self._complete and not self.parents[n]]
        height = heights(self.nodes, self.topological)
        best = max(tops, key=lambda n: height[n], default=None)  # max takes the first of equals
        return () if best is None else (best,)

    @cached_property
    def unfinished(self) -> Mapping[str, str]:
        """A sentence for each node that `circuit` leaves out, by its id."""
        found: dict[str, str] = {}
        for n in self.topological:
            node = self.nodes[n]
            if n in self._complete:
                continue
            what = "child yet" if not node.arcs else "finished child"
            found[n] = f"The {node.kind} {node.name} has no {what}."
        return MappingProxyType(found)

    @cached_property
    def _complete(self) -> frozenset[str]:
        """The nodes with a leaf somewhere below them."""
        found = set[str]()
        for n in self.topological:
            node = self.nodes[n]
            if node.kind == "leaf" or any(arc.child in found for arc in node.arcs):
                found.add(n)
        return frozenset(found)

    # -- looking -------------------------------------------------------------------------

    @cached_property
    def topological(self) -> tuple[str, ...]:
        """The ids, children before parents."""
        return children_first(self.nodes)

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the parents of each node, each once."""
        found: dict[str, dict[str, None]] = {n: {} for n in self.nodes}
        for node in self.nodes.values():
            for arc in node.arcs:
                found[arc.child][node.id] = None
        return MappingProxyType({n: tuple(ids) for n, ids in found.items()})

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The id of each name."""
        return MappingProxyType({node.name: node.id for node in self.nodes.values()})

    @property
    def num_edges(self) -> int:
        """Edges, double ones counted twice."""
        return sum(len(node.arcs) for node in self.nodes.values())

    def node(self, id: str) -> Node:
        """The node with this id. Raises NotFoundError."""
        try:
            return self.nodes[id]
        except KeyError:
            raise NotFoundError(f"there is no unit {id[:40]!r} in the drawing") from None
