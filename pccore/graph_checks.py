"""What a list of groups must satisfy to be a circuit at all; raised as GraphError."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pccore.errors import GraphError
from pccore.groups import Group, ProductGroup, SparseEdges, SumGroup
from pccore.scope import Scope


def check_names(groups: Sequence[Group], variables: Sequence[str]) -> None:
    """Groups and variables need distinct names."""
    if len({group.name for group in groups}) != len(groups):
        raise GraphError(f"two groups are named {_repeated([g.name for g in groups])!r}")
    if len(set(variables)) != len(variables):
        raise GraphError(f"two variables are named {_repeated(variables)!r}")


def _repeated(names: Sequence[str]) -> str:
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name is repeated")


def check_inputs(position: int, group: Group) -> None:
    """A group needs units and inputs that come before it."""
    if group.size < 1:
        raise GraphError(f"a group needs at least one unit, not {group.size}", where=group.name)
    if group.kind != "leaf" and not group.inputs:
        raise GraphError(f"a {group.kind} needs at least one input", where=group.name)
    for i in group.inputs:
        if not 0 <= i < position:
            raise GraphError(
                f"input {i} is not an earlier group: groups must come children first, "
                "which a cycle cannot",
                where=group.name,
            )


def check_edges(
    group: Group, groups: Sequence[Group], scopes: Sequence[Scope], variables: Sequence[str]
) -> None:
    """The edges of a group must fit the sizes, and its units share one scope."""
    if group.kind == "leaf":
        for v in group.variables:
            if not 0 <= v < len(variables):
                raise GraphError(
                    f"leaf over variable {v}, but the circuit has {len(variables)}",
                    where=group.name,
                )
        if not group.variables or len(set(group.variables)) != len(group.variables):
            raise GraphError("a leaf needs one or more distinct variables", where=group.name)
        return
    sizes = [groups[i].size for i in group.inputs]
    edges = group.edges
    if isinstance(edges, SparseEdges):
        _check_sparse(group, edges, sizes, [scopes[i].bits for i in group.inputs])
        return
    if edges not in (
        ("dense", "elementwise") if group.kind == "sum" else ("hadamard", "kronecker")
    ):
        raise GraphError(f"a {group.kind} cannot have {edges!r} edges", where=group.name)
    if edges in ("elementwise", "hadamard") and any(size != group.size for size in sizes):
        raise GraphError(
            f"{edges} edges need inputs of {group.size} units, not {_short(sizes)}",
            where=group.name,
        )
    if edges == "kronecker" and not _makes(sizes, group.size):
        raise GraphError(
            f"kronecker edges over inputs of {_short(sizes)} units do not make {group.size} units",
            where=group.name,
        )


def _makes(sizes: Sequence[int], size: int) -> bool:
    """Whether the product of `sizes` is `size`, without ever computing a huge product."""
    product = 1
    for factor in sizes:
        product *= factor
        if product > size:
            return False
    return product == size


def _short(sizes: Sequence[int]) -> str:
    shown = ", ".join(str(size) for size in sizes[:8])
    return f"[{shown}, ...]" if len(sizes) > 8 else f"[{shown}]"


def _check_sparse(
    group: SumGroup | ProductGroup, edges: SparseEdges, sizes: list[int], input_scopes: list[int]
) -> None:
    offsets, children = edges.offsets, edges.children
    if offsets.dtype.kind not in "iu" or children.dtype.kind not in "iu":
        raise GraphError("sparse offsets and children must be integers", where=group.name)
    if len(offsets) != group.size + 1 or offsets[0] != 0 or offsets[-1] != len(children):
        raise GraphError(
            f"sparse offsets must run from 0 to {len(children)} in {group.size + 1} steps",
            where=group.name,
        )
    if not np.all(offsets[1:] > offsets[:-1]):  # not np.diff, which wraps around
        raise GraphError("every unit needs at least one child", where=group.name)
    if len(children) and (children.min() < 0 or children.max() >= sum(sizes)):
        raise GraphError(f"sparse children must be below {sum(sizes)}", where=group.name)
    # One scope per group is what "group" means; only rows that skip an input can differ.
    which = np.searchsorted(np.cumsum(sizes), children, side="right")
    touched = np.zeros((group.size, len(sizes)), dtype=bool)
    touched[np.repeat(np.arange(group.size), np.diff(offsets)), which] = True
    patterns = np.unique(touched, axis=0)
    if len(patterns) == 1 and bool(patterns.all()):
        return
    scopes = set[int]()
    for pattern in patterns:
        bits = 0
        for hit, scope in zip(pattern, input_scopes, strict=True):
            bits |= scope if hit else 0
        scopes.add(bits)
    union = 0
    for scope in input_scopes:
        union |= scope
    if scopes != {union}:
        raise GraphError(
            "the units of one group must have one scope; split the group", where=group.name
        )
