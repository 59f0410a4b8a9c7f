"""Trees of hidden variables as circuits: each hides behind a region of the data.

Unit k of region v, named Z(v), is the event that the hidden variable of v is in state k: the
region's own distribution in that state, times a sum over the states of each child of v in the
tree, S(child), whose weights are the conditional table. A chain is a hidden Markov model.

Source: Liu and Van den Broeck, "Tractable regularization of probabilistic circuits", 2021,
appendix (hidden Chow-Liu trees).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from pccore.graph import Circuit, Json
from pccore.leaves.base import Summary
from pccore.structures.base import Shape, Size
from pccore.structures.distil import from_clusters
from pccore.structures.drafting import Draft, add_leaf_regions, check_size
from pccore.structures.leaf_groups import LeafOptions, LeafTable, families_of, initial_leaves
from pccore.structures.spanning import Tree

#: Names of regions are not longer than this.
_LONGEST = 24


def add_tree(
    draft: Draft,
    tree: Tree,
    emissions: Sequence[int],
    labels: Sequence[str],
    transition: str | None = None,
) -> int:
    """The position of the states of the tree's root.

    emissions: positions of the distributions of each region in the states of its hidden variable.
    transition: the id of the conditional table where all are tied.
    """
    below = tree.children()
    states = list(emissions)
    for v in reversed(tree.order):
        later = [
            draft.dense(f"S({labels[c]})", [states[c]], draft.groups[states[v]].size, transition)
            for c in below[v]
        ]
        if later:
            states[v] = draft.hadamard(f"Z({labels[v]})", [states[v], *later])
    return states[tree.order[0]]


def labels_of(shape: Shape, regions: Sequence[Sequence[int]]) -> list[str]:
    """Short unique names: of the variable where a region has one, else of the first and last."""
    names = [name.strip() for name in shape.variables]
    short = all(n.isprintable() and 0 < len(n) <= _LONGEST // 2 for n in names)
    if not short or len(set(names)) < len(names):
        names = [str(v) for v in range(len(names))]
    made = [names[r[0]] if len(r) == 1 else f"{names[r[0]]}..{names[r[-1]]}" for r in regions]
    return made if len(set(made)) == len(made) else [f"{m}#{i}" for i, m in enumerate(made)]


def add_emissions(
    draft: Draft,
    shape: Shape,
    regions: Sequence[Sequence[int]],
    labels: Sequence[str],
    units: int,
    options: LeafOptions,
    generator: torch.Generator,
    tied: bool = False,
) -> list[int]:
    """Positions of the `units` factorised leaves of each region.

    tied: regions of equal families have the same parameters. Raises OptionError.
    """
    variables = np.array([v for region in regions for v in region], dtype=np.int64)
    families = families_of(shape, options)
    table = LeafTable.of_rows(np.array([len(r) for r in regions]), variables, families)
    if not tied:
        values = initial_leaves(table, units, generator, shape, options.start)
        outputs = add_leaf_regions(draft, table, values, labels, units)
        return [outputs[i] for i in range(len(regions))]
    parameters = _classes(table)
    if shape.summary is not None:
        shape = replace(shape, summary=_pooled(shape.summary, table, parameters))
    # What is tied is drawn once: a long chain of a large vocabulary has no room for more.
    first = {name: i for i, name in reversed(list(enumerate(parameters)))}
    drawn = initial_leaves(table.only(list(first.values())), units, generator, shape, options.start)
    known = dict(zip(first, drawn, strict=True))
    values = [known[name] for name in parameters]
    outputs = add_leaf_regions(draft, table, values, labels, units, parameters)
    return [outputs[i] for i in range(len(regions))]


def _classes(table: LeafTable) -> list[str]:
    """The parameter of each group where equal ones are tied."""
    numbers: dict[tuple[int, int], int] = {}
    kinds = zip(table.group_family.tolist(), np.diff(table.group_start).tolist(), strict=True)
    return [f"emission {numbers.setdefault(kind, len(numbers))}" for kind in kinds]


def _pooled(summary: Summary, table: LeafTable, parameters: Sequence[str]) -> Summary:
    """Every variable with the summary of all variables at its place of tied groups."""
    mean, variance = summary.mean.clone(), summary.variance.clone()
    counts = None if summary.counts is None else summary.counts.clone()
    places: dict[tuple[str, int], list[int]] = {}
    for parameter, (start, end) in zip(parameters, pairwise(table.group_start), strict=True):
        for place, v in enumerate(table.entry_variable[start:end].tolist()):
            places.setdefault((parameter, place), []).append(v)
    for columns in places.values():
        own = summary.mean[columns]
        squares = (summary.variance[columns] + own.square()).mean()
        mean[columns] = own.mean()
        variance[columns] = squares - own.mean().square()
        if counts is not None and summary.counts is not None:
            counts[columns] = summary.counts[columns].sum(0)
    return Summary(mean, variance, counts)


def finished(
    draft: Draft,
    top: int,
    shape: Shape,
    options: LeafOptions,
    roots: int,
    hidden: Sequence[int] = (),
) -> Circuit:
    """The circuit under `roots` sums over the states of the root of the tree.

    hidden: positions of the groups whose units are the states of hidden variables; the circuit's
    meta names them.
    """
    generator = torch.Generator().manual_seed(options.seed + 1)
    top = draft.dense("root", [top], roots)
    draft.draw(generator)
    units = [(top, index) for index in range(roots)]
    meta: dict[str, Json] = {"latents": [draft.groups[position].name for position in hidden]}
    circuit = Circuit(draft.groups, units, shape.variables, draft.params, meta)
    return from_clusters(circuit, shape, options) if options.start == "clusters" else circuit


def tree_size(regions: int, inner: int, units: int, roots: int, tied: bool) -> Size:
    """The size of a tree of hidden variables without the leaves; inner: regions with children."""
    edges = units * (regions - 1)
    tables = units * units * (1 if tied and regions > 1 else regions - 1)
    return Size(
        units=units * (regions - 1) + units * inner + roots,
        edges=edges * units + units * (inner + regions - 1) + roots * units,
        parameters=tables + roots * units,
    )


def leaf_size(
    shape: Shape, regions: Sequence[Sequence[int]], units: int, options: LeafOptions, tied: bool
) -> Size:
    """The size of what `add_emissions` makes."""
    variables = np.array([v for region in regions for v in region], dtype=np.int64)
    families = families_of(shape, options)
    table = LeafTable.of_rows(np.array([len(r) for r in regions]), variables, families)
    own = [int(np.prod(f.parameter_shape, dtype=np.int64)) for f in table.families]
    lengths = np.diff(table.group_start)
    each = np.array([own[f] for f in table.group_family.tolist()], dtype=np.int64) * lengths
    if tied:
        _, first = np.unique(_classes(table), return_index=True)
        each = each[first]
    joined = np.bincount(table.group_region)
    several = joined[joined > 1]
    return Size(
        units=units * (len(table.group_region) + len(several)),
        edges=units * int(several.sum()),
        parameters=units * int(each.sum()),
    )


def total(*sizes: Size) -> Size:
    """The sum, checked. Raises OptionError where it is too large to build."""
    size = Size(*(sum(column) for column in zip(*sizes, strict=True)))
    check_size(size)
    return size


__all__ = [
    "add_emissions",
    "add_tree",
    "finished",
    "labels_of",
    "leaf_size",
    "total",
    "tree_size",
]
