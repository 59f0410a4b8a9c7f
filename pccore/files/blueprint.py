"""Reading a document (see `structure`): first a checked plan, then the circuit.

The plan knows every shape and count, so that sizes are bounded before anything of that
size exists, and so that a model can be described without its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from pccore.errors import FileError
from pccore.files import checks
from pccore.files.base import Limits, ModelInfo
from pccore.files.group_reader import EdgeCount, GroupPlan, GroupReader, read_dtype
from pccore.files.structure import FORMAT_NAME, VERSION
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SparseEdges, SumGroup


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A checked document: `owner` maps a parameter id to the first group that uses it.

    generated: the weights of dense sums come from a network.
    """

    variables: tuple[str, ...]
    meta: Mapping[str, Json]
    groups: tuple[GroupPlan, ...]
    roots: tuple[tuple[int, int], ...]
    dtype: torch.dtype | None
    owner: Mapping[str, int]
    edges: int
    generated: bool

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """[size, inputs] of what a network generates, by id."""
        if not self.generated:
            return {}
        plans = {name: self.groups[first] for name, first in self.owner.items()}
        return {
            name: (plan.shape[0], plan.shape[1])
            for name, plan in plans.items()
            if plan.kind == "sum" and plan.edges == "dense" and plan.shape is not None
        }

    @property
    def parameters(self) -> int:
        """Numbers in the parameter store that can be learned, without those of a network."""
        made = self.shapes
        plans = (self.groups[first] for name, first in self.owner.items() if name not in made)
        return sum(
            math.prod(plan.shape)
            for plan in plans
            if plan.shape is not None and (plan.family is None or plan.family.trainable)
        )

    def info(self, format_name: str, size: int, network: int = 0) -> ModelInfo:
        """The summary that `describe` returns; network: numbers of the network, if any."""
        return ModelInfo(
            format=format_name,
            title=str(self.meta.get("title", "")),
            story=str(self.meta.get("story", "")),
            variables=len(self.variables),
            groups=len(self.groups),
            units=sum(group.size for group in self.groups),
            edges=self.edges,
            parameters=self.parameters + network,
            bytes=size,
        )

    def circuit(
        self, params: Mapping[str, Tensor], sparse: Callable[[GroupPlan], SparseEdges]
    ) -> Circuit:
        """The circuit over `params`; `sparse` brings the edges that are tensors.

        Raises GraphError for what `Circuit` finds wrong.
        """
        groups = [_group(plan, sparse) for plan in self.groups]
        return Circuit(groups, self.roots, self.variables, params, self.meta)


def read_meta(document: object, limits: Limits) -> dict[str, Json]:
    """The checked notes of a document of a version that can be read."""
    meta = _versioned(document).get("meta", {})
    if not isinstance(meta, dict):
        raise FileError(f"meta must be an object, not {checks.shown(meta)}")
    return checks.plain_meta(cast("dict[str, Json]", meta), limits)


def read(document: object, limits: Limits, edge_count: EdgeCount) -> Blueprint:
    """Check a parsed document against the schema and `limits`.

    Raises FileError that names the group (or key) at fault.
    """
    meta = read_meta(document, limits)
    top = checks.fields(
        document,
        "the document",
        ("format", "version", "variables", "groups", "roots"),
        ("dtype", "meta", "generated"),
    )
    made = top.get("generated", False)
    if not isinstance(made, bool):
        raise FileError(f"generated must be true or false, not {checks.shown(made)}")
    variables = _variables(top["variables"], limits)
    entries = checks.items(top["groups"], "groups")
    if len(entries) > limits.max_groups:
        raise FileError(
            f"{len(entries)} groups are more than the {limits.max_groups} allowed",
            hint=limits.way_out("max_groups"),
        )
    if len(entries) * len(variables) > limits.max_scope_bits:
        raise FileError(
            f"{len(entries)} groups over {len(variables)} variables are too many",
            hint=limits.way_out("max_scope_bits"),
        )
    dtype = read_dtype(top["dtype"], None) if "dtype" in top else None
    reader = GroupReader(limits, variables, edge_count)
    for position, entry in enumerate(entries):
        reader.add(position, entry)
    roots = tuple(
        reader.root(root, number) for number, root in enumerate(checks.items(top["roots"], "roots"))
    )
    if not roots:
        raise FileError("the model has no root", hint="list the top group under roots")
    return Blueprint(
        variables, meta, tuple(reader.plans), roots, dtype, reader.owner, reader.edges, made
    )


def _versioned(document: object) -> dict[str, object]:
    if not isinstance(document, dict):
        raise FileError(f"a model is a JSON object, not {checks.shown(document)}")
    found = cast("dict[str, object]", document)
    if found.get("format") != FORMAT_NAME:
        raise FileError(
            f"this is not a {FORMAT_NAME} model: its format is {checks.shown(found.get('format'))}"
        )
    version = checks.integer(found.get("version"), "version", 1, checks.MAX_INTEGER)
    if version > VERSION:
        raise FileError(
            f"the model was written in version {version} of the schema, newer than version "
            f"{VERSION}, which this program reads",
            hint="update pc-workbench",
        )
    return found


def _variables(value: object, limits: Limits) -> tuple[str, ...]:
    entries = checks.items(value, "variables")
    if len(entries) > limits.max_variables:
        raise FileError(
            f"{len(entries)} variables are more than the {limits.max_variables} allowed",
            hint=limits.way_out("max_variables"),
        )
    names: dict[str, None] = {}
    for entry in entries:
        name = checks.name(entry, "the variable name", limits)
        if name in names:
            raise FileError(f"two variables are named {checks.shown(name)}")
        names[name] = None
    return tuple(names)


def _group(plan: GroupPlan, sparse: Callable[[GroupPlan], SparseEdges]) -> Group:
    if plan.family is not None:
        return LeafGroup(plan.name, plan.size, plan.family, plan.variables, plan.parameter)
    edges = sparse(plan) if plan.edges is None else plan.edges
    # The reader has matched words with kinds.
    if plan.kind == "sum":
        return SumGroup(plan.name, plan.size, plan.inputs, plan.parameter, cast(Any, edges))
    return ProductGroup(plan.name, plan.size, plan.inputs, cast(Any, edges))
