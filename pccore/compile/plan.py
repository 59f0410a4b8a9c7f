"""From groups to layers: what is computed together, and where each unit's value lies.

Groups of equal kind, step and shape are stacked into one layer. Values live in banks, one
bank for each group size K, of the shape [slots, B, K]; a layer writes a contiguous range of
slots. The address book maps a group to its (bank, slot), so the value or flow of any unit
on screen is read out of the buffers of the very run that produced the answer.

A Kronecker product that only feeds one dense sum is fused into it ("einsum" layer,
Peharz et al. 2020, eq. 5): its K^2 values are never stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pccore.errors import ParameterError
from pccore.graph import Circuit, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.base import LeafFamily

#: One-hot leaves with at most this many categories use a matrix product, larger ones a gather.
ONE_HOT_LIMIT = 32
#: Numbers that the work of all layers for one tile of samples may need.
WORK = 2**26

LayerKind = Literal["leaf", "einsum", "dense", "mix", "hadamard", "kronecker", "sparse"]


class Address(NamedTuple):
    """Where a group's values are: bank of its size, slot in the bank."""

    bank: int
    slot: int


@dataclass(frozen=True)
class LayerSpec:
    """One layer: groups computed by the same few tensor operations.

    groups: positions, in slot order. size: units per group. first: first slot of the
    layer in the bank of its size. inputs: for each group its input addresses (those of the
    fused product for "einsum"). parameters: index of the parameter bank, or None.
    rows: the row of each group in the parameter bank. work: numbers that a sample needs
    besides its values: pairs, statistics, gathered inputs.
    """

    kind: LayerKind
    groups: tuple[int, ...]
    size: int
    first: int
    inputs: tuple[tuple[Address, ...], ...]
    parameters: int | None
    rows: tuple[int, ...]
    work: int


@dataclass(frozen=True)
class BankSpec:
    """One parameter bank: equally shaped parameters stacked, tied ones once.

    kind "weights": dense weights, rows of [inputs, size]. "sparse": one vector of edge
    weights. "leaf": rows of [variables, size, *family.parameter_shape].
    """

    kind: Literal["weights", "sparse", "leaf"]
    ids: tuple[str, ...]
    family: LeafFamily | None = None


@dataclass(frozen=True)
class Plan:
    """Layers in execution order, the address book and the parameter banks.

    addresses has no entry for fused products; fused maps each of them to its sum.
    slots: number of slots in the value bank of each size.
    """

    layers: tuple[LayerSpec, ...]
    addresses: Mapping[int, Address]
    fused: Mapping[int, int]
    slots: Mapping[int, int]
    banks: tuple[BankSpec, ...]

    @property
    def values_per_sample(self) -> int:
        """Numbers that one sample occupies in the value banks."""
        return sum(size * slots for size, slots in self.slots.items())

    def rows_within(self, budget: int, banks: int = 1) -> int:
        """Samples, at least one, whose value banks (so many of them) hold `budget` numbers
        and whose work fits as well."""
        values = budget // max(1, banks * self.values_per_sample)
        work = WORK // max(1, sum(layer.work for layer in self.layers))
        return max(1, min(values, work))


def make_plan(circuit: Circuit) -> Plan:
    """Plan the evaluation of every group from which a root can be reached."""
    live = _reachable(circuit)
    fused = _fusable(circuit, live)
    buckets = _buckets(circuit, live, fused)
    banks, bank_of = _parameter_banks(circuit, [g for _, members in buckets for g in members])
    slots: dict[int, int] = defaultdict(int)
    addresses: dict[int, Address] = {}
    layers: list[LayerSpec] = []
    for key, members in buckets:
        size = circuit.groups[members[0]].size
        first = slots[size]
        for offset, g in enumerate(members):
            addresses[g] = Address(size, first + offset)
        slots[size] += len(members)
        inputs = tuple(
            tuple(addresses[i] for i in _effective_inputs(circuit, g, key[1])) for g in members
        )
        spots = [bank_of.get(_parameter(circuit, g) or "") for g in members]
        layers.append(
            LayerSpec(
                kind=key[1],
                groups=tuple(members),
                size=size,
                first=first,
                inputs=inputs,
                parameters=spots[0][0] if spots[0] else None,
                rows=tuple(spot[1] for spot in spots if spot),
                work=sum(_work(circuit, g, key[1]) for g in members),
            )
        )
    return Plan(tuple(layers), addresses, fused, dict(slots), banks)


def _reachable(circuit: Circuit) -> list[bool]:
    live = [False] * len(circuit.groups)
    for root in circuit.roots:
        live[root.group] = True
    for position in reversed(range(len(circuit.groups))):
        if live[position]:
            for i in circuit.groups[position].inputs:
                live[i] = True
    return live


def _fusable(circuit: Circuit, live: list[bool]) -> dict[int, int]:
    """Kronecker products of two inputs whose only user is one dense sum over them alone."""
    users: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(circuit.groups):
        if live[position]:
            for i in group.inputs:
                users[i].append(position)
    roots = {root.group for root in circuit.roots}
    fused: dict[int, int] = {}
    for position, group in enumerate(circuit.groups):
        if (
            isinstance(group, ProductGroup)
            and group.edges == "kronecker"
            and len(group.inputs) == 2
            and group.size > 1
            and position not in roots
            and len(users[position]) == 1
        ):
            user = circuit.groups[users[position][0]]
            if isinstance(user, SumGroup) and user.edges == "dense" and len(user.inputs) == 1:
                fused[position] = users[position][0]
    return fused


def _effective_inputs(circuit: Circuit, g: int, kind: LayerKind) -> tuple[int, ...]:
    inputs = circuit.groups[g].inputs
    return circuit.groups[inputs[0]].inputs if kind == "einsum" else inputs


_Key = tuple[int, LayerKind, Hashable]


def _buckets(
    circuit: Circuit, live: list[bool], fused: Mapping[int, int]
) -> list[tuple[_Key, list[int]]]:
    """Groups that can be computed together, in an order that respects dependencies."""
    einsum_sums = set(fused.values())
    steps = np.zeros(len(circuit.groups), dtype=np.int64)
    buckets: dict[_Key, list[int]] = defaultdict(list)
    for position, group in enumerate(circuit.groups):
        if not live[position] or position in fused:
            continue
        kind: LayerKind
        shape: Hashable
        if isinstance(group, LeafGroup):
            kind, shape = "leaf", (group.family, len(group.variables), group.size)
            buckets[(0, kind, shape)].append(position)
            continue
        if isinstance(group.edges, SparseEdges):
            kind = "sparse"
        elif isinstance(group, SumGroup):
            kind = "mix" if group.edges == "elementwise" else "dense"
            kind = "einsum" if position in einsum_sums else kind
        else:
            kind = "hadamard" if group.edges == "hadamard" else "kronecker"
        inputs = _effective_inputs(circuit, position, kind)
        steps[position] = 1 + max(steps[i] for i in inputs)
        # Irregular groups have nothing to stack: each is a layer of its own.
        shape = (
            position
            if kind == "sparse"
            else (tuple(circuit.groups[i].size for i in inputs), group.size)
        )
        buckets[(int(steps[position]), kind, shape)].append(position)
    return sorted(buckets.items(), key=lambda item: (item[0][0], item[1][0]))


def _work(circuit: Circuit, g: int, kind: LayerKind) -> int:
    group = circuit.groups[g]
    if isinstance(group, LeafGroup):
        statistics = group.family.num_statistics
        looked_up = group.family.one_hot and statistics > ONE_HOT_LIMIT
        return len(group.variables) * (1 if looked_up else statistics)
    if isinstance(group.edges, SparseEdges):
        return len(group.edges.children)
    sizes = [circuit.groups[i].size for i in _effective_inputs(circuit, g, kind)]
    return math.prod(sizes) if kind in ("einsum", "kronecker") else sum(sizes)


def _parameter(circuit: Circuit, g: int) -> str | None:
    group = circuit.groups[g]
    return None if isinstance(group, ProductGroup) else group.parameter


def _parameter_banks(
    circuit: Circuit, order: list[int]
) -> tuple[tuple[BankSpec, ...], dict[str, tuple[int, int]]]:
    """Parameters of equal shape share a bank; the row of an id is the same for all its users.

    Rows follow the order of the layers, so that a layer without ties reads one slice.
    """
    keys: dict[Hashable, list[str]] = {}
    kinds: dict[Hashable, tuple[Literal["weights", "sparse", "leaf"], LeafFamily | None]] = {}
    users: dict[str, tuple[int, Hashable]] = {}
    for position in order:
        group = circuit.groups[position]
        if isinstance(group, ProductGroup):
            continue
        key: Hashable
        if isinstance(group, LeafGroup):
            key = ("leaf", group.family, len(group.variables), group.size)
            kinds[key] = ("leaf", group.family)
        elif isinstance(group.edges, SparseEdges):
            key = ("sparse", group.parameter, group.edges.offsets.tobytes())
            kinds[key] = ("sparse", None)
        else:
            key = ("weights", circuit.parameter_shape(group))
            kinds[key] = ("weights", None)
        first, used_as = users.setdefault(group.parameter, (position, key))
        if used_as != key:
            raise ParameterError(
                f"parameter {group.parameter!r} is that of {circuit.groups[first].name} already, "
                "which uses it in another way",
                where=group.name,
                hint="only groups of the same kind and shape can be tied",
            )
        if first == position:
            keys.setdefault(key, []).append(group.parameter)
    banks: list[BankSpec] = []
    bank_of: dict[str, tuple[int, int]] = {}
    for number, (key, ids) in enumerate(keys.items()):
        kind, family = kinds[key]
        banks.append(BankSpec(kind, tuple(ids), family))
        bank_of.update({name: (number, row) for row, name in enumerate(ids)})
    return tuple(banks), bank_of
