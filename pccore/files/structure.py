"""The structure of a circuit as plain values: the part that all native formats share.

A document is

    {"format": "pccore", "version": 1, "dtype": "float64", "variables": ["X1", ...],
     "meta": {...}, "groups": [GROUP, ...], "roots": [ROOT, ...]}

with groups in topological order, children first. A GROUP is one of

    {"name", "kind": "leaf", "family": FAMILY, "variables": [REF, ...]}
    {"name", "kind": "sum" | "product", "inputs": [REF, ...]}

plus, where they differ from the default, "size" (1), "edges" ("dense" for sums,
"hadamard" for products; a list of rows of child positions, or "tensor"), "parameter" (the
group's name) and "dtype" (the document's). FAMILY is the family's name, or an object of
the name and its hyperparameters. A REF is a name or a position, a ROOT is a REF or
[REF, index]. Where parameters are inline, "values" stands in the first group that uses
the parameter.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch

from pccore.errors import FileError
from pccore.files import checks
from pccore.files.base import Limits
from pccore.graph import Circuit, Group, Json, SparseEdges

FORMAT_NAME = "pccore"
VERSION = 1

#: Floating-point types of parameters, by their name in files.
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "float64": torch.float64,
        "float32": torch.float32,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
    }
)
DTYPE_NAMES: Mapping[torch.dtype, str] = MappingProxyType({d: n for n, d in DTYPES.items()})

DEFAULT_EDGES: Mapping[str, str] = MappingProxyType({"sum": "dense", "product": "hadamard"})

Reference = Literal["name", "position"]


def head(circuit: Circuit, dtype: torch.dtype | None, limits: Limits) -> dict[str, Json]:
    """Everything of the document but "groups" and "roots".

    Raises FileError for variable names and notes that a file cannot hold.
    """
    for variable in circuit.variables:
        checks.name(variable, "the variable name", limits)
    document: dict[str, Json] = {"format": FORMAT_NAME, "version": VERSION}
    if dtype is not None:
        document["dtype"] = DTYPE_NAMES[dtype]
    document["variables"] = list(circuit.variables)
    document["meta"] = checks.plain_meta(circuit.meta, limits)
    return document


def encode_group(
    circuit: Circuit, group: Group, reference: Reference, inline_edges: int, limits: Limits
) -> dict[str, Json]:
    """One group without its parameter values.

    reference: whether variables and inputs are written as names or as positions.
    inline_edges: sparse edges of more children than this become "tensor".

    Raises FileError for names that a file cannot hold.
    """
    where = f"group {checks.name(group.name, 'the group name', limits)}"
    entry: dict[str, Json] = {"name": group.name, "kind": group.kind}
    if group.kind == "leaf":
        family = group.family.to_dict()
        entry["family"] = family["family"] if len(family) == 1 else family
        entry["variables"] = (
            [circuit.variables[v] for v in group.variables]
            if reference == "name"
            else list(group.variables)
        )
    else:
        entry["inputs"] = (
            [circuit.groups[i].name for i in group.inputs]
            if reference == "name"
            else list(group.inputs)
        )
    if group.size != 1:
        entry["size"] = group.size
    if group.kind != "leaf":
        if isinstance(group.edges, SparseEdges):
            big = len(group.edges.children) > inline_edges
            entry["edges"] = "tensor" if big else _rows(group.edges)
        elif group.size != 1 or group.edges != DEFAULT_EDGES[group.kind]:
            entry["edges"] = group.edges
    if group.kind != "product":
        checks.name(group.parameter, "the parameter id", limits, where)
        if group.parameter != group.name:
            entry["parameter"] = group.parameter
    return entry


def encode_roots(circuit: Circuit, reference: Reference) -> list[Json]:
    """The roots, as short as they can be written."""
    roots: list[Json] = []
    for root in circuit.roots:
        group = circuit.groups[root.group]
        ref = group.name if reference == "name" else root.group
        roots.append(ref if group.size == 1 else [ref, root.index])
    return roots


def used_parameters(circuit: Circuit) -> dict[str, str]:
    """Parameter ids in order of first use, with the name of their first group."""
    used: dict[str, str] = {}
    for group in circuit.groups:
        if group.kind != "product":
            used.setdefault(group.parameter, group.name)
    return used


def check_storable(circuit: Circuit, limits: Limits) -> None:
    """Refuse now what `load` would refuse later.

    Raises FileError when a count passes `limits` or a parameter's dtype has no name here.
    """
    for count, most, what in (
        (len(circuit.groups), limits.max_groups, "groups"),
        (circuit.num_units, limits.max_units, "units"),
        (len(circuit.variables), limits.max_variables, "variables"),
        (circuit.num_parameters, limits.max_parameters, "parameters"),
        (len(circuit.groups) * len(circuit.variables), limits.max_scope_bits, "scope bits"),
    ):
        if count > most:
            raise FileError(f"{count} {what} are more than the {most} that a file may hold")
    for group in circuit.groups:
        if group.kind == "leaf":
            continue
        if (
            isinstance(group.edges, SparseEdges)
            and group.size * len(group.inputs) > limits.max_sparse_cells
        ):
            raise FileError(
                f"sparse edges over too many inputs: {group.size} units of {len(group.inputs)}",
                where=f"group {group.name}",
                hint=limits.way_out("max_sparse_cells"),
            )
    for parameter, name in used_parameters(circuit).items():
        dtype = circuit.params[parameter].dtype
        if dtype not in DTYPE_NAMES:
            raise FileError(f"parameters of {dtype} cannot be stored", where=f"group {name}")


def _rows(edges: SparseEdges) -> list[Json]:
    flat: list[Json] = edges.children.astype(np.int64).tolist()
    offsets: list[int] = edges.offsets.astype(np.int64).tolist()
    return [flat[a:b] for a, b in itertools.pairwise(offsets)]
