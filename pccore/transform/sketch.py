"""A circuit taken apart into scalar nodes, to be changed and put together again.

Transforms that rewire work on this copy: nodes are plain records with children by number, so a
change touches one record. `Sketch.circuit` orders what is left and makes groups of one unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.base import LeafFamily
from pccore.leaves.indicator import Indicator

#: Circuits with more edges are not taken apart.
MAX_EDGES = 200_000


@dataclass
class Node:
    """One unit. weights: of a sum, one for each child. variable, family, value: of a leaf."""

    kind: Literal["sum", "product", "leaf"]
    name: str
    children: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])
    variable: int = -1
    family: LeafFamily | None = None
    value: Tensor | None = None
    dtype: torch.dtype = torch.float64


@dataclass
class Sketch:
    """Nodes by number; a node's children exist, and there is no cycle.

    home: where each unit of the original circuit is. states: by variable, None where it is not
    finite.
    """

    variables: tuple[str, ...]
    meta: Mapping[str, Json]
    states: Mapping[int, int | None]
    nodes: dict[int, Node] = field(default_factory=dict[int, Node])
    roots: list[int] = field(default_factory=list[int])
    home: dict[Unit, int] = field(default_factory=dict[Unit, int])
    names: set[str] = field(default_factory=set[str])
    _next: int = 0

    @classmethod
    def of(cls, circuit: Circuit) -> Sketch:
        """Take a circuit apart; a factorised leaf becomes a product of its leaves.

        Raises OptionError for more than MAX_EDGES edges, ParameterError for illegal parameters.
        """
        if circuit.num_edges > MAX_EDGES or circuit.num_units > MAX_EDGES:
            raise OptionError(
                f"the circuit has {circuit.num_units} units and {circuit.num_edges} edges, more "
                f"than the {MAX_EDGES} that are rewired unit by unit"
            )
        circuit.validate_params()
        states = {v: domain.states for v, domain in circuit.domains.items()}
        sketch = cls(circuit.variables, circuit.meta, states)
        for position, group in enumerate(circuit.groups):
            for index in range(group.size):
                unit = Unit(position, index)
                sketch.home[unit] = sketch._read(circuit, unit, group)
        sketch.roots = [sketch.home[root] for root in circuit.roots]
        return sketch

    def _read(self, circuit: Circuit, unit: Unit, group: Group) -> int:
        name = self.fresh(circuit.unit_name(unit))
        if isinstance(group, LeafGroup):
            stored = circuit.params[group.parameter].detach().cpu()
            leaves = [
                Node(
                    "leaf",
                    name if len(group.variables) == 1 else self.fresh(f"{name} {names}"),
                    variable=v,
                    family=group.family,
                    value=stored[j, unit.index].double(),
                    dtype=stored.dtype,
                )
                for j, v in enumerate(group.variables)
                for names in [circuit.variables[v]]
            ]
            numbers = [self._put(leaf) for leaf in leaves]
            return numbers[0] if len(numbers) == 1 else self._put(Node("product", name, numbers))
        edges = circuit.children(unit)
        children = [self.home[edge.child] for edge in edges]
        if group.kind == "product":
            return self._put(Node("product", name, children))
        weights = [edge.weight or 0.0 for edge in edges]
        dtype = circuit.params[group.parameter].dtype
        return self._put(Node("sum", name, children, weights, dtype=dtype))

    # -- new nodes -------------------------------------------------------------------------

    def _put(self, node: Node) -> int:
        self.nodes[self._next] = node
        self._next += 1
        return self._next - 1

    def fresh(self, name: str) -> str:
        """The name itself, or with primes where it is taken; it is taken from now on."""
        while name in self.names:
            name += "'"
        self.names.add(name)
        return name

    def add_sum(self, name: str, children: Sequence[int], weights: Sequence[float]) -> int:
        """A new sum with linear weights."""
        return self._put(Node("sum", self.fresh(name), list(children), list(weights)))

    def add_product(self, name: str, children: Sequence[int]) -> int:
        """A new product."""
        return self._put(Node("product", self.fresh(name), list(children)))

    def copy(self, number: int, children: Sequence[int], weights: Sequence[float] = ()) -> int:
        """A node like this one over other children."""
        old = self.nodes[number]
        name = self.fresh(old.name)
        return self._put(Node(old.kind, name, list(children), list(weights), dtype=old.dtype))

    def indicator(self, variable: int, state: int) -> int:
        """The leaf [variable = state], one that is there already if possible."""
        states = self.states[variable]
        assert states is not None, "only finite variables have indicators"
        family = Indicator(states)
        for number, node in self.nodes.items():
            known = node.value is not None and node.variable == variable
            if known and node.family == family and int(node.value.item()) == state:  # type: ignore[union-attr]
                return number
        name = self.fresh(f"{self.variables[variable]}={state}")
        value = torch.tensor(float(state), dtype=torch.float64)
        return self._put(Node("leaf", name, variable=variable, family=family, value=value))

    def factor(self, variable: int, weight: float = 1.0) -> int:
        """A sum of all indicators of a finite variable with this weight each; one for all."""
        states = self.states.get(variable)
        title = self.variables[variable]
        if states is None:
            raise OptionError(
                f"no leaf over {title} is 1 for each of its values",
                where=title,
                hint="only finite variables have such a factor",
            )
        name = f"any {title}" if weight == 1.0 else f"uniform {title}"
        children = [self.indicator(variable, c) for c in range(states)]
        for number, node in self.nodes.items():
            if node.children == children and node.weights == [weight] * states:
                return number
        return self.add_sum(name, children, [weight] * states)

    # -- structure -------------------------------------------------------------------------

    def order(self, tops: Iterable[int] | None = None) -> list[int]:
        """Numbers children first, what was there first coming first; by default all nodes."""
        done = set[int]()
        found: list[int] = []
        starts = sorted(self.nodes) if tops is None else list(tops)
        stack = [(number, False) for number in reversed(starts)]
        while stack:
            number, expanded = stack.pop()
            if number in done:
                continue
            if expanded:
                done.add(number)
                found.append(number)
            else:
                stack.append((number, True))
                stack += [(c, False) for c in reversed(self.nodes[number].children)]
        return found

    def scopes(self, tops: Iterable[int] | None = None) -> dict[int, frozenset[int]]:
        """The variables below each node."""
        scopes: dict[int, frozenset[int]] = {}
        for number in self.order(tops):
            node = self.nodes[number]
            own = {node.variable} if node.kind == "leaf" else set[int]()
            scopes[number] = frozenset(own).union(*(scopes[c] for c in node.children))
        return scopes

    def uses(self, number: int) -> int:
        """How many edges and roots lead to a node."""
        edges = sum(node.children.count(number) for node in self.nodes.values())
        return edges + self.roots.count(number)

    def keep_reachable(self, also: Iterable[int] = ()) -> None:
        """Drop what neither a root nor one of these nodes depends on."""
        kept = set(self.order([*self.roots, *also]))
        self.nodes = {number: node for number, node in self.nodes.items() if number in kept}

    def circuit(self, meta: Mapping[str, Json] | None = None) -> Circuit:
        """The circuit of all nodes, one group each."""
        return self.built(meta)[0]

    def built(self, meta: Mapping[str, Json] | None = None) -> tuple[Circuit, dict[int, Unit]]:
        """The circuit of all nodes and the unit of each."""
        order = self.order()
        position = {number: i for i, number in enumerate(order)}
        groups: list[Group] = []
        params: dict[str, Tensor] = {}
        for number in order:
            node = self.nodes[number]
            inputs = tuple(position[c] for c in node.children)
            if node.kind == "leaf":
                assert node.family is not None and node.value is not None
                leaf = LeafGroup(node.name, 1, node.family, (node.variable,), node.name)
                groups.append(leaf)
                shape = (1, 1, *node.family.parameter_shape)
                params[node.name] = node.value.reshape(shape).to(node.dtype)
            elif node.kind == "sum":
                groups.append(SumGroup(node.name, 1, inputs, node.name))
                params[node.name] = torch.tensor([node.weights], dtype=node.dtype)
            else:
                groups.append(ProductGroup(node.name, 1, inputs))
        roots = [(position[root], 0) for root in self.roots]
        notes = self.meta if meta is None else meta
        circuit = Circuit(groups, roots, self.variables, params, notes)
        return circuit, {number: Unit(i, 0) for number, i in position.items()}
