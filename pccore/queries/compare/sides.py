"""A circuit as lists, for the alignment: one entry per unit, or per group where it is large."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pccore.check.walk import child_units
from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, SparseEdges, Unit

#: Circuits up to this size are aligned unit by unit, larger ones group by group.
UNITS, EDGES = 3000, 30_000
#: More groups than this are not aligned.
GROUPS = 200_000
#: Names that builders give by themselves say nothing about identity.
_AUTOMATIC = re.compile(r"[a-z]\d+")


@dataclass(frozen=True)
class Side:
    """The parts of one circuit, children first.

    place: the unit, or unit 0 of the group. kind: also tells the family of a leaf. scope: bits of
    variables that both circuits number alike. children, weights: numbers of parts, and the weight
    of each where the part is a unit and a sum. numbers: parameters of a leaf unit. digest: of all
    parameters of a group. named: the name was given on purpose.
    """

    circuit: Circuit
    by_unit: bool
    place: list[Unit]
    kind: list[str]
    scope: list[int]
    name: list[str]
    named: list[bool]
    children: list[list[int]]
    weights: list[list[float] | None]
    numbers: list[tuple[float, ...]]
    digest: list[str]
    roots: list[int]

    def __len__(self) -> int:
        return len(self.place)


def sides(first: Circuit, second: Circuit) -> tuple[Side, Side]:
    """Both circuits, at the level that suits the larger one. Raises OptionError."""
    numbers: dict[str, int] = {}
    for circuit in (first, second):
        for name in circuit.variables:
            numbers.setdefault(name, len(numbers))
    small = all(c.num_units <= UNITS and c.num_edges <= EDGES for c in (first, second))
    for circuit in (first, second):
        if not small and len(circuit.groups) > GROUPS:
            raise OptionError(
                f"{len(circuit.groups):,} groups are more than the {GROUPS:,} that can be aligned"
            )
    make = _by_unit if small else _by_group
    return make(first, numbers), make(second, numbers)


def _by_unit(circuit: Circuit, numbers: Mapping[str, int]) -> Side:
    place = [Unit(g, i) for g, group in enumerate(circuit.groups) for i in range(group.size)]
    index = {unit: i for i, unit in enumerate(place)}
    scopes = _scopes(circuit, numbers)
    groups = [circuit.groups[unit.group] for unit in place]
    names = [circuit.unit_name(unit) for unit in place]
    return Side(
        circuit,
        True,
        place,
        [_kind(circuit, group) for group in groups],
        [scopes[unit.group] for unit in place],
        names,
        [_AUTOMATIC.fullmatch(name) is None for name in names],
        [[index[child] for child in child_units(circuit, unit)] for unit in place],
        [_weights(circuit, unit) for unit in place],
        [_numbers(circuit, unit) for unit in place],
        [""] * len(place),
        [index[root] for root in circuit.roots],
    )


def _by_group(circuit: Circuit, numbers: Mapping[str, int]) -> Side:
    names = [group.name for group in circuit.groups]
    return Side(
        circuit,
        False,
        [Unit(g, 0) for g in range(len(circuit.groups))],
        [f"{_kind(circuit, group)} x{group.size}" for group in circuit.groups],
        _scopes(circuit, numbers),
        names,
        [_AUTOMATIC.fullmatch(name) is None for name in names],
        [list(group.inputs) for group in circuit.groups],
        [None] * len(names),
        [()] * len(names),
        [_digest(circuit, group) for group in circuit.groups],
        [root.group for root in circuit.roots],
    )


def _kind(circuit: Circuit, group: Group) -> str:
    if not isinstance(group, LeafGroup):
        return group.kind
    names = ",".join(circuit.variables[v] for v in group.variables)
    return f"leaf {group.family!r} {names}"


def _scopes(circuit: Circuit, numbers: Mapping[str, int]) -> list[int]:
    """Scopes as bits; equal lists of variables need no conversion."""
    order = [numbers[name] for name in circuit.variables]
    if order == list(range(len(order))):
        return [scope.bits for scope in circuit.scopes]
    known: dict[int, int] = {}
    for scope in circuit.scopes:
        if scope.bits not in known:
            known[scope.bits] = sum(1 << order[v] for v in scope)
    return [known[scope.bits] for scope in circuit.scopes]


def _weights(circuit: Circuit, unit: Unit) -> list[float] | None:
    group = circuit.groups[unit.group]
    if group.kind != "sum":
        return None
    tensor = circuit.params.get(group.parameter)
    if tensor is None or tuple(tensor.shape) != circuit.parameter_shape(group):
        return None
    if isinstance(group.edges, SparseEdges):
        start, end = group.edges.offsets[unit.index : unit.index + 2].tolist()
        return tensor[start:end].tolist()
    return tensor[unit.index].tolist()


def _numbers(circuit: Circuit, unit: Unit) -> tuple[float, ...]:
    group = circuit.groups[unit.group]
    if group.kind != "leaf":
        return ()
    tensor = circuit.params.get(group.parameter)
    if tensor is None or tuple(tensor.shape) != circuit.parameter_shape(group):
        return ()
    return tuple(tensor[:, unit.index].flatten().tolist())


def _digest(circuit: Circuit, group: Group) -> str:
    """Of the parameters and the irregular edges of a group."""
    found = hashlib.blake2b(digest_size=12)
    if group.kind != "leaf":
        found.update(_edges(group.edges))
    if group.kind != "product":
        tensor = circuit.params.get(group.parameter)
        if tensor is not None:
            found.update(np.ascontiguousarray(tensor.detach().cpu().to(torch.float64)).tobytes())
    return found.hexdigest()


def _edges(edges: str | SparseEdges) -> bytes:
    if isinstance(edges, SparseEdges):
        return edges.offsets.tobytes() + edges.children.tobytes()
    return edges.encode()


def listed(side: Side, parts: Sequence[int], most: int = 4) -> str:
    """Names of parts for a sentence."""
    names = [side.name[i] for i in parts[:most]]
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(names) + more
