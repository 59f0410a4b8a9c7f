"""A circuit taken apart into scalar nodes, to be changed and put together again.

Transforms that rewire work on this copy: nodes are plain records with children by number, so a
change touches one record. `assemble` puts them together; groups that nothing touched come back
as they were, with their parameters and ties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, SparseEdges, Unit
from pccore.leaves.base import LeafFamily
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.reference import edge_rows
from pccore.scope import Scope

#: Circuits with more edges are not taken apart.
MAX_EDGES = 200_000


@dataclass
class Node:
    """One unit. weights: of a sum, one for each child. variable, family, value: of a leaf.

    children and weights are replaced by `Sketch.rewire`, never in place.
    """

    kind: Literal["sum", "product", "leaf"]
    name: str
    children: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])
    variable: int = -1
    family: LeafFamily | None = None
    value: Tensor | None = None
    dtype: torch.dtype = torch.float64


class Sketch:
    """Nodes by number; a node's children exist, and there is no cycle.

    source: the circuit that was taken apart. numbers: of the units of each of its groups. roots:
    numbers. changed: nodes that were rewired. states: by variable, None where it is not finite.

    Raises OptionError for more than MAX_EDGES edges, ParameterError for illegal parameters.
    """

    def __init__(self, circuit: Circuit) -> None:
        if circuit.num_edges > MAX_EDGES or circuit.num_units > MAX_EDGES:
            raise OptionError(
                f"the circuit has {circuit.num_units} units and {circuit.num_edges} edges, more "
                f"than the {MAX_EDGES} that are rewired unit by unit"
            )
        circuit.validate_params()
        self.source = circuit
        self.variables = circuit.variables
        self.states: Mapping[int, int | None] = {
            v: domain.states for v, domain in circuit.domains.items()
        }
        self.nodes: dict[int, Node] = {}
        self.changed = set[int]()
        self._next = 0
        self._names = {group.name for group in circuit.groups}
        self._grouped = set[int]()  # units that share their group with others
        self._factorised = set[int]()
        self._leaves: dict[tuple[int, int], int] | None = None
        self._sums: dict[tuple[tuple[int, ...], tuple[float, ...]], int] | None = None
        self.numbers: list[list[int]] = []
        for position, group in enumerate(circuit.groups):
            self.numbers.append(self._read(circuit, position, group))
            if group.size > 1:
                self._grouped.update(self.numbers[-1])
        self.roots = [self.at(root) for root in circuit.roots]

    def at(self, unit: Unit) -> int:
        """The number of a unit of the source."""
        return self.numbers[unit.group][unit.index]

    def _read(self, circuit: Circuit, position: int, group: Group) -> list[int]:
        names = [group.name]
        if group.size > 1:
            names = [self.fresh(circuit.unit_name(Unit(position, k))) for k in range(group.size)]
        if isinstance(group, LeafGroup):
            return [self._read_leaf(circuit, group, k, name) for k, name in enumerate(names)]
        edges = edge_rows(circuit, group)
        below = np.concatenate([np.array(self.numbers[i]) for i in group.inputs])
        children = below[edges.children].tolist()
        ends = edges.offsets.tolist()
        found: list[int] = []
        weights: list[float] = []
        dtype = torch.float64
        if group.kind == "sum":
            stored = circuit.params[group.parameter].detach().cpu()
            weights, dtype = stored.reshape(-1).tolist(), stored.dtype
        for k, name in enumerate(names):
            a, b = ends[k], ends[k + 1]
            found.append(
                self._put(Node(group.kind, name, children[a:b], weights[a:b], dtype=dtype))
            )
        return found

    def _read_leaf(self, circuit: Circuit, group: LeafGroup, index: int, name: str) -> int:
        """A leaf; of several variables, the product of their leaves."""
        stored = circuit.params[group.parameter].detach().cpu()
        parts: list[int] = []
        for j, v in enumerate(group.variables):
            own = name if len(group.variables) == 1 else self.fresh(f"{name} {self.variables[v]}")
            value = stored[j, index].double()
            leaf = Node("leaf", own, [], [], v, group.family, value, stored.dtype)
            parts.append(self._put(leaf))
        if len(parts) == 1:
            return parts[0]
        self._factorised.add(self._put(Node("product", name, parts)))
        return self._next - 1

    # -- changes ---------------------------------------------------------------------------

    def _put(self, node: Node) -> int:
        self.nodes[self._next] = node
        self._next += 1
        return self._next - 1

    def fresh(self, name: str) -> str:
        """The name itself, or with primes where it is taken; it is taken from now on."""
        while name in self._names:
            name += "'"
        self._names.add(name)
        return name

    def rewire(
        self, number: int, children: Sequence[int], weights: Sequence[float] | None = None
    ) -> None:
        """Give a node other children; with weights it is a sum from now on, else a product."""
        node = self.nodes[number]
        node.kind = "product" if weights is None else "sum"
        node.children, node.weights = list(children), list(weights or ())
        self.changed.add(number)

    def add_leaf(self, leaf: Node) -> int:
        """A new leaf, whose name is taken by `fresh`."""
        return self._put(leaf)

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

    def alone(self, number: int) -> bool:
        """Whether a node is a unit by itself: no one of a larger group, no factorised leaf."""
        return number not in self._grouped and number not in self._factorised

    def is_leaf(self, number: int) -> bool:
        """Whether a node is a leaf of the source or a new one; a factorised leaf counts."""
        node = self.nodes[number]
        whole = number in self._factorised and number not in self.changed
        return node.kind == "leaf" or whole

    # -- leaves and factors ----------------------------------------------------------------

    def indicator(self, variable: int, state: int) -> int:
        """The leaf [variable = state], one that is there already if possible."""
        states = self.states[variable]
        assert states is not None, "only finite variables have indicators"
        if self._leaves is None:
            self._leaves = {}
            for number, node in self.nodes.items():
                if isinstance(node.family, Indicator) and node.value is not None:
                    if node.family.categories != self.states[node.variable]:
                        continue
                    self._leaves.setdefault((node.variable, int(node.value.item())), number)
        known = self._leaves.get((variable, state))
        if known is None or known not in self.nodes:
            name = self.fresh(f"{self.variables[variable]}={state}")
            value = torch.tensor(float(state), dtype=torch.float64)
            known = self._put(Node("leaf", name, [], [], variable, Indicator(states), value))
            self._leaves[variable, state] = known
        return known

    def factor(self, variable: int, weight: float = 1.0) -> int:
        """A sum of all indicators of a finite variable with this weight each.

        With weight 1 it is 1 whatever the state. Raises OptionError for other variables.
        """
        states = self.states.get(variable)
        title = self.variables[variable]
        if states is None:
            raise OptionError(
                f"no leaf over {title} is 1 for each of its values",
                where=title,
                hint="only finite variables have such a factor",
            )
        children = [self.indicator(variable, c) for c in range(states)]
        if self._sums is None:
            leaves = {n for n, node in self.nodes.items() if node.kind == "leaf"}
            self._sums = {
                (tuple(node.children), tuple(node.weights)): number
                for number, node in self.nodes.items()
                if node.kind == "sum" and leaves.issuperset(node.children)
            }
        key = (tuple(children), (weight,) * states)
        known = self._sums.get(key)
        if known is None or known not in self.nodes or known in self.changed:
            name = f"any {title}" if weight == 1.0 else f"uniform {title}"
            known = self._sums[key] = self.add_sum(name, children, key[1])
        return known

    def density(self, variable: int) -> int:
        """A leaf that is a distribution: uniform where the variable is finite.

        Of a real variable, the Gaussian with mean and variance of the even mixture of its leaves.
        Raises OptionError where there is no such leaf.
        """
        states = self.states.get(variable)
        if states is not None:
            return self.factor(variable, 1.0 / states)
        title = self.variables[variable]
        found = [n for n in self.nodes.values() if n.variable == variable]
        if not found or not all(isinstance(n.family, Gaussian) for n in found):
            raise OptionError(f"no leaf suits {title}", where=title)
        values = torch.stack([n.value for n in found if n.value is not None])
        mean, spread = values[:, 0].mean(), values[:, 0].var(correction=0)
        value = torch.stack([mean, values[:, 1].mean() + spread])
        name = self.fresh(f"some {title}")
        return self._put(Node("leaf", name, [], [], variable, Gaussian(), value))

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

    def scopes(self, tops: Iterable[int] | None = None) -> dict[int, Scope]:
        """The variables below each node."""
        bits: dict[int, int] = {}
        for number in self.order(tops):
            node = self.nodes[number]
            own = 1 << node.variable if node.kind == "leaf" else 0
            for child in node.children:
                own |= bits[child]
            bits[number] = own
        return {number: Scope(own) for number, own in bits.items()}

    def uses(self) -> Counter[int]:
        """How many edges and roots lead to each node."""
        counts = Counter(self.roots)
        for node in self.nodes.values():
            counts.update(node.children)
        return counts

    def keep_reachable(self, also: Iterable[int] = ()) -> None:
        """Drop what neither a root nor one of these nodes depends on."""
        kept = set(self.order([*self.roots, *also]))
        self.nodes = {number: node for number, node in self.nodes.items() if number in kept}

    def unreached(self) -> Collection[int]:
        """Nodes that no root depends on."""
        reached = set(self.order(self.roots))
        return [number for number in self.nodes if number not in reached]


def row_of(children: Sequence[int]) -> SparseEdges:
    """The edges of a group of one unit."""
    return SparseEdges(np.array([0, len(children)]), np.array(children, dtype=np.int64))
