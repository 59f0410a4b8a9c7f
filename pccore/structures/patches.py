"""Images as patches: a hidden variable z behind each patch, p(x | z) = p(z) prod_i p(x_i | z_i).

The hidden variables depend on each other along a tree, the maximum spanning tree of what clusters
of the patches tell about each other, or on one hidden variable at the top. In state j of its
hidden variable a patch is a mixture of its own components: factorised ones, or those of a hidden
tree over the pixels or of a Poon-Domingos structure inside the patch. A patch at the edge of an
image that the patches do not divide is smaller.

Source: Liu, Zhang and Van den Broeck, "Scaling up probabilistic circuits by latent variable
distillation", 2023, sec. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from pccore.errors import OptionError
from pccore.graph import Circuit, SumGroup
from pccore.options import option
from pccore.structures.base import Grid, Shape, Structure
from pccore.structures.drafting import Draft
from pccore.structures.hclt import groups_of, learn_group_tree, learn_tree
from pccore.structures.latent_tree import add_emissions, add_tree, finished, leaf_size, total
from pccore.structures.leaf_groups import LeafOptions
from pccore.structures.parametrise import RegionOptions, add_regions
from pccore.structures.pd import rectangles


@dataclass(frozen=True)
class PatchOptions(LeafOptions):
    """Options of patch-structured images."""

    patch: int = option(4, help="side of a patch in pixels", minimum=1, maximum=256)
    latents: int = option(
        16, help="states of the hidden variable of each patch", minimum=1, maximum=1024
    )
    units: int = option(
        8, help="K, components inside a patch, which its states mix", minimum=1, maximum=1024
    )
    inside: Literal["factorized", "hclt", "pd"] = option(
        "factorized",
        help="the components of a patch; factorized: independent pixels; hclt: a hidden tree over "
        "the pixels; pd: rectangles, cut in halves down to pixels",
    )
    top: Literal["tree", "mixture"] = option(
        "tree",
        help="how patches depend on each other; tree: along the tree of the data; mixture: given "
        "one hidden variable they are independent",
    )
    pseudocount: float = option(
        1.0, help="as for a hidden Chow-Liu tree", minimum=0.0, maximum=1000.0, advanced=True
    )
    roots: int = option(1, help="root units, such as one for each class", minimum=1, maximum=1024)
    start: Literal["random", "quantiles", "clusters"] = option(
        "clusters",
        help="clusters: parameters of k-means clusters of the data below each hidden variable, "
        "from which training ends higher; quantiles: Gaussian leaves at quantiles of the data",
    )


def _build(shape: Shape, options: PatchOptions) -> Circuit:
    if shape.image is None:
        raise OptionError("needs image data", where="structure patches")
    patches = groups_of(shape, options.patch)
    labels = _labels(shape.image, options.patch)
    total(leaf_size(shape, patches, options.units, options, tied=False))
    draft = Draft()
    generator = torch.Generator().manual_seed(options.seed)
    inner = _components(draft, shape, patches, labels, options, generator)
    states = [
        # Where a patch ends in sums, those are its states.
        position
        if isinstance(draft.groups[position], SumGroup)
        else draft.dense(f"E({label})", [position], options.latents)
        for label, position in zip(labels, inner, strict=True)
    ]
    if options.top == "mixture":
        top = draft.hadamard("Z(top)", states) if len(states) > 1 else states[0]
        states = [top]  # one hidden variable for all patches
    else:
        tree = learn_group_tree(shape, patches, options.pseudocount, options.seed)
        top = add_tree(draft, tree, states, labels)
    return finished(draft, top, shape, options, options.roots, states)


def _labels(grid: Grid, side: int) -> list[str]:
    """Row and column of each patch."""
    rows, columns = -(-grid.height // side), -(-grid.width // side)
    return [f"{r},{c}" for r in range(rows) for c in range(columns)]


def _components(
    draft: Draft,
    shape: Shape,
    patches: Sequence[Sequence[int]],
    labels: Sequence[str],
    options: PatchOptions,
    generator: torch.Generator,
) -> list[int]:
    """Positions of the K components of each patch, or of the sums over them."""
    if options.inside == "factorized":
        return add_emissions(draft, shape, patches, labels, options.units, options, generator)
    if options.inside == "pd":
        return [
            _rectangles(draft, shape, patch, label, options, generator)
            for patch, label in zip(patches, labels, strict=True)
        ]
    pixels = [[v] for patch in patches for v in patch]
    names = [
        f"{label}:{i}"
        for patch, label in zip(patches, labels, strict=True)
        for i in range(len(patch))
    ]
    leaves = add_emissions(draft, shape, pixels, names, options.units, options, generator)
    found: list[int] = []
    first = 0
    for patch in patches:
        own = slice(first, first + len(patch))
        first += len(patch)
        tree = learn_tree(_part(shape, patch), "auto", 8, options.pseudocount, options.seed)
        found.append(add_tree(draft, tree, leaves[own], names[own]))
    return found


def _part(shape: Shape, patch: Sequence[int]) -> Shape:
    """The shape of the variables of one patch."""
    names = tuple(shape.variables[v] for v in patch)
    supports = tuple(shape.supports[v] for v in patch)
    data = None if shape.data is None else shape.data[:, list(patch)]
    return Shape(names, supports, None, None, data)


def _rectangles(
    draft: Draft,
    shape: Shape,
    patch: Sequence[int],
    label: str,
    options: PatchOptions,
    generator: torch.Generator,
) -> int:
    """A Poon-Domingos structure of one patch, which ends in a sum for each of its states."""
    assert shape.image is not None, "_build has seen to that"
    grid = shape.image
    number = np.array(patch, dtype=np.int64)
    width = len(np.unique(number // grid.channels % grid.width))
    height = len(patch) // (width * grid.channels)
    graph = rectangles(Grid(height, width, grid.channels), _halves(max(height, width)))
    graph = replace(
        graph,
        num_variables=shape.num_variables,
        labels=tuple(f"{label}:{name}" for name in graph.labels),
        leaf_variables=number[graph.leaf_variables],
    )
    chosen = RegionOptions(
        leaf=options.leaf,
        min_variance=options.min_variance,
        max_variance=options.max_variance,
        start=options.start,
        units=options.units,
        roots=options.latents,
        product="hadamard",
    )
    return add_regions(draft, graph, shape, chosen, generator)


def _halves(side: int) -> tuple[int, ...]:
    """Distances of cuts: the half of a side, the half of that, down to pixels."""
    found: list[int] = []
    while side > 1:
        side = -(-side // 2)
        found.append(side)
    return tuple(found)


STRUCTURE = Structure(
    name="patches",
    title="Patches of an image",
    description="A hidden variable behind each patch of an image, and a mixture inside it; the "
    "hidden ones depend on each other along the tree of the data. For images of any size.",
    options=PatchOptions,
    build=_build,
    needs_image=True,
    needs_data=True,
)
