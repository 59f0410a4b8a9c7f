"""Several circuits as one: their mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pccore.errors import GraphError, ParameterError
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit


def join(
    circuits: Sequence[Circuit],
    weights: Sequence[float],
    meta: Mapping[str, Json] | None = None,
) -> Circuit:
    """The circuit of sum_i weights[i] * S_i; with several roots, root r of all circuits is mixed.

    Where each S_i is a distribution and the weights sum to 1, it is their mixture. Names and
    parameter ids of circuit i get the prefix "ci."; ties within a circuit stay. One circuit of
    weight 1 comes back as it is, with the notes of `meta` if given.

    Raises GraphError for circuits of other variables or another number of roots, or where there
    is none; ParameterError for a weight that is negative or not finite.
    """
    if not circuits or len(weights) != len(circuits):
        raise GraphError(f"{len(weights)} weights for {len(circuits)} circuits")
    first = circuits[0]
    for circuit in circuits[1:]:
        if circuit.variables != first.variables:
            raise GraphError("the circuits have different variables")
        if len(circuit.roots) != len(first.roots):
            raise GraphError("the circuits have different numbers of roots")
    for weight in weights:
        if not 0 <= weight < float("inf"):
            raise ParameterError(f"the weight {weight:g} is not finite and at least 0")
    if len(circuits) == 1 and weights[0] == 1:
        return first if meta is None else first.with_meta(meta)
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    tops: list[list[Unit]] = []
    for number, circuit in enumerate(circuits):
        start, prefix = len(groups), f"c{number}."
        groups += [_moved(group, start, prefix) for group in circuit.groups]
        params |= {prefix + name: values for name, values in circuit.params.items()}
        tops.append([Unit(start + g, k) for g, k in circuit.roots])
    roots: list[Unit] = []
    dtype = next(iter(params.values())).dtype if params else torch.float64
    for r in range(len(first.roots)):
        name = "mixture" if len(first.roots) == 1 else f"mixture[{r}]"
        units = [top[r] for top in tops]
        inputs = tuple(unit.group for unit in units)
        sizes = [groups[i].size for i in inputs]
        row = torch.tensor(list(weights), dtype=dtype)
        edges = _edges([unit.index for unit in units], sizes)
        params[name] = row[None] if edges == "dense" else row
        groups.append(SumGroup(name, 1, inputs, name, edges))
        roots.append(Unit(len(groups) - 1, 0))
    return Circuit(groups, roots, first.variables, params, meta)


def _edges(indices: list[int], sizes: list[int]) -> SparseEdges | Literal["dense"]:
    """From one unit to the unit of this index in each input."""
    if all(size == 1 for size in sizes):
        return "dense"
    starts = np.cumsum([0, *sizes[:-1]])
    children = (starts + np.array(indices)).astype(np.int64)
    return SparseEdges(np.array([0, len(children)], dtype=np.int64), children)


def _moved(group: Group, start: int, prefix: str) -> Group:
    """The group behind `start` others, under a longer name."""
    name = prefix + group.name
    if isinstance(group, LeafGroup):
        return replace(group, name=name, parameter=prefix + group.parameter)
    inputs = tuple(start + i for i in group.inputs)
    if isinstance(group, ProductGroup):
        return replace(group, name=name, inputs=inputs)
    return replace(group, name=name, inputs=inputs, parameter=prefix + group.parameter)
