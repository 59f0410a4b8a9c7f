"""From a region graph to a circuit of the EiNet kind, with random initial parameters.

A leaf region becomes K_in factorised leaves, an inner region K sums. With "kronecker"
products (the EiNet paper's, "Tucker") a partition multiplies every combination of its
children's units and K dense sums mix the K^2 products. With "hadamard" products ("CP") each
child first passes through K dense sums of its own, and unit k multiplies the k-th of each.
Where a region has several partitions, a mixing group weighs them unit by unit (EiNet paper,
sec. 3.3), or one dense group sees all their products (Poon & Domingos 2011, sec. 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import Shape, Size
from pccore.structures.distil import from_clusters
from pccore.structures.drafting import Draft, add_leaf_regions, check_size
from pccore.structures.leaf_groups import LeafOptions, LeafTable, families_of, initial_leaves
from pccore.structures.region_graph import RegionGraph, offsets


@dataclass(frozen=True)
class RegionOptions(LeafOptions):
    """How a region graph becomes a circuit."""

    units: int = option(8, help="K, sums of an inner region", minimum=1, maximum=1024)
    input_units: int | None = option(
        None,
        help="distributions of a leaf region; none: as many as units",
        minimum=1,
        maximum=4096,
    )
    roots: int = option(1, help="root units, such as one for each class", minimum=1, maximum=1024)
    product: Literal["kronecker", "hadamard"] = option(
        "kronecker",
        help="kronecker: all combinations of the children's units (Tucker, as in EiNets); "
        "hadamard: unit by unit, after a dense sum of each child (CP, smaller)",
    )
    mixing: Literal["elementwise", "dense"] = option(
        "elementwise",
        help="how a region joins its partitions; elementwise: a mixing layer, as in EiNets; "
        "dense: every sum sees every product, as in Poon & Domingos",
    )

    @property
    def leaf_units(self) -> int:
        """Distributions of a leaf region."""
        return self.units if self.input_units is None else self.input_units


# -- size ------------------------------------------------------------------------------------


def region_size(graph: RegionGraph, shape: Shape, options: RegionOptions) -> Size:
    """The size of `region_circuit(graph, shape, options)`, from the region graph alone."""
    k_in, k, roots = options.leaf_units, options.units, options.roots
    leaves = _leaf_size(graph, shape, options)
    if graph.is_leaf[graph.root]:
        return _total([leaves, Size(roots, roots * k_in, roots * k_in)])
    # float64 is exact up to 2^53; beyond that nothing can be built anyway.
    width = np.where(graph.is_leaf, k_in, k).astype(np.float64)
    width[graph.root] = roots
    out = width[graph.parents]
    inputs, rows = width[graph.children], graph.child_offsets[:-1]
    arity = np.diff(graph.child_offsets)
    ways = graph.num_partitions[graph.parents]
    at_root = graph.parents == graph.root
    if options.product == "kronecker":
        combinations = np.multiply.reduceat(inputs, rows)
        parts = [Size(_int(combinations), _int(combinations * arity), 0)]
        summed = np.ones(len(out), dtype=np.bool_)
    else:
        combinations = np.full(len(out), float(k))
        weights = k * float(inputs.sum())
        children = k * float(arity.sum())
        parts = [Size(int(children), int(weights), int(weights))]
        parts.append(Size(k * len(out), int(children), 0))
        # A single product stands for its region: the sums above it do the mixing.
        summed = (ways > 1) | at_root
    dense = _int(np.where(summed, out * combinations, 0))
    if options.mixing == "dense":
        regions = np.unique(graph.parents[summed])
        parts.append(Size(_int(width[regions]), dense, dense))
        return _total([leaves, *parts])
    if options.product == "kronecker":
        parts.append(Size(_int(out), dense, dense))
    else:
        parts.append(Size(_int(out[at_root]), _int((out * k)[at_root]), _int((out * k)[at_root])))
    mixed = graph.num_partitions > 1
    edges = _int((width * graph.num_partitions)[mixed])
    parts.append(Size(_int(width[mixed]), edges, edges))
    return _total([leaves, *parts])


def _leaf_size(graph: RegionGraph, shape: Shape, options: RegionOptions) -> Size:
    table = LeafTable.of(graph, families_of(shape, options))
    k_in = options.leaf_units
    numbers = np.array([_count(f.parameter_shape) for f in table.families])
    parameters = k_in * int((numbers[table.entry_family]).sum())
    joined = np.bincount(table.group_region, minlength=graph.num_regions)
    several = joined > 1
    units = k_in * (len(table.group_region) + int(several.sum()))
    return Size(units, k_in * int(joined[several].sum()), parameters)


def _int(numbers: npt.NDArray[np.float64]) -> int:
    return int(numbers.sum())


def _total(sizes: Iterable[Size]) -> Size:
    return Size(*(sum(column) for column in zip(*sizes, strict=True)))


def _count(parameter_shape: tuple[int, ...]) -> int:
    return int(np.prod(parameter_shape, dtype=np.int64))


# -- circuit ---------------------------------------------------------------------------------


def region_circuit(graph: RegionGraph, shape: Shape, options: RegionOptions) -> Circuit:
    """The circuit of a region graph, float32, a parameter id being the name of its group.

    Names: L(region) leaves, S(region) dense sums, M(region) mixing sums, P(region) products;
    #i tells the i-th partition of a region, .c the c-th child.

    Raises OptionError where the circuit would be too large or a family does not suit.
    """
    size = region_size(graph, shape, options)
    check_size(size)
    draft = Draft()
    generator = torch.Generator().manual_seed(options.seed)
    top = add_regions(draft, graph, shape, options, generator)
    if graph.is_leaf[graph.root]:
        top = draft.dense(f"S({graph.labels[graph.root]})", [top], options.roots)
    draft.draw(generator)
    roots = [(top, index) for index in range(options.roots)]
    circuit = Circuit(draft.groups, roots, shape.variables, draft.params)
    return from_clusters(circuit, shape, options) if options.start == "clusters" else circuit


def add_regions(
    draft: Draft,
    graph: RegionGraph,
    shape: Shape,
    options: RegionOptions,
    generator: torch.Generator,
) -> int:
    """The position of the root region's units, of which a leaf region has no sums."""
    table = LeafTable.of(graph, families_of(shape, options))
    values = initial_leaves(table, options.leaf_units, generator, shape, options.start)
    outputs = add_leaf_regions(draft, table, values, graph.labels, options.leaf_units)
    rows, children = graph.child_offsets.tolist(), graph.children.tolist()
    first = offsets(graph.num_partitions).tolist()
    for region in np.flatnonzero(graph.num_partitions).tolist():
        partitions = range(first[region], first[region + 1])
        ways = [[outputs[c] for c in children[rows[p] : rows[p + 1]]] for p in partitions]
        label = graph.labels[region]
        outputs[region] = _add_region(draft, label, ways, options, region == graph.root)
    return outputs[graph.root]


def _add_region(
    draft: Draft, label: str, ways: list[list[int]], options: RegionOptions, root: bool
) -> int:
    """The groups of an inner region; ways: the children's outputs, for each partition."""
    width = options.roots if root else options.units
    hadamard = options.product == "hadamard"
    tags = [f"#{i}" for i in range(len(ways))] if len(ways) > 1 else [""]
    products: list[int] = []
    for tag, inputs in zip(tags, ways, strict=True):
        name = f"P({label}){tag}"
        if hadamard:
            sums = [
                draft.dense(f"S({label}){tag}.{c}", [child], options.units)
                for c, child in enumerate(inputs)
            ]
            products.append(draft.hadamard(name, sums))
        else:
            products.append(draft.kronecker(name, inputs))
    if len(ways) == 1 and hadamard and not root:
        return products[0]
    if len(ways) == 1 or options.mixing == "dense":
        return draft.dense(f"S({label})", products, width)
    if root or not hadamard:
        products = [
            draft.dense(f"S({label}){tag}", [p], width)
            for tag, p in zip(tags, products, strict=True)
        ]
    return draft.mixing(f"M({label})", products)
