"""Which states of each variable occur below each unit, as one integer per unit.

The integer has a field of bits per variable: one bit per state, and an empty guard bit on
top, so that one addition tells which fields are not empty. A variable that is not finite has
one bit that stands for any value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from pccore.graph import Circuit, Group, IntArray, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.reference import edge_rows
from pccore.scope import Scope


@dataclass(frozen=True)
class Layout:
    """Where the field of each variable lies."""

    finite: tuple[bool, ...]
    widths: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, circuit: Circuit) -> Layout:
        """The layout for the domains of a circuit."""
        mentioned = 0
        for scope in circuit.scopes:
            mentioned |= scope.bits
        finite: list[bool] = []
        widths: list[int] = []
        offsets: list[int] = []
        end = 0
        for v in range(len(circuit.variables)):
            states = circuit.domain(v).states if mentioned >> v & 1 else None
            finite.append(states is not None)
            widths.append(states if states is not None else 1)
            offsets.append(end)
            end += widths[-1] + 1
        return cls(tuple(finite), tuple(widths), tuple(offsets))

    @property
    def bits(self) -> int:
        """Length of the integers."""
        return self.offsets[-1] + self.widths[-1] + 1 if self.offsets else 0

    @cached_property
    def endless(self) -> int:
        """The variables that are not finite, as bits."""
        return sum(1 << v for v, finite in enumerate(self.finite) if not finite)

    @cached_property
    def _fields(self) -> tuple[int, ...]:
        return tuple(
            ((1 << width) - 1) << start
            for width, start in zip(self.widths, self.offsets, strict=True)
        )

    def full(self, scope: Scope) -> int:
        """All states of all variables of the scope."""
        bits = 0
        for v in scope:
            bits |= self._fields[v]
        return bits

    def guards(self, full: int) -> int:
        """The guard bits above the given full fields."""
        return (full << 1) & ~full

    def states(self, literals: int, variable: int) -> list[int]:
        """The states of one variable in a set."""
        field = literals >> self.offsets[variable]
        return [s for s in range(self.widths[variable]) if field >> s & 1]


class UnitSets:
    """The states that occur below each unit, computed when asked for and kept.

    mode "appearing": the states for which there is a leaf below the unit, whatever the
    weights: the literals of the SPN paper. mode "possible": a set outside which the unit is
    certainly zero: children of weight zero do not count, a product needs all its children.
    `broken` groups (illegal parameters) count as if everything were possible.
    """

    def __init__(
        self,
        circuit: Circuit,
        layout: Layout,
        mode: Literal["appearing", "possible"],
        broken: frozenset[int] = frozenset(),
    ) -> None:
        self.circuit = circuit
        self.layout = layout
        self._mode = mode
        self._broken = broken
        self._known: dict[int, list[int]] = {}
        self._masks: dict[int, int] = {}
        # Sums over the same children are frequent (the states of a latent variable).
        self._below: dict[tuple[str, tuple[int, ...]], list[int]] = {}
        self._unions: dict[tuple[tuple[int, ...], bytes], int] = {}
        #: About how many bits are kept, to stop before memory runs out.
        self.stored_bits = 0

    def mask(self, position: int) -> int:
        """The full fields of the scope of a group whose set is known."""
        bits = self.circuit.scopes[position].bits
        if bits not in self._masks:
            inputs = self.circuit.groups[position].inputs
            mask = 0 if inputs else self.layout.full(self.circuit.scopes[position])
            for i in inputs:
                mask |= self.mask(i)
            self._masks[bits] = mask
        return self._masks[bits]

    def of(self, unit: Unit) -> int:
        """The set of one unit."""
        return self.group(unit.group)[unit.index]

    def group(self, position: int) -> list[int]:
        """The sets of all units of a group."""
        if position in self._known:
            return self._known[position]
        for below in self._unknown_below(position):
            self._known[below] = self._compute(below)
        return self._known[position]

    def _unknown_below(self, position: int) -> list[int]:
        """The groups still to be computed for this one, children first."""
        found = {position}
        stack = [position]
        while stack:
            for i in self.circuit.groups[stack.pop()].inputs:
                if i not in found and i not in self._known:
                    found.add(i)
                    stack.append(i)
        return sorted(found)

    def _compute(self, position: int) -> list[int]:
        group = self.circuit.groups[position]
        self.mask(position)  # bottom-up, so that it never recurses more than one step
        if group.kind == "leaf":
            return self._leaf(group, position in self._broken)
        if group.kind == "product":
            return self._product(group)
        return self._sum(position, group)

    def below(self, position: int) -> list[int]:
        """The sets of the concatenated inputs; for "possible", widened to the group's scope."""
        group = self.circuit.groups[position]
        key = (group.kind, group.inputs)
        if key not in self._below:
            self._below[key] = self._widened(position, group)
        return self._below[key]

    def _widened(self, position: int, group: Group) -> list[int]:
        sets: list[int] = []
        for i in group.inputs:
            own = self.group(i)
            short = self.circuit.scopes[i] != self.circuit.scopes[position]
            if short and self._mode == "possible" and group.kind == "sum":
                # What a child does not mention it does not restrict.
                free = self.layout.full(self.circuit.scopes[position] - self.circuit.scopes[i])
                own = [bits | free for bits in own]
            sets += own
        return sets

    def _sum(self, position: int, group: SumGroup) -> list[int]:
        below = self.below(position)
        counted = self._mode == "possible" and position not in self._broken
        if counted:
            rows = positive_rows(self.circuit, group)
        elif group.edges == "dense":
            rows = [np.arange(len(below))] * group.size
        else:
            edges = edge_rows(self.circuit, group)
            rows = [edges.row(k) for k in range(group.size)]
        result: list[int] = []
        for row in rows:
            key = (group.inputs, row.tobytes())
            if key not in self._unions:
                bits = 0
                for child in row.tolist():
                    bits |= below[child]
                self._unions[key] = bits
                self.stored_bits += self.layout.bits
            result.append(self._unions[key])
        return result

    def _product(self, group: ProductGroup) -> list[int]:
        scopes = [self.circuit.scopes[i] for i in group.inputs for _ in self.group(i)]
        below = [bits for i in group.inputs for bits in self.group(i)]
        edges = edge_rows(self.circuit, group)
        result: list[int] = []
        for k in range(group.size):
            bits, seen = 0, Scope()
            for child in edges.row(k).tolist():
                shared = seen & scopes[child]
                both = bits & below[child]
                bits |= below[child]
                if shared and self._mode == "possible":
                    field = self.layout.full(shared)
                    bits = (bits & ~field) | (both & field)
                seen = seen | scopes[child]
            result.append(bits)
        self.stored_bits += self.layout.bits * group.size
        return result

    def _leaf(self, group: LeafGroup, broken: bool) -> list[int]:
        everything = self.layout.full(Scope.from_iterable(group.variables))
        support = group.family.support
        if broken or support.states is None:
            return [everything] * group.size
        params = self.circuit.params[group.parameter].detach().cpu()
        if group.family.one_hot:
            logs = group.family.coefficients(params)
        else:
            states = torch.arange(support.states, dtype=params.dtype)
            logs = group.family.log_prob(states[:, None, None], params).permute(1, 2, 0)
        positive = (logs > -torch.inf).numpy()  # [variables, size, states]
        widths = [self.layout.widths[v] for v in group.variables]
        if bool(positive.all()) and all(w in (1, support.states) for w in widths):
            return [everything] * group.size
        self.stored_bits += self.layout.bits * group.size
        packed = np.packbits(positive, axis=-1, bitorder="little")
        result = [0] * group.size
        for j, v in enumerate(group.variables):
            for k in range(group.size):
                field = int.from_bytes(packed[j, k].tobytes(), "little")
                if not self.layout.finite[v]:
                    field = 1
                result[k] |= field << self.layout.offsets[v]
        return result


def positive_rows(circuit: Circuit, group: SumGroup) -> list[IntArray]:
    """For each unit of a sum the positions of its children with a positive weight."""
    weights = circuit.params[group.parameter].detach().cpu().numpy()
    all_count = bool((weights > 0).all())
    if group.edges == "dense":
        if all_count:
            return [np.arange(weights.shape[1])] * group.size
        return [np.flatnonzero(row > 0) for row in weights]
    edges, flat = edge_rows(circuit, group), weights.reshape(-1)
    if all_count:
        return [edges.row(k) for k in range(group.size)]
    spans = zip(edges.offsets[:-1].tolist(), edges.offsets[1:].tolist(), strict=True)
    return [edges.children[a:b][flat[a:b] > 0] for a, b in spans]
