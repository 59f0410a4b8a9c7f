"""A sketch put together as a circuit; groups that nothing touched stay groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor
from torch import tensor as new_tensor

from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.reference import edge_rows
from pccore.transform.sketch import Sketch, row_of


def assemble(sketch: Sketch) -> Circuit:
    """The circuit of all nodes.

    A group of the source all of whose units are there and were not rewired comes back as it was,
    with its name, its parameters and its ties. Every other node is a group of one unit. Where
    nothing was changed, that is the source itself.
    """
    source = sketch.source
    before = sum(len(numbers) for numbers in sketch.numbers)
    whole = _whole(sketch)
    if len(whole) == len(source.groups) and not sketch.changed:
        same = [sketch.at(root) for root in source.roots] == sketch.roots
        inner = sum(
            len(g.variables) * g.size
            for g in source.groups
            if isinstance(g, LeafGroup) and len(g.variables) > 1
        )
        if same and len(sketch.nodes) == before + inner:
            return source
    while True:
        assembly = _Assembly(sketch, whole)
        order = assembly.order()
        if order is not None:
            return assembly.circuit(order)
        whole -= assembly.tangled  # rare: a group that new nodes both use and are used by


def apart(sketch: Sketch) -> tuple[Circuit, dict[int, Unit]]:
    """The circuit with a group for each node, and the unit of each node."""
    assembly = _Assembly(sketch, set())
    order = assembly.order()
    assert order is not None, "nodes have no cycle"
    circuit = assembly.circuit(order)
    return circuit, {n: Unit(assembly.position[b], k) for n, (b, k) in assembly.place.items()}


def _whole(sketch: Sketch) -> set[int]:
    """Groups whose units are all there, as they were, and still over one scope."""
    scopes = sketch.scopes() if sketch.changed else {}
    whole = set[int]()
    for position, numbers in enumerate(sketch.numbers):
        if not sketch.changed.isdisjoint(numbers) or any(n not in sketch.nodes for n in numbers):
            continue
        if len({scopes[n] for n in numbers if n in scopes}) <= 1:
            whole.add(position)
    return whole


@dataclass
class _Assembly:
    """Blocks in the making: group g of the source as -1 - g, other nodes by their number."""

    sketch: Sketch
    whole: set[int]
    place: dict[int, tuple[int, int]] = field(init=False)  # number -> block, index
    position: dict[int, int] = field(default_factory=dict[int, int])  # block -> new group
    tangled: set[int] = field(default_factory=set[int])
    groups: list[Group] = field(default_factory=list[Group])
    params: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __post_init__(self) -> None:
        nodes, source = self.sketch.nodes, self.sketch.source
        self.place = {}
        hidden = set[int]()  # leaves inside factorised leaves
        for g in self.whole:
            group = source.groups[g]
            for k, number in enumerate(self.sketch.numbers[g]):
                self.place[number] = (-1 - g, k)
                if isinstance(group, LeafGroup):
                    hidden.update(nodes[number].children)
        members = set(self.place)
        used = set(self.sketch.roots)
        for number, node in nodes.items():
            if number not in members:
                used.update(node.children)
        for number in nodes:
            if number not in members and (number not in hidden or number in used):
                self.place[number] = (number, 0)

    # -- order -----------------------------------------------------------------------------

    def _below(self, block: int) -> Iterable[int]:
        if block >= 0:
            return (self.place[c][0] for c in self.sketch.nodes[block].children)
        group = self.sketch.source.groups[-1 - block]
        numbers = (n for i in group.inputs for n in self.sketch.numbers[i])
        return dict.fromkeys(self.place[n][0] for n in numbers if n in self.place)

    def order(self) -> list[int] | None:
        """Blocks children first; None where groups make a cycle (they are `tangled`)."""
        first = {b: n for n, (b, _) in reversed(self.place.items())}
        state: dict[int, bool] = {}  # False: being expanded, True: done
        found: list[int] = []
        stack = [(block, False) for block in sorted(first, key=lambda b: -first[b])]
        while stack:
            block, expanded = stack.pop()
            if expanded:
                state[block] = True
                found.append(block)
            elif block not in state:
                state[block] = False
                stack.append((block, True))
                for child in reversed(list(self._below(block))):
                    if state.get(child) is False:
                        self.tangled = {-1 - b for b, over in state.items() if b < 0 and not over}
                        return None
                    stack.append((child, False))
        return found

    # -- groups ----------------------------------------------------------------------------

    def circuit(self, order: list[int]) -> Circuit:
        """Make the groups in this order."""
        sketch, source = self.sketch, self.sketch.source
        names = {source.groups[g].name for g in self.whole}
        taken = {g.parameter for g in self._whole_groups() if not isinstance(g, ProductGroup)}
        for block in order:
            if block < 0:
                group = self._kept(-1 - block, taken)
            else:
                group = self._single(block, names, taken)
            self.position[block] = len(self.groups)
            self.groups.append(group)
        roots = [(self.position[b], k) for b, k in (self.place[r] for r in sketch.roots)]
        return Circuit(self.groups, roots, sketch.variables, self.params, source.meta)

    def _whole_groups(self) -> list[Group]:
        return [self.sketch.source.groups[g] for g in self.whole]

    def _kept(self, position: int, taken: set[str]) -> Group:
        source = self.sketch.source
        group = source.groups[position]
        if isinstance(group, LeafGroup):
            self.params[group.parameter] = source.params[group.parameter]
            return group
        inputs: list[int] = []
        moved: list[int] = []  # of each unit of the inputs, its new place among them; -1: gone
        width = 0
        for i in group.inputs:
            if i in self.whole:
                inputs.append(self.position[-1 - i])
                moved += range(width, width + source.groups[i].size)
                width += source.groups[i].size
                continue
            for number in self.sketch.numbers[i]:
                block = self.place.get(number)
                moved.append(-1 if block is None else width)
                if block is not None:
                    inputs.append(self.position[block[0]])
                    width += 1
        plain = group.edges == "dense" or all(i in self.whole for i in group.inputs)
        kept = replace(group, inputs=tuple(inputs))
        if not plain:
            rows = edge_rows(source, group)
            sparse = SparseEdges(rows.offsets, np.array(moved, dtype=np.int64)[rows.children])
            kept = replace(kept, edges=sparse)
        if isinstance(kept, SumGroup):
            weights = source.params[kept.parameter]
            if not plain and weights.ndim == 2:
                kept = replace(kept, parameter=_unused(kept.parameter, taken))
                weights = weights.reshape(-1)
            self.params[kept.parameter] = weights
        return kept

    def _single(self, number: int, names: set[str], taken: set[str]) -> Group:
        node = self.sketch.nodes[number]
        name = _unused(node.name, names)
        if node.kind == "leaf":
            assert node.family is not None and node.value is not None
            parameter = _unused(name, taken)
            shape = (1, 1, *node.family.parameter_shape)
            self.params[parameter] = node.value.reshape(shape).to(node.dtype)
            return LeafGroup(name, 1, node.family, (node.variable,), parameter)
        inputs: dict[int, int] = {}  # new group -> where its units begin
        width = 0
        children: list[int] = []
        single = True
        for child in node.children:
            block, index = self.place[child]
            at = self.position[block]
            if at not in inputs:
                inputs[at] = width
                size = self.groups[at].size
                width, single = width + size, single and size == 1
            children.append(inputs[at] + index)
        if single:  # a child may come twice
            plain = tuple(self.position[self.place[c][0]] for c in node.children)
        else:
            plain = tuple(inputs)
        if node.kind == "product":
            return ProductGroup(name, 1, plain, "hadamard" if single else row_of(children))
        parameter = _unused(name, taken)
        dense = single or children == list(range(width))
        weights = new_tensor(node.weights, dtype=node.dtype)
        self.params[parameter] = weights[None] if dense else weights
        return SumGroup(name, 1, plain, parameter, "dense" if dense else row_of(children))


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name
