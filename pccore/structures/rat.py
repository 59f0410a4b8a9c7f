"""Random binary trees (RAT): replicas of a random tree over the variables, mixed at the root.

Each replica splits a random order of the variables into balanced halves, `depth` times
(Peharz et al. 2020, sec. 4.1). With V Gaussian variables, K units, depth D and R replicas
there are 2 V K R leaf parameters, R (2^D - 2) K^3 inner weights, R K^2 weights at the root and
R mixing weights: 243 410 for V = 512, K = 10, D = 4, R = 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import Shape, Size, Structure
from pccore.structures.parametrise import RegionOptions, region_circuit, region_size
from pccore.structures.region_graph import MAX_REGIONS, RegionGraph, offsets
from pccore.structures.sectors import sectors_circuit, sectors_size

#: Depth where none is asked for: the setting of the EiNet paper's timing experiments.
USUAL_DEPTH = 4


@dataclass(frozen=True)
class RatOptions(RegionOptions):
    """Options of random binary trees."""

    depth: int | None = option(
        None,
        help="splits from root to leaf; none: 4, or as many as the variables allow",
        minimum=1,
        maximum=16,
    )
    replicas: int = option(10, help="random trees mixed at the root", minimum=1, maximum=1000)
    layout: Literal["regions", "sectors"] = option(
        "regions",
        help="sectors: trees down to single variables with one dense block of units x units for "
        "each region, over indicators where a variable is finite (Shih et al. 2021); only units, "
        "replicas, leaf and seed matter then",
        advanced=True,
    )


def random_binary_trees(num_variables: int, depth: int, replicas: int, seed: int) -> RegionGraph:
    """`replicas` random trees over the variables with one common root region.

    Region t.path is reached in tree t by going to the first half (0) or the second (1) at each
    split. Trees share no region but the root, also where two scopes happen to be equal.

    Raises OptionError where 2^depth exceeds the number of variables, or for more than
    MAX_REGIONS regions.
    """
    if 2**depth > num_variables:
        most = num_variables.bit_length() - 1
        raise OptionError(
            f"{num_variables} variables cannot be split {depth} times",
            where="depth",
            hint=f"at most {most}" if most else "two variables are needed at least",
        )
    if replicas * 2 ** (depth + 1) > MAX_REGIONS:
        raise OptionError(
            f"{replicas} trees of depth {depth} have more than {MAX_REGIONS} regions",
            hint="fewer replicas or splits",
        )
    leaves = 2**depth
    bounds = np.array([0, num_variables], dtype=np.int64)
    for _ in range(depth):
        middles = (bounds[:-1] + bounds[1:]) // 2
        bounds = np.sort(np.concatenate((bounds, middles)))
    orders = np.random.default_rng(seed).permuted(
        np.tile(np.arange(num_variables), (replicas, 1)), axis=1
    )
    # Sorting (leaf, variable) pairs puts the variables of each leaf in ascending order.
    leaf = np.repeat(np.arange(leaves), np.diff(bounds))
    variables = np.sort(leaf * num_variables + orders, axis=1) % num_variables

    # Regions level by level, leaves first; level d has replicas * 2^d of them, then the root.
    sizes = [replicas * 2**level for level in range(depth, 0, -1)]
    starts = offsets(sizes)
    parents = [starts[i + 1] + np.arange(sizes[i + 1]) for i in range(depth - 1)]
    parents.append(np.full(replicas, starts[-1]))
    partitions = np.concatenate(parents)
    lengths = np.zeros(int(starts[-1]) + 1, dtype=np.int64)
    lengths[: sizes[0]] = np.tile(np.diff(bounds), replicas)
    labels = [
        f"{replica}.{node:0{level}b}"
        for level in range(depth, 0, -1)
        for replica in range(replicas)
        for node in range(2**level)
    ]
    return RegionGraph(
        num_variables,
        (*labels, "root"),
        offsets(lengths),
        variables.reshape(-1),
        partitions,
        2 * np.arange(len(partitions) + 1, dtype=np.int64),
        # Two neighbours on a level are the halves of the same region.
        np.arange(2 * len(partitions), dtype=np.int64),
    )


def _graph(shape: Shape, options: RatOptions) -> RegionGraph:
    depth = options.depth
    if depth is None:
        depth = max(1, min(USUAL_DEPTH, shape.num_variables.bit_length() - 1))
    return random_binary_trees(shape.num_variables, depth, options.replicas, options.seed)


def _require_plain(options: RatOptions) -> None:
    """Raise OptionError for options that the layout in sectors does not have."""
    usual = RatOptions()
    for name in ("depth", "input_units", "roots", "product", "mixing", "start"):
        if getattr(options, name) != getattr(usual, name):
            raise OptionError("layout=sectors does not have this option", where=name)


def _build(shape: Shape, options: RatOptions) -> Circuit:
    if options.layout == "sectors":
        _require_plain(options)
        return sectors_circuit(shape, options, options.units, options.replicas)
    return region_circuit(_graph(shape, options), shape, options)


def _size(shape: Shape, options: RatOptions) -> Size:
    if options.layout == "sectors":
        return sectors_size(shape, options, options.units, options.replicas)
    return region_size(_graph(shape, options), shape, options)


STRUCTURE = Structure(
    name="rat",
    title="Random binary trees",
    description="Random balanced splits of the variables, repeated in several replicas that a "
    "mixture joins at the root. Suits any kind of data.",
    options=RatOptions,
    build=_build,
    size=_size,
)
