"""From a region graph to a circuit of the EiNet kind, with random initial parameters.

A leaf region becomes K_in factorised leaves, an inner region K sums. With "kronecker"
products (the EiNet paper's, "Tucker") a partition multiplies every combination of its
children's units and K dense sums mix the K^2 products. With "hadamard" products ("CP") each
child first passes through K dense sums of its own, and unit k multiplies the k-th of each.
Where a region has several partitions, a mixing group weighs them unit by unit (EiNet paper,
sec. 3.3), or one dense group sees all their products (Poon & Domingos 2011, sec. 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import MAX_EDGES, Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.options import option
from pccore.structures.base import Shape, Size
from pccore.structures.distil import from_clusters
from pccore.structures.leaf_groups import LeafOptions, LeafTable, families_of, initial_leaves
from pccore.structures.region_graph import RegionGraph, offsets

#: Parameters that a circuit may start with (8 GiB in float32).
MAX_PARAMETERS = 2**31


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


class _Draft:
    """Groups in the making, and the shapes of the weights still to be drawn."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.params: dict[str, Tensor] = {}
        self._waiting: dict[tuple[int, int], list[str]] = {}

    def add(self, group: Group) -> int:
        self.groups.append(group)
        return len(self.groups) - 1

    def dense(self, name: str, inputs: Sequence[int], size: int) -> int:
        total = sum(self.groups[i].size for i in inputs)
        self._waiting.setdefault((size, total), []).append(name)
        return self.add(SumGroup(name, size, tuple(inputs), name))

    def mixing(self, name: str, inputs: Sequence[int]) -> int:
        size = self.groups[inputs[0]].size
        self._waiting.setdefault((size, len(inputs)), []).append(name)
        return self.add(SumGroup(name, size, tuple(inputs), name, "elementwise"))

    def kronecker(self, name: str, inputs: Sequence[int]) -> int:
        size = 1
        for i in inputs:
            size *= self.groups[i].size
        return self.add(ProductGroup(name, size, tuple(inputs), "kronecker"))

    def hadamard(self, name: str, inputs: Sequence[int]) -> int:
        return self.add(ProductGroup(name, self.groups[inputs[0]].size, tuple(inputs)))

    def draw(self, generator: torch.Generator) -> None:
        """Draw all weights, those of one shape at once."""
        for (size, fan_in), names in self._waiting.items():
            block = random_weights((len(names), size, fan_in), generator)
            self.params.update(zip(names, block.unbind(), strict=True))
        self._waiting = {}


def random_weights(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Float32 weights, each last axis uniform on the simplex (Dirichlet of concentration 1).

    Made of exponential variables over their sum; no weight is 0, which EM could not leave.
    """
    weights = torch.rand(shape, generator=generator)
    weights.clamp_min_(1e-12).log_().neg_().clamp_min_(1e-6)
    return weights.div_(weights.sum(-1, keepdim=True))


def region_circuit(graph: RegionGraph, shape: Shape, options: RegionOptions) -> Circuit:
    """The circuit of a region graph, float32, a parameter id being the name of its group.

    Names: L(region) leaves, S(region) dense sums, M(region) mixing sums, P(region) products;
    #i tells the i-th partition of a region, .c the c-th child.

    Raises OptionError where the circuit would be too large or a family does not suit.
    """
    size = region_size(graph, shape, options)
    if size.parameters > MAX_PARAMETERS or size.edges > MAX_EDGES:
        raise OptionError(
            f"{size.parameters} parameters and {size.edges} edges are too many to build",
            hint="fewer units, a coarser structure, or hadamard products",
        )
    generator = torch.Generator().manual_seed(options.seed)
    draft = _Draft()
    outputs = [-1] * graph.num_regions
    _add_leaves(draft, outputs, graph, shape, options, generator)
    rows, children = graph.child_offsets.tolist(), graph.children.tolist()
    first = offsets(graph.num_partitions).tolist()
    for region in np.flatnonzero(graph.num_partitions).tolist():
        partitions = range(first[region], first[region + 1])
        ways = [[outputs[c] for c in children[rows[p] : rows[p + 1]]] for p in partitions]
        label = graph.labels[region]
        outputs[region] = _add_region(draft, label, ways, options, region == graph.root)
    top = outputs[graph.root]
    if graph.is_leaf[graph.root]:
        top = draft.dense(f"S({graph.labels[graph.root]})", [top], options.roots)
    draft.draw(generator)
    roots = [(top, index) for index in range(options.roots)]
    circuit = Circuit(draft.groups, roots, shape.variables, draft.params)
    return from_clusters(circuit, shape, options) if options.start == "clusters" else circuit


def _add_leaves(
    draft: _Draft,
    outputs: list[int],
    graph: RegionGraph,
    shape: Shape,
    options: RegionOptions,
    generator: torch.Generator,
) -> None:
    k_in = options.leaf_units
    table = LeafTable.of(graph, families_of(shape, options))
    values = initial_leaves(table, k_in, generator, shape, options.start)
    starts, variables = table.group_start.tolist(), table.entry_variable.tolist()
    group_regions, group_families = table.group_region.tolist(), table.group_family.tolist()
    joined = np.bincount(table.group_region, minlength=graph.num_regions).tolist()
    parts: list[int] = []
    for i, region in enumerate(group_regions):
        label = graph.labels[region]
        several = joined[region] > 1
        name = f"L({label})#{len(parts)}" if several else f"L({label})"
        family = table.families[group_families[i]]
        scope = tuple(variables[starts[i] : starts[i + 1]])
        draft.params[name] = values[i]
        parts.append(draft.add(LeafGroup(name, k_in, family, scope, name)))
        if len(parts) == joined[region]:
            outputs[region] = draft.hadamard(f"P({label})", parts) if several else parts[0]
            parts = []


def _add_region(
    draft: _Draft, label: str, ways: list[list[int]], options: RegionOptions, root: bool
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
