"""The circuit: an immutable DAG of groups of units.

A group is `size` units (scalar nodes) of one kind over one scope. A hand-drawn circuit has
groups of size 1, an EiNet has groups of size K, a learned circuit keeps its irregular edges
as arrays. Groups are stored in topological order, children first, so that a group's position
is its id and a cycle cannot be written down. Nothing here demands smoothness or
decomposability: broken circuits can be built, drawn and repaired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from pccore.discovery import Shown
from pccore.errors import EvidenceError, GraphError, NotFoundError, ParameterError
from pccore.generated import Generated
from pccore.graph_checks import check_edges, check_inputs, check_names
from pccore.groups import (
    Edge,
    Group,
    IntArray,
    Json,
    LeafGroup,
    ProductGroup,
    SparseEdges,
    SumGroup,
    Unit,
)
from pccore.leaves.base import Support
from pccore.params import Params
from pccore.scope import Scope

__all__ = [
    "Circuit",
    "Edge",
    "Group",
    "Json",
    "LeafGroup",
    "ProductGroup",
    "SparseEdges",
    "SumGroup",
    "Unit",
]

MAX_EDGES = 2**31


class Circuit(Shown):
    """An immutable circuit: structure (`groups`, `roots`, `variables`) and parameters.

    groups: topological order, inputs before their users. roots: usually one unit.
    variables: names; variable v is column v of the data. params: tensors by parameter id.
    meta: JSON-like notes such as title, story and image shape.

    Raises GraphError when the groups do not fit together; parameters are checked by
    `validate_params`, not here, so that a broken file can be shown.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        roots: Sequence[tuple[int, int]],
        variables: Sequence[str],
        params: Mapping[str, Tensor],
        meta: Mapping[str, Json] | None = None,
    ) -> None:
        self.groups: tuple[Group, ...] = tuple(groups)
        self.roots: tuple[Unit, ...] = tuple(Unit(*root) for root in roots)
        self.variables: tuple[str, ...] = tuple(variables)
        self.params: Params = params if isinstance(params, Params) else Params(params)
        self.meta: Mapping[str, Json] = MappingProxyType(dict(meta or {}))
        check_names(self.groups, self.variables)
        for position, group in enumerate(self.groups):
            check_inputs(position, group)
        for group in self.groups:
            check_edges(group, self.groups, self.scopes, self.variables)
        if not self.roots:
            raise GraphError("a circuit needs at least one root")
        for root in self.roots:
            if not (0 <= root.group < len(self.groups)):
                raise GraphError(f"root group {root.group} does not exist")
            if not (0 <= root.index < self.groups[root.group].size):
                raise GraphError(
                    f"root unit {root.index} does not exist", where=self.groups[root.group].name
                )
        if self.num_edges > MAX_EDGES:
            raise GraphError(f"{self.num_edges} edges are more than the {MAX_EDGES} supported")

    # -- sizes ---------------------------------------------------------------------------

    @property
    def root(self) -> Unit:
        """The first root."""
        return self.roots[0]

    @cached_property
    def num_units(self) -> int:
        """Scalar nodes, a factorised leaf counting as one."""
        return sum(group.size for group in self.groups)

    @cached_property
    def num_edges(self) -> int:
        """Edges between units."""
        return sum(self._group_edges(group) for group in self.groups)

    @cached_property
    def num_parameters(self) -> int:
        """Numbers in the store that can be learned, tied ones counted once.

        Of parameters that a network generates, the network's own count instead; the states of
        indicators are structure.
        """
        shapes = {
            g.parameter: self.parameter_shape(g)
            for g in self.groups
            if g.kind == "sum" or (g.kind == "leaf" and g.family.trainable)
        }
        stored = 0
        if isinstance(self.params, Generated):
            stored = self.params.network.count
            shapes = {name: s for name, s in shapes.items() if name in self.params.direct}
        return stored + sum(math.prod(shape) for shape in shapes.values())

    @cached_property
    def levels(self) -> IntArray:
        """Level of each group: 0 for leaves, else 1 + the highest level of its inputs."""
        levels = np.zeros(len(self.groups), dtype=np.int64)
        for position, group in enumerate(self.groups):
            if group.inputs:
                levels[position] = 1 + max(levels[i] for i in group.inputs)
        return levels

    @property
    def depth(self) -> int:
        """Edges on the longest path from a root to a leaf."""
        return int(max(self.levels[root.group] for root in self.roots))

    def _group_edges(self, group: Group) -> int:
        if group.kind == "leaf":
            return 0
        if isinstance(group.edges, SparseEdges):
            return len(group.edges.children)
        if group.edges == "dense":
            return group.size * self._input_units(group)
        return group.size * len(group.inputs)

    def _input_units(self, group: Group) -> int:
        return sum(self.groups[i].size for i in group.inputs)

    def parameter_shape(self, group: LeafGroup | SumGroup) -> tuple[int, ...]:
        """The shape that the parameter tensor of `group` must have."""
        if group.kind == "leaf":
            return (len(group.variables), group.size, *group.family.parameter_shape)
        if isinstance(group.edges, SparseEdges):
            return (len(group.edges.children),)
        if group.edges == "dense":
            return (group.size, self._input_units(group))
        return (group.size, len(group.inputs))

    # -- scopes and variables ------------------------------------------------------------

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """Scope of each group: the variables that appear below it."""
        scopes: list[Scope] = []
        for group in self.groups:
            if group.kind == "leaf":
                scopes.append(Scope.from_iterable(group.variables))
            else:
                bits = 0
                for i in group.inputs:
                    bits |= scopes[i].bits
                scopes.append(Scope(bits))
        return tuple(scopes)

    @cached_property
    def domains(self) -> Mapping[int, Support]:
        """Domain of every variable that some leaf mentions."""
        domains: dict[int, Support] = {}
        for group in self.groups:
            if group.kind == "leaf":
                for v in group.variables:
                    domains[v] = _wider(domains.get(v), group.family.support)
        return domains

    def domain(self, variable: int) -> Support:
        """Values that the leaves of a variable admit (the widest where they differ).

        Raises EvidenceError if no leaf mentions the variable.
        """
        try:
            return self.domains[variable]
        except KeyError:
            name = self.variables[variable]
            raise EvidenceError(f"no leaf of the circuit mentions variable {name}") from None

    def root_unit(self, number: int = 0) -> Unit:
        """The root with this number. Raises NotFoundError."""
        if not 0 <= number < len(self.roots):
            raise NotFoundError(
                f"there is no root {number}; the roots are 0 to {len(self.roots) - 1}"
            )
        return self.roots[number]

    def scope_of(self, root: int) -> Scope:
        """The variables that the root with this number depends on. Raises NotFoundError."""
        return self.scopes[self.root_unit(root).group]

    def variable_index(self, name: str) -> int:
        """Column of a variable. Raises EvidenceError if the name is unknown."""
        try:
            return self._variable_positions[name]
        except KeyError:
            shown = ", ".join(self.variables[:8]) + (", ..." if len(self.variables) > 8 else "")
            raise EvidenceError(f"the circuit has no variable {name!r}; it has {shown}") from None

    @cached_property
    def _variable_positions(self) -> Mapping[str, int]:
        return {name: v for v, name in enumerate(self.variables)}

    # -- units ---------------------------------------------------------------------------

    @cached_property
    def _group_positions(self) -> Mapping[str, int]:
        return {group.name: position for position, group in enumerate(self.groups)}

    def group_index(self, name: str) -> int:
        """Position of the group with this name. Raises NotFoundError."""
        try:
            return self._group_positions[name]
        except KeyError:
            raise NotFoundError(f"the circuit has no group {name!r}") from None

    def unit_name(self, unit: Unit) -> str:
        """`name` for a group of one unit, else `name[index]`."""
        group = self.groups[unit.group]
        return group.name if group.size == 1 else f"{group.name}[{unit.index}]"

    def children(self, unit: Unit) -> list[Edge]:
        """The edges below a unit, expanded only now."""
        group = self.groups[unit.group]
        if group.kind == "leaf":
            return []
        sizes = [self.groups[i].size for i in group.inputs]
        if isinstance(group.edges, SparseEdges):
            flat = group.edges.row(unit.index)
            first = int(group.edges.offsets[unit.index])
            units = _locate(flat, group.inputs, sizes)
        elif group.edges == "dense":
            units = [Unit(i, k) for i, n in zip(group.inputs, sizes, strict=True) for k in range(n)]
            first = 0
        elif group.edges == "kronecker":
            indices = np.unravel_index(unit.index, sizes)
            units = [Unit(i, int(k)) for i, k in zip(group.inputs, indices, strict=True)]
            first = 0
        else:
            units = [Unit(i, unit.index) for i in group.inputs]
            first = 0
        if group.kind == "product":
            return [Edge(child, None) for child in units]
        weights = self.params[group.parameter]
        row = weights[first : first + len(units)] if weights.ndim == 1 else weights[unit.index]
        return [Edge(child, w) for child, w in zip(units, row.tolist(), strict=True)]

    # -- derived circuits ----------------------------------------------------------------

    def with_params(self, params: Mapping[str, Tensor]) -> Circuit:
        """The same structure with another parameter store (the structure is shared)."""
        copy = self._copy(params=params if isinstance(params, Params) else Params(params))
        copy.__dict__.pop("num_parameters", None)  # the one thing kept that depends on the store
        return copy

    def with_meta(self, meta: Mapping[str, Json]) -> Circuit:
        """The same circuit with other notes."""
        return self._copy(meta=MappingProxyType(dict(meta)))

    def with_roots(self, roots: Sequence[tuple[int, int]]) -> Circuit:
        """The same units seen from other roots. Raises GraphError for units that do not exist."""
        return Circuit(self.groups, roots, self.variables, self.params, self.meta)

    def _copy(self, **changes: object) -> Circuit:
        # The structure was checked when this circuit was made; it is not checked again.
        copy = object.__new__(Circuit)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(changes)
        return copy

    def validate_params(self) -> None:
        """Raise ParameterError unless every group has legal parameters of its shape."""
        for group in self.groups:
            if group.kind == "product":
                continue
            made = self.params.shapes if isinstance(self.params, Generated) else {}
            if made.get(group.parameter) == self.parameter_shape(group):
                continue  # normalised by construction
            tensor = self.params.get(group.parameter)
            if tensor is None:
                raise ParameterError(f"parameter {group.parameter!r} is missing", where=group.name)
            expected = self.parameter_shape(group)
            if tuple(tensor.shape) != expected:
                raise ParameterError(
                    f"parameter {group.parameter!r} has the shape {list(tensor.shape)}, "
                    f"not {list(expected)}",
                    where=group.name,
                )
            if not tensor.is_floating_point():
                raise ParameterError(
                    f"parameter {group.parameter!r} holds {tensor.dtype}, not floating point",
                    where=group.name,
                )
            if group.kind == "leaf":
                try:
                    group.family.validate(tensor)
                except ParameterError as error:
                    raise ParameterError(error.message, where=group.name) from None
            else:
                _check_weights(group, tensor)

    def __reduce__(self) -> tuple[type[Circuit], tuple[object, ...]]:
        # What is derived is derived again; mapping proxies cannot be copied.
        parts = (self.groups, self.roots, self.variables, self.params, dict(self.meta))
        return Circuit, parts

    def __repr__(self) -> str:
        return (
            f"Circuit({len(self.variables)} variables, {len(self.groups)} groups, "
            f"{self.num_units} units, {self.num_edges} edges, {self.num_parameters} parameters)"
        )


def _wider(first: Support | None, second: Support) -> Support:
    """The support that contains both, as far as a domain can be said to."""
    if first is None or first == second:
        return second
    if "real" in (first.kind, second.kind):
        return Support("real")
    if first.states is None or second.states is None:
        return Support("count")
    return Support("finite", max(first.states, second.states))


def _locate(flat: IntArray, inputs: tuple[int, ...], sizes: list[int]) -> list[Unit]:
    """Units at flat positions of the concatenated input groups."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    which = np.searchsorted(starts, flat, side="right") - 1
    return [Unit(inputs[int(w)], int(p - starts[w])) for w, p in zip(which, flat, strict=True)]


def _check_weights(group: SumGroup, weights: Tensor) -> None:
    for legal, what in (
        (torch.isfinite(weights), "is not finite"),
        (weights >= 0, "is negative"),
    ):
        if not bool(legal.all()):
            position = torch.nonzero(~legal)[0].tolist()
            value = float(weights[tuple(position)])
            raise ParameterError(f"weight {value:g} at {position} {what}", where=group.name)
