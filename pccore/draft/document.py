"""The draft: an immutable drawing of a circuit that may still be unfinished."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pccore.draft.convert import read_circuit
from pccore.draft.nodes import (
    Arc,
    Kind,
    Leaf,
    Node,
    check_id,
    check_name,
    check_place,
    check_weight,
    default_name,
    free_name,
    leaf_name,
    new_variables,
)
from pccore.draft.order import reaches
from pccore.draft.places import tidy
from pccore.draft.sheet import Sheet
from pccore.errors import GraphError, NotFoundError, ParameterError
from pccore.graph import Circuit

#: Units of a draft; more is no drawing that anybody edits by hand.
MAX_UNITS = 1000
#: Edges of a draft.
MAX_EDGES = 20_000
#: The weight of a new edge: two of them make a distribution.
NEW_WEIGHT = 0.5

Edge = tuple[str, str, int]
"""An edge of a draft: source, target, number among the edges between these two."""


@dataclass(frozen=True)
class Draft(Sheet):
    """Nodes on a canvas, marked roots, variables; see `Sheet` for what can be read off it.

    Every operation returns a new draft and shares what did not change; one that would not make
    sense (a cycle, a negative weight, an unknown unit) raises a PCError that names the units and
    leaves this draft as it is. A draft may be unfinished: see `unfinished` and `circuit`.
    """

    @staticmethod
    def of(circuit: Circuit) -> Draft:
        """The draft of a circuit: one node for every unit, in the layered layout.

        Units of larger groups become nodes of their own, a leaf over several variables becomes a
        product of leaves, and parameters that were tied are so no longer.

        Raises GraphError for more than MAX_UNITS units, ParameterError for illegal parameters.
        """
        return Draft.unplaced(circuit).tidied()

    @staticmethod
    def unplaced(circuit: Circuit) -> Draft:
        """As `of`, everything at the origin: for those who know better places."""
        if circuit.num_units > MAX_UNITS:
            raise GraphError(
                f"the circuit has {circuit.num_units:,} units; at most {MAX_UNITS:,} can be drawn "
                "by hand",
                hint="take a smaller circuit, or a part of this one",
            )
        for name in circuit.variables:
            check_name(name, "variable", name[:40])
        nodes, roots = read_circuit(circuit)
        draft = Draft(_frozen(nodes), roots, circuit.variables, circuit.meta)
        draft._check_size()
        return draft

    # -- units ---------------------------------------------------------------------------

    def add(
        self,
        id: str,
        kind: Kind,
        x: float = 0.0,
        y: float = 0.0,
        *,
        name: str | None = None,
        leaf: Leaf | None = None,
    ) -> Draft:
        """A new unit without edges. name: made distinct; by default s1, p1 ... or the leaf's own.

        Raises GraphError for an id that is taken, ParameterError for a bad leaf.
        """
        check_id(id)
        if id in self.nodes:
            raise GraphError(f"there is a unit {id!r} already")
        if (leaf is None) == (kind == "leaf"):
            raise GraphError("a leaf needs a distribution, and nothing else has one")
        if leaf is not None:
            leaf.check()
        if name is not None:
            check_name(name, kind)
        label = (
            default_name(kind, leaf, self.names) if name is None else free_name(name, self.names)
        )
        node = Node(id, kind, label, *check_place(x, y, label), leaf=leaf)
        variables = new_variables(self.variables, [leaf] if leaf else [])
        return self._with([node], variables=variables)

    def delete(self, ids: Collection[str] = (), edges: Collection[Edge] = ()) -> Draft:
        """Without these units, the edges at them, and these edges.

        Variables that only the deleted leaves mentioned go as well.
        """
        gone = set(ids)
        for n in gone:
            self.node(n)
        cut: dict[str, set[int]] = {}
        for source, target, number in edges:
            cut.setdefault(source, set()).add(self._place(source, target, number))
        nodes: dict[str, Node] = {}
        for n, node in self.nodes.items():
            if n in gone:
                continue
            away = cut.get(n, set())
            arcs = tuple(
                arc for i, arc in enumerate(node.arcs) if i not in away and arc.child not in gone
            )
            nodes[n] = node if len(arcs) == len(node.arcs) else dataclasses.replace(node, arcs=arcs)
        roots = tuple(root for root in self.roots if root not in gone)
        return dataclasses.replace(
            self, nodes=_frozen(nodes), roots=roots, variables=self._still_used(nodes)
        )

    def rename(self, id: str, name: str) -> Draft:
        """Another name for a unit. Raises GraphError where it is taken or illegal."""
        node = self.node(id)
        check_name(name, node.kind, node.name)
        if self.names.get(name, id) != id:
            raise GraphError(f"another unit is named {name!r}", where=node.name)
        return self._with([dataclasses.replace(node, name=name)])

    def set_leaf(self, id: str, leaf: Leaf) -> Draft:
        """Another variable, family or other parameters; a name of its own making follows.

        Raises GraphError for a unit that is no leaf, ParameterError for illegal parameters.
        """
        node = self.node(id)
        if node.leaf is None:
            raise GraphError(f"a {node.kind} has no distribution", where=node.name)
        leaf.check(node.name)
        name = node.name
        if name == leaf_name(node.leaf) or name.rpartition("_")[0] == leaf_name(node.leaf):
            name = free_name(leaf_name(leaf), self.names.keys() - {name})
        changed = dataclasses.replace(node, leaf=leaf, name=name)
        nodes = {**self.nodes, id: changed}
        variables = self._still_used(nodes)
        return self._with([changed], variables=new_variables(variables, [leaf]))

    def move(self, places: Mapping[str, tuple[float, float]]) -> Draft:
        """Units at other places, in pixels."""
        moved: list[Node] = []
        for n, (x, y) in places.items():
            node = self.node(n)
            x, y = check_place(x, y, node.name)
            moved.append(dataclasses.replace(node, x=x, y=y))
        return self._with(moved)

    def tidied(self) -> Draft:
        """Everything in the layered layout, roots on top."""
        return self._with(tidy(self.nodes).values())

    def set_roots(self, ids: Sequence[str]) -> Draft:
        """Mark the roots, in order; none leaves the choice to `effective_roots`."""
        for n in ids:
            self.node(n)
        return dataclasses.replace(self, roots=tuple(dict.fromkeys(ids)))

    def duplicate(
        self, new_ids: Mapping[str, str], shift: tuple[float, float] = (40.0, 40.0)
    ) -> Draft:
        """Copies of some units, with the edges among them.

        new_ids: the copy's id for each unit. Edges to units that are not copied are kept, too: the
        copy shares those children.
        """
        copies = [
            dataclasses.replace(
                node := self.node(old),
                id=new,
                x=node.x + shift[0],
                y=node.y + shift[1],
                arcs=tuple(Arc(new_ids.get(a.child, a.child), a.weight) for a in node.arcs),
            )
            for old, new in new_ids.items()
        ]
        return self.paste(copies)

    def paste(self, nodes: Iterable[Node]) -> Draft:
        """New nodes with their edges, among themselves or to nodes that are there.

        Their names are made distinct. Raises GraphError for ids that are taken, arcs that lead
        nowhere and cycles, ParameterError for bad weights and leaves.
        """
        draft = self
        given = list(nodes)
        taken = set(self.names)
        fresh: dict[str, Node] = {}
        for node in given:
            check_id(node.id)
            check_name(node.name, node.kind)
            if node.id in self.nodes or node.id in fresh:
                raise GraphError(f"there is a unit {node.id!r} already")
            if (node.leaf is None) == (node.kind == "leaf"):
                raise GraphError("a leaf needs a distribution, and nothing else has one")
            if node.leaf is not None:
                node.leaf.check(node.name)
            name = free_name(node.name, taken)
            taken.add(name)
            x, y = check_place(node.x, node.y, name)
            fresh[node.id] = dataclasses.replace(node, name=name, x=x, y=y)
        known = {**self.nodes, **fresh}
        for node in fresh.values():
            for arc in node.arcs:
                if arc.child not in known:
                    raise GraphError(f"an edge leads to the unknown unit {arc.child[:40]!r}")
            _check_arcs(node, known)
        leaves = [node.leaf for node in fresh.values() if node.leaf is not None]
        draft = self._with(fresh.values(), variables=new_variables(self.variables, leaves))
        draft.topological  # noqa: B018 - raises for a cycle
        return draft

    # -- edges ---------------------------------------------------------------------------

    def connect(
        self,
        source: str,
        target: str,
        weight: float | None = None,
        *,
        again: bool = False,
        position: int | None = None,
    ) -> Draft:
        """A new edge from a sum or product to a child.

        weight: of a sum's edge, NEW_WEIGHT by default. again: a second edge between the same two
        units is meant (x times x). position: among the children, by default the last.

        Raises GraphError for a leaf as the source, a loop, a cycle and an edge that exists,
        ParameterError for a bad weight.
        """
        node, child = self.node(source), self.node(target)
        self._check_edge(node, child)
        if not again and node.place_of(target) is not None:
            raise GraphError(
                f"{node.name} has the child {child.name} already",
                hint="say that a second edge is meant to connect them twice",
            )
        arc = Arc(target, self._weight(node, weight))
        arcs = list(node.arcs)
        arcs.insert(len(arcs) if position is None else position, arc)
        return self._with([dataclasses.replace(node, arcs=tuple(arcs))])

    def disconnect(self, source: str, target: str, number: int = 0) -> Draft:
        """Without one edge. Raises NotFoundError where it does not exist."""
        return self.delete(edges=[(source, target, number)])

    def reconnect(
        self,
        edge: Edge,
        *,
        source: str | None = None,
        target: str | None = None,
        again: bool = False,
    ) -> Draft:
        """The edge with another parent or another child; it keeps its weight, and its place where
        the parent stays."""
        old = self.node(edge[0])
        place = self._place(*edge)
        arc = old.arcs[place]
        new_source, new_target = source or edge[0], target or edge[1]
        if (new_source, new_target) == edge[:2]:
            return self
        keep = place if new_source == edge[0] else None
        weight = arc.weight if self.node(new_source).kind == "sum" else None
        return self.disconnect(*edge).connect(
            new_source, new_target, weight, again=again, position=keep
        )

    def set_weight(self, edge: Edge, weight: float) -> Draft:
        """Another weight for an edge of a sum. Raises ParameterError, GraphError."""
        node = self.node(edge[0])
        place = self._place(*edge)
        if node.kind != "sum":
            raise GraphError("only the edges of sums have weights", where=node.name)
        arcs = list(node.arcs)
        arcs[place] = Arc(edge[1], check_weight(weight, node.name))
        return self._with([dataclasses.replace(node, arcs=tuple(arcs))])

    def normalise(self, id: str) -> Draft:
        """The weights of a sum divided by their total. Raises ParameterError for a total of 0."""
        node = self.node(id)
        if node.kind != "sum" or not node.arcs:
            raise GraphError("only a sum with children has weights", where=node.name)
        total = sum(node.weights)
        if not 0 < total < float("inf"):
            raise ParameterError(f"weights with the total {total:g} have no share", where=node.name)
        arcs = tuple(Arc(a.child, w / total) for a, w in zip(node.arcs, node.weights, strict=True))
        return self._with([dataclasses.replace(node, arcs=arcs)])

    # -- inside --------------------------------------------------------------------------

    def _place(self, source: str, target: str, number: int) -> int:
        node = self.node(source)
        place = node.place_of(target, number)
        if place is None:
            raise NotFoundError(f"{node.name} has no such edge to {self.node(target).name}")
        return place

    def _weight(self, node: Node, weight: float | None) -> float | None:
        if node.kind == "sum":
            return check_weight(NEW_WEIGHT if weight is None else weight, node.name)
        if weight is not None:
            raise GraphError("only the edges of sums have weights", where=node.name)
        return None

    def _check_edge(self, node: Node, child: Node) -> None:
        if node.kind == "leaf":
            raise GraphError("a leaf has no children", where=node.name)
        if node.id == child.id:
            raise GraphError("a unit cannot be its own child", where=node.name)
        if reaches(self.nodes, child.id, node.id):
            raise GraphError(
                f"{child.name} depends on {node.name}: the edge would close a cycle",
                where=f"{node.name} to {child.name}",
            )

    def _still_used(self, nodes: Mapping[str, Node]) -> tuple[str, ...]:
        """The variables, without those that lost their last leaf."""
        before = {node.leaf.variable for node in self.nodes.values() if node.leaf}
        after = {node.leaf.variable for node in nodes.values() if node.leaf}
        return tuple(v for v in self.variables if v in after or v not in before)

    def _with(self, changed: Iterable[Node], **fields: Any) -> Draft:
        nodes = {**self.nodes, **{node.id: node for node in changed}}
        draft = dataclasses.replace(self, nodes=_frozen(nodes), **fields)
        draft._check_size()
        return draft

    def _check_size(self) -> None:
        if len(self.nodes) > MAX_UNITS:
            raise GraphError(f"a drawing has at most {MAX_UNITS:,} units")
        if self.num_edges > MAX_EDGES:
            raise GraphError(f"a drawing has at most {MAX_EDGES:,} edges")


def _frozen(nodes: dict[str, Node]) -> Mapping[str, Node]:
    return MappingProxyType(nodes)


def _check_arcs(node: Node, known: Mapping[str, Node]) -> None:
    if node.kind == "leaf" and node.arcs:
        raise GraphError("a leaf has no children", where=node.name)
    for arc in node.arcs:
        if (arc.weight is None) == (node.kind == "sum"):
            raise GraphError("the edges of sums have weights, others none", where=node.name)
        if arc.weight is not None:
            check_weight(arc.weight, f"{node.name} to {known[arc.child].name}")
