"""Hidden Chow-Liu trees: the tree of the data, with a hidden variable in the place of each one.

The pairs of variables that tell most about each other are joined by a maximum spanning tree of
their mutual informations; behind each variable stands a hidden one of K states, and the hidden
ones depend on each other along the tree, which is rooted at its middle. Variables can share a
hidden one (`group`).

Mutual informations are exact, of Laplace-smoothed tables of all states (`information=states`),
or of columns cut at quantiles (`bins`), or as if the columns were Gaussian (`correlation`). Groups
are joined by those of their k-means clusters. At most MOST_ROWS rows are looked at.

Source: Liu and Van den Broeck, "Tractable regularization of probabilistic circuits", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import FloatArray, Shape, Structure
from pccore.structures.clustering import Clusters
from pccore.structures.drafting import Draft
from pccore.structures.independence import Codes
from pccore.structures.latent_tree import (
    add_emissions,
    add_tree,
    finished,
    labels_of,
    leaf_size,
    total,
    tree_size,
)
from pccore.structures.leaf_groups import LeafOptions
from pccore.structures.spanning import (
    Tree,
    at_centre,
    gaussian_information,
    mutual_information,
    spanning_tree,
)

#: Rows, chosen at random, from which the tree is learned.
MOST_ROWS = 20_000
#: Tables of all states are made for at most so many (variable, state) pairs.
MOST_STATES = 8000
#: Variables of more states are cut into bins unless tables of all states are asked for: most pairs
#: of their states are never seen together.
_FEW_STATES = 32
#: Clusters of the rows of a group, whose tables join the groups.
_CLUSTERS = 8
#: Rows that are clustered.
_CLUSTER_ROWS = 5000

Information = Literal["auto", "states", "bins", "correlation"]


@dataclass(frozen=True)
class HcltOptions(LeafOptions):
    """Options of hidden Chow-Liu trees."""

    units: int = option(16, help="K, states of each hidden variable", minimum=1, maximum=1024)
    pseudocount: float = option(
        1.0,
        help="rows that are added to every pair of values before mutual informations are taken",
        minimum=0.0,
        maximum=1000.0,
        advanced=True,
    )
    information: Literal["auto", "states", "bins", "correlation"] = option(
        "auto",
        help="mutual information of two columns; states: of all their values; bins: of columns "
        "cut at quantiles; correlation: as if Gaussian; auto: states where these are few",
        advanced=True,
    )
    bins: int = option(
        8, help="parts of a column that is cut", minimum=2, maximum=100, advanced=True
    )
    group: int = option(
        1,
        help="how much shares a hidden variable: squares of so many pixels of an image, with all "
        "channels of colour, else so many neighbouring columns; 1: every column has its own",
        minimum=1,
        maximum=1024,
    )
    tied: bool = option(
        False, help="one conditional table for all edges of the tree", advanced=True
    )
    roots: int = option(1, help="root units, such as one for each class", minimum=1, maximum=1024)
    start: Literal["random", "quantiles", "clusters"] = option(
        "clusters",
        help="clusters: parameters of k-means clusters of the data below each hidden variable, "
        "from which training ends higher; quantiles: Gaussian leaves at quantiles of the data",
    )


def learn_tree(
    shape: Shape,
    information: Information = "auto",
    bins: int = 8,
    pseudocount: float = 1.0,
    seed: int = 0,
) -> Tree:
    """The Chow-Liu tree of the variables of `shape.data`, rooted at its middle.

    Raises OptionError without data, or for tables of too many states.
    """
    data = _rows(shape, MOST_ROWS, seed)
    if information == "correlation":
        return at_centre(spanning_tree(gaussian_information(data)))
    states = np.array([s.states or 0 for s in shape.supports])
    exact = int(states.min()) > 0 and int(states.sum()) <= MOST_STATES
    if information == "states" and not exact:
        raise OptionError(
            f"tables of all states need finite variables and at most {MOST_STATES} states in all",
            where="information",
            hint="bins or correlation suit any data",
        )
    if information == "bins" or (information == "auto" and states.max() > _FEW_STATES) or not exact:
        values = Codes.of(data, shape.supports, bins).values
        states = np.maximum(values.max(axis=0), 0) + 1
    else:
        values = np.nan_to_num(data, nan=-1.0).astype(np.int64)
    found = mutual_information(values, states.tolist(), pseudocount)
    return at_centre(spanning_tree(found))


def learn_group_tree(
    shape: Shape, groups: Sequence[Sequence[int]], pseudocount: float, seed: int
) -> Tree:
    """The tree of groups of variables, by the mutual informations of their clusters."""
    data = _rows(shape, _CLUSTER_ROWS, seed)
    codes = np.zeros((len(data), len(groups)), dtype=np.int64)
    for i, group in enumerate(groups):
        own, supports = data[:, list(group)], [shape.supports[v] for v in group]
        codes[:, i] = Clusters.fit(own, supports, _CLUSTERS, seed).assign(own)
        codes[np.isnan(own).all(1), i] = -1
    states = (np.maximum(codes.max(axis=0), 0) + 1).tolist()
    return at_centre(spanning_tree(mutual_information(codes, states, pseudocount)))


def _rows(shape: Shape, most: int, seed: int) -> FloatArray:
    if shape.data is None:
        raise OptionError("the tree needs training data")
    if len(shape.data) <= most:
        return shape.data
    chosen = np.random.default_rng(seed).choice(len(shape.data), most, replace=False)
    return shape.data[np.sort(chosen)]


def groups_of(shape: Shape, size: int) -> list[list[int]]:
    """Squares of size x size pixels with all channels, in rows, or runs of columns."""
    grid = shape.image
    if grid is None:
        return [
            list(range(first, min(first + size, shape.num_variables)))
            for first in range(0, shape.num_variables, size)
        ]
    number = np.arange(shape.num_variables).reshape(grid.height, grid.width, grid.channels)
    return [
        number[top : top + size, left : left + size].reshape(-1).tolist()
        for top in range(0, grid.height, size)
        for left in range(0, grid.width, size)
    ]


def _build(shape: Shape, options: HcltOptions) -> Circuit:
    groups = [[v] for v in range(shape.num_variables)]
    if options.group > 1:
        groups = groups_of(shape, options.group)
        tree = learn_group_tree(shape, groups, options.pseudocount, options.seed)
    else:
        how, bins = options.information, options.bins
        tree = learn_tree(shape, how, bins, options.pseudocount, options.seed)
    inner = sum(bool(below) for below in tree.children())
    total(
        leaf_size(shape, groups, options.units, options, tied=False),
        tree_size(len(groups), inner, options.units, options.roots, options.tied),
    )
    draft, labels = Draft(), labels_of(shape, groups)
    generator = torch.Generator().manual_seed(options.seed)
    leaves = add_emissions(draft, shape, groups, labels, options.units, options, generator)
    top = add_tree(draft, tree, leaves, labels, "transition" if options.tied else None)
    return finished(draft, top, shape, options, options.roots, leaves)


STRUCTURE = Structure(
    name="hclt",
    title="Hidden Chow-Liu tree",
    description="A hidden variable behind every column; they depend on each other along the tree "
    "of the largest mutual informations in the data. Among the best for data of any kind.",
    options=HcltOptions,
    build=_build,
    needs_data=True,
)
