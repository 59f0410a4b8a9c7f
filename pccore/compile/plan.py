"""From groups to layers: what is computed together, and where each unit's value lies.

Groups of equal kind, step and shape are stacked into one layer. All values of a pass are one
buffer [rows, B], one row for each unit, samples last, so that every operation runs over
contiguous samples whatever K is. A layer writes a contiguous range of rows; the address book
maps a group to its rows, so the value or flow of any unit on screen is read out of the buffer
of the very run that produced the answer.

A Kronecker product that only feeds one dense sum is fused into it ("einsum" layer, Peharz et
al. 2020, eq. 5): its K^2 values are never stored. Scalar and irregular groups of one step
become one layer of edges, however many they are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from pccore.errors import ParameterError
from pccore.graph import Circuit, IntArray, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.base import LeafFamily

#: One-hot leaves with at most this many categories use a matrix product, larger ones a gather.
ONE_HOT_LIMIT = 32
#: Numbers that the work of one group for one tile of samples may need.
WORK = 2**26

LayerKind = Literal[
    "leaf", "einsum", "dense", "mix", "hadamard", "kronecker", "edge_sum", "edge_product"
]
BankKind = Literal["weights", "edges", "leaf"]


class Address(NamedTuple):
    """Where a group's values are: its first row, its number of rows; its number in the plan."""

    first: int
    size: int
    slot: int


@dataclass(frozen=True)
class LayerSpec:
    """One layer: groups computed by the same few tensor operations.

    groups: positions, in order of their rows. size: units per group, 0 where they differ
    (layers of edges). first, slot: row and slot of the first group. units: rows of the layer.
    inputs: for each group its input addresses (those of the fused product for "einsum").
    parameters: index of the parameter bank, or None. rows: the row of each group in the
    parameter bank (in a bank of edges: its first edge). work: numbers that a sample needs
    besides its values: pairs, statistics, gathered inputs.
    """

    kind: LayerKind
    groups: tuple[int, ...]
    size: int
    first: int
    slot: int
    units: int
    inputs: tuple[tuple[Address, ...], ...]
    parameters: int | None
    rows: tuple[int, ...]
    work: int


@dataclass(frozen=True)
class BankSpec:
    """One parameter bank: like parameters together, tied ones once.

    kind "weights": weights of dense sums and mixing layers, rows of [size, inputs]. "edges": the
    edge weights of scalar and irregular sums end to end. "leaf": rows of [variables, size,
    *family.parameter_shape]. tied: several groups share one of the parameters. frozen: learning
    leaves them as they are.
    """

    kind: BankKind
    ids: tuple[str, ...]
    family: LeafFamily | None = None
    tied: bool = False
    frozen: bool = False


@dataclass(frozen=True)
class Plan:
    """Layers in execution order, the address book and the parameter banks.

    addresses has no entry for fused products; fused maps each of them to its sum. rows: rows of
    the value buffer. slots: number of groups that have an address.
    """

    layers: tuple[LayerSpec, ...]
    addresses: Mapping[int, Address]
    fused: Mapping[int, int]
    rows: int
    slots: int
    banks: tuple[BankSpec, ...]

    @cached_property
    def factors(self) -> tuple[Address, ...]:
        """The groups that are a factor of some einsum layer, in order of their rows."""
        einsums = (layer for layer in self.layers if layer.kind == "einsum")
        return tuple(
            sorted({address for layer in einsums for row in layer.inputs for address in row})
        )

    @property
    def factor_rows(self) -> int:
        """Rows of the factors, which einsum layers read in the linear domain."""
        return sum(address.size for address in self.factors)

    @property
    def values_per_sample(self) -> int:
        """Numbers that one sample occupies in the value buffer."""
        return self.rows

    def places(self) -> IntArray:
        """Slot of the group and index within it of every row of the value buffer, [2, rows]."""
        sizes = np.array([address.size for address in self.addresses.values()], dtype=np.int64)
        slots = np.repeat(np.arange(len(sizes)), sizes)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)[:-1]])
        return np.stack([slots, np.arange(self.rows) - np.repeat(starts, sizes)])

    def rows_within(self, budget: int, buffers: int = 1) -> int:
        """Samples, at least one, for which so many value buffers hold `budget` numbers and the
        work of a group fits as well."""
        values = budget // max(1, buffers * self.rows)
        work = max((-(-layer.work // len(layer.groups)) for layer in self.layers), default=1)
        return max(1, min(values, WORK // max(1, work)))


def make_plan(circuit: Circuit, frozen: Collection[str] = ()) -> Plan:
    """Plan the evaluation of every group from which a root can be reached.

    frozen: ids of parameters that have banks, and so layers, of their own.
    """
    live = _reachable(circuit)
    fused = _fusable(circuit, live)
    buckets = _buckets(circuit, live, fused, frozen)
    banks, bank_of = _parameter_banks(circuit, buckets, frozen)
    addresses: dict[int, Address] = {}
    layers: list[LayerSpec] = []
    rows = 0
    for (_, kind, _), members in buckets:
        first, slot = rows, len(addresses)
        sizes = [circuit.groups[g].size for g in members]
        for g, size in zip(members, sizes, strict=True):
            addresses[g] = Address(rows, size, len(addresses))
            rows += size
        spots = [bank_of.get(_parameter(circuit, g) or "") for g in members]
        layers.append(
            LayerSpec(
                kind=kind,
                groups=tuple(members),
                size=0 if kind in ("edge_sum", "edge_product") else sizes[0],
                first=first,
                slot=slot,
                units=rows - first,
                inputs=tuple(
                    tuple(addresses[i] for i in _effective_inputs(circuit, g, kind))
                    for g in members
                ),
                parameters=spots[0][0] if spots[0] else None,
                rows=tuple(spot[1] for spot in spots if spot),
                work=sum(_work(circuit, g, kind) for g in members),
            )
        )
    return Plan(tuple(layers), addresses, fused, rows, len(addresses), banks)


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
_Buckets = list[tuple[_Key, list[int]]]


def _kind(circuit: Circuit, position: int, einsums: set[int], blocks: set[str]) -> LayerKind:
    """einsums: sums with a fused product. blocks: the parameters of those."""
    group = circuit.groups[position]
    if isinstance(group, LeafGroup):
        return "leaf"
    sparse = isinstance(group.edges, SparseEdges)
    if isinstance(group, SumGroup):
        if position in einsums:
            return "einsum"
        # What is tied to a block has to be one.
        if sparse or (group.size == 1 and group.parameter not in blocks):
            return "edge_sum"
        return "mix" if group.edges == "elementwise" else "dense"
    if sparse or group.size == 1:
        return "edge_product"
    return "hadamard" if group.edges == "hadamard" else "kronecker"


def _buckets(
    circuit: Circuit, live: list[bool], fused: Mapping[int, int], frozen: Collection[str]
) -> _Buckets:
    """Groups that can be computed together, in an order that respects dependencies."""
    einsums = set(fused.values())
    blocks = {_parameter(circuit, g) or "" for g in einsums}
    steps = np.zeros(len(circuit.groups), dtype=np.int64)
    buckets: dict[_Key, list[int]] = defaultdict(list)
    for position, group in enumerate(circuit.groups):
        if not live[position] or position in fused:
            continue
        kind = _kind(circuit, position, einsums, blocks)
        if isinstance(group, LeafGroup):
            fixed = group.parameter in frozen
            shape: Hashable = (group.family, len(group.variables), group.size, fixed)
            buckets[(0, kind, shape)].append(position)
            continue
        inputs = _effective_inputs(circuit, position, kind)
        steps[position] = 1 + max(steps[i] for i in inputs)
        shape = _parameter(circuit, position) in frozen
        if kind not in ("edge_sum", "edge_product"):
            shape = (tuple(circuit.groups[i].size for i in inputs), group.size, shape)
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
    circuit: Circuit, buckets: _Buckets, frozen: Collection[str]
) -> tuple[tuple[BankSpec, ...], dict[str, tuple[int, int]]]:
    """Like parameters share a bank; the row of an id is the same for all its users.

    Rows follow the order of the layers, so that a layer without ties reads one slice.
    """
    ids: dict[Hashable, list[str]] = {}
    kinds: dict[Hashable, tuple[BankKind, LeafFamily | None]] = {}
    users: dict[str, tuple[int, Hashable]] = {}
    tied: set[Hashable] = set()
    for (_, kind, _), members in buckets:
        for position in members:
            group = circuit.groups[position]
            if isinstance(group, ProductGroup):
                continue
            shape = circuit.parameter_shape(group)
            fixed = group.parameter in frozen
            bank: Hashable
            if isinstance(group, LeafGroup):
                bank = ("leaf", group.family, shape, fixed)
                use = bank
                kinds[bank] = ("leaf", group.family)
            elif kind == "edge_sum":
                bank = ("edges", fixed)
                edges = group.edges
                rows = edges.offsets.tobytes() if isinstance(edges, SparseEdges) else None
                use = (bank, shape, rows)
                kinds[bank] = ("edges", None)
            else:
                bank = ("weights", shape, fixed)
                use = bank
                kinds[bank] = ("weights", None)
            first, used_as = users.setdefault(group.parameter, (position, use))
            if used_as != use:
                raise ParameterError(
                    f"parameter {group.parameter!r} is that of {circuit.groups[first].name} "
                    "already, which uses it in another way",
                    where=group.name,
                    hint="only groups of the same kind and shape can be tied",
                )
            if first == position:
                ids.setdefault(bank, []).append(group.parameter)
            else:
                tied.add(bank)
    banks: list[BankSpec] = []
    bank_of: dict[str, tuple[int, int]] = {}
    for number, (bank, names) in enumerate(ids.items()):
        kind_of_bank, family = kinds[bank]
        fixed = names[0] in frozen
        banks.append(BankSpec(kind_of_bank, tuple(names), family, bank in tied, fixed))
        row = 0
        for name in names:
            bank_of[name] = (number, row)
            row += circuit.params[name].numel() if kind_of_bank == "edges" else 1
    return tuple(banks), bank_of
