"""Checking the groups of a document one by one: types, names, references, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
import torch

from pccore.errors import FileError, NotFoundError, ParameterError
from pccore.files import checks
from pccore.files.base import Limits
from pccore.files.structure import DEFAULT_EDGES, DTYPES
from pccore.graph import MAX_EDGES, SparseEdges
from pccore.leaves import LeafFamily, families, family_from_dict

#: How many edges the tensor of a group's sparse edges holds, by the group's name.
EdgeCount = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One checked group.

    edges: a word, inline rows, or None for a tensor. shape: of its parameter, None for
    products. entry: the object it was read from (for "values").
    """

    name: str
    kind: str
    size: int
    inputs: tuple[int, ...]
    edges: str | SparseEdges | None
    family: LeafFamily | None
    variables: tuple[int, ...]
    parameter: str
    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    entry: Mapping[str, object]


def read_dtype(value: object, where: str | None) -> torch.dtype:
    """The floating-point type of that name."""
    found = DTYPES.get(value) if isinstance(value, str) else None
    if found is None:
        raise FileError(
            f"there is no dtype {checks.shown(value)}", where=where, hint=", ".join(DTYPES)
        )
    return found


class GroupReader:
    """Checks groups one after the other; what it knows of the earlier ones grows."""

    def __init__(self, limits: Limits, variables: tuple[str, ...], edge_count: EdgeCount) -> None:
        self.limits = limits
        self.columns = {name: v for v, name in enumerate(variables)}
        self.edge_count = edge_count
        self.plans: list[GroupPlan] = []
        self.positions: dict[str, int] = {}
        self.owner: dict[str, int] = {}
        self.units = 0
        self.edges = 0
        self.parameters = 0
        self.families: dict[str, LeafFamily] = {}

    def add(self, position: int, value: object) -> None:
        """Check the group at `position` and append its plan."""
        name, kind, where = self._name_and_kind(position, value)
        own = ("family", "variables") if kind == "leaf" else ("inputs",)
        optional = ("size",) if kind == "leaf" else ("size", "edges")
        if kind != "product":
            optional = (*optional, "parameter", "values", "dtype")
        entry = checks.fields(value, f"the {kind}", ("name", "kind", *own), optional, where)
        size = checks.integer(entry.get("size", 1), "size", 1, self.limits.max_units, where)
        self.units += size
        if self.units > self.limits.max_units:
            raise FileError(
                f"more than {self.limits.max_units} units",
                where=where,
                hint=self.limits.way_out("max_units"),
            )
        family, variables, inputs = None, (), ()
        edges: str | SparseEdges | None = ""
        if kind == "leaf":
            family = self._family(entry["family"], where)
            variables = self._leaf_variables(entry["variables"], where)
            shape = (len(variables), size, *family.parameter_shape)
        else:
            inputs = self._inputs(entry["inputs"], where)
            edges, shape = self._edges(name, kind, size, inputs, entry, where)
        parameter = ""
        if kind == "product":
            shape = None
        else:
            parameter = checks.name(
                entry.get("parameter", name), "the parameter id", self.limits, where
            )
            self._own(parameter, position, shape, entry, where)
        dtype = read_dtype(entry["dtype"], where) if "dtype" in entry else None
        self.positions[name] = position
        self.plans.append(
            GroupPlan(
                name, kind, size, inputs, edges, family, variables, parameter, shape, dtype, entry
            )
        )

    def root(self, value: object, number: int) -> tuple[int, int]:
        """(group, index) of one entry of "roots"."""
        where = f"roots[{number}]"
        reference, index = value, 0
        if isinstance(value, list):
            pair = cast("list[object]", value)
            if len(pair) != 2:
                raise FileError("a root is a group, or a group and an index", where=where)
            reference = pair[0]
            index = checks.integer(pair[1], "the index", 0, checks.MAX_INTEGER, where)
        position = self._reference(reference, where)
        plan = self.plans[position]
        if index >= plan.size:
            raise FileError(
                f"group {plan.name} has {plan.size} units, none of index {index}", where=where
            )
        return position, index

    def _name_and_kind(self, position: int, value: object) -> tuple[str, str, str]:
        where = f"group number {position}"
        if not isinstance(value, dict):
            raise FileError(f"a group must be an object, not {checks.shown(value)}", where=where)
        entry = cast("dict[str, object]", value)
        name = checks.name(entry.get("name"), "the group name", self.limits, where)
        if name in self.positions:
            raise FileError(f"two groups are named {checks.shown(name)}", where=where)
        kind = entry.get("kind")
        if kind not in ("leaf", "sum", "product"):
            raise FileError(
                f"kind must be leaf, sum or product, not {checks.shown(kind)}",
                where=f"group {name}",
            )
        return name, kind, f"group {name}"

    def _family(self, value: object, where: str) -> LeafFamily:
        # The same few families recur in most groups; their description is small.
        small = isinstance(value, str) or (isinstance(value, dict) and len(cast(Any, value)) < 9)
        key = repr(value) if small else ""
        known = self.families.get(key)
        if known is not None:
            return known
        description = {"family": value} if isinstance(value, str) else value
        if not isinstance(description, dict):
            raise FileError(f"there is no family {checks.shown(value)}", where=where)
        given = cast("dict[str, object]", description)
        try:
            family = family_from_dict(_typed(given, where))
        except (NotFoundError, ParameterError) as error:
            raise FileError(error.message[:300], where=where) from None
        if key:
            self.families[key] = family
        return family

    def _leaf_variables(self, value: object, where: str) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for entry in checks.items(value, "variables", where):
            if isinstance(entry, str):
                v = self.columns.get(entry)
                if v is None:
                    raise FileError(f"there is no variable {checks.shown(entry)}", where=where)
            else:
                v = checks.integer(entry, "a variable", 0, len(self.columns) - 1, where)
            if v in found:
                raise FileError(f"variable {checks.shown(entry)} appears twice", where=where)
            found[v] = None
        if not found:
            raise FileError("a leaf needs at least one variable", where=where)
        return tuple(found)

    def _inputs(self, value: object, where: str) -> tuple[int, ...]:
        entries = checks.items(value, "inputs", where)
        if not entries:
            raise FileError("a sum or product needs at least one input", where=where)
        return tuple([self._reference(entry, where) for entry in entries])

    def _reference(self, value: object, where: str) -> int:
        if isinstance(value, str):
            position = self.positions.get(value)
            if position is None:
                raise FileError(
                    f"there is no group {checks.shown(value)} before it",
                    where=where,
                    hint="groups are listed children first, which a cycle cannot be",
                )
            return position
        position = checks.integer(value, "a group", 0, checks.MAX_INTEGER, where)
        if position >= len(self.plans):
            raise FileError(
                f"input {position} is not an earlier group",
                where=where,
                hint="groups are listed children first, which a cycle cannot be",
            )
        return position

    def _edges(
        self,
        name: str,
        kind: str,
        size: int,
        inputs: tuple[int, ...],
        entry: Mapping[str, object],
        where: str,
    ) -> tuple[str | SparseEdges | None, tuple[int, ...]]:
        value = entry.get("edges", DEFAULT_EDGES[kind])
        sizes = [self.plans[i].size for i in inputs]
        if value == "tensor" or isinstance(value, list):
            if size * len(inputs) > self.limits.max_sparse_cells:
                raise FileError(
                    f"sparse edges over too many inputs: {size} units of {len(inputs)}",
                    where=where,
                    hint=self.limits.way_out("max_sparse_cells"),
                )
            edges = None if value == "tensor" else _rows(cast("list[object]", value), size, where)
            count = self.edge_count(name) if edges is None else len(edges.children)
            self._count(count, where)
            return edges, (count,)
        words = ("dense", "elementwise") if kind == "sum" else ("hadamard", "kronecker")
        if value not in words:
            raise FileError(
                f"edges of a {kind} are {words[0]}, {words[1]} or a list, "
                f"not {checks.shown(value)}",
                where=where,
            )
        if value == "dense":
            self._count(size * sum(sizes), where)
            return "dense", (size, sum(sizes))
        if value == "kronecker":
            _check_kronecker(size, sizes, where)
        elif any(n != size for n in sizes):
            other = next(n for n in sizes if n != size)
            raise FileError(f"{value} edges need inputs of {size} units, not {other}", where=where)
        self._count(size * len(inputs), where)
        return cast(str, value), (size, len(inputs))

    def _count(self, edges: int, where: str) -> None:
        self.edges += edges
        if self.edges > MAX_EDGES:
            raise FileError(f"more than {MAX_EDGES} edges", where=where)

    def _own(
        self,
        parameter: str,
        position: int,
        shape: tuple[int, ...],
        entry: Mapping[str, object],
        where: str,
    ) -> None:
        first = self.owner.setdefault(parameter, position)
        if first == position:
            self.parameters += math.prod(shape)
            if self.parameters > self.limits.max_parameters:
                raise FileError(
                    f"more than {self.limits.max_parameters} parameters",
                    where=where,
                    hint=self.limits.way_out("max_parameters"),
                )
            return
        plan = self.plans[first]
        if plan.shape != shape:
            raise FileError(
                f"it shares parameter {checks.shown(parameter)} of shape {list(plan.shape or ())} "
                f"with {plan.name} but needs the shape {list(shape)}",
                where=where,
            )
        for key in ("values", "dtype"):
            if key in entry:
                raise FileError(
                    f"it shares parameter {checks.shown(parameter)} with {plan.name}, which "
                    f"has its {key} already",
                    where=where,
                )


def _typed(description: Mapping[str, object], where: str) -> dict[str, object]:
    """Hyperparameters of the types that the family declares (int fields take no floats)."""
    name = description.get("family")
    family = families().get(name) if isinstance(name, str) else None
    if family is None:
        known = ", ".join(sorted(families()))
        raise FileError(f"there is no leaf family {checks.shown(name)}", where=where, hint=known)
    types = {field.name: str(field.type) for field in fields(family)}
    checks.fields(description, f"family {name}", ("family",), tuple(types), where)
    typed: dict[str, object] = {"family": name}
    for key, value in description.items():
        if key == "family":
            continue
        if types[key] == "int":
            typed[key] = checks.integer(value, key, -checks.MAX_INTEGER, checks.MAX_INTEGER, where)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise FileError(f"{key} must be a number, not {checks.shown(value)}", where=where)
        elif not abs(value) <= 1e300:
            raise FileError(f"{key} is out of range", where=where)
        else:
            typed[key] = float(value)
    return typed


def _check_kronecker(size: int, sizes: list[int], where: str) -> None:
    # Multiplied out with an early end: the whole product may have a million digits.
    units = 1
    for n in sizes:
        units *= n
        if units > size:
            break
    if units != size:
        told = f"more than {size}" if units > size else str(units)
        raise FileError(f"kronecker edges make {told} units, not {size}", where=where)


def _rows(rows: list[object], size: int, where: str) -> SparseEdges:
    if len(rows) != size:
        raise FileError(f"edges have {len(rows)} rows for {size} units", where=where)
    flat: list[int] = []
    offsets = [0]
    for row in rows:
        children = checks.items(row, "a row of edges", where)
        if not children:
            raise FileError("every unit needs at least one child", where=where)
        for child in children:
            flat.append(checks.integer(child, "a child", 0, checks.MAX_INTEGER, where))
        offsets.append(len(flat))
    return SparseEdges(np.array(offsets, dtype=np.int64), np.array(flat, dtype=np.int64))
