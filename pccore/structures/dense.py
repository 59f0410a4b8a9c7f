"""GenerateDenseSPN for general variables: regions, each with k sums, each split in several ways.

Which sets of variables are regions is a choice. Intervals suit variables in an order, such as
time steps: all intervals, split at every line of a grid (that is `pd` on one row of pixels). All
subsets suit a handful of variables. Random regions suit any: every region is split at random, in
several ways; equal sets of variables, reached in different ways, are one region.

With n cells there are n(n+1)/2 intervals and (n^3 - n)/6 ways to split them; of V variables there
are 2^V - 1 subsets and (3^V - 2^(V+1) + 1)/2 ways.

Source: Poon and Domingos 2011, sec. 4 (GenerateDenseSPN).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pccore.errors import OptionError
from pccore.graph import Circuit, IntArray
from pccore.options import option
from pccore.structures.base import Grid, Shape, Size, Structure
from pccore.structures.parametrise import RegionOptions, region_circuit, region_size
from pccore.structures.pd import rectangles
from pccore.structures.rat import USUAL_DEPTH
from pccore.structures.region_graph import MAX_REGIONS, RegionGraph, offsets

#: Cells of the intervals where no step is asked for.
USUAL_CELLS = 8
#: Variables of which all subsets can be regions.
MOST_SUBSETS = 12
#: Ways to split a region that are listed rather than drawn; more than `decompositions` may ask for.
_FEW = 256

Scope = tuple[int, ...]


@dataclass(frozen=True)
class DenseOptions(RegionOptions):
    """Options of GenerateDenseSPN."""

    regions: Literal["intervals", "random", "all"] = option(
        "intervals",
        help="intervals: of variables in the order of the data; random: several random halvings "
        f"of each region; all: every subset, of at most {MOST_SUBSETS} variables",
    )
    step: tuple[int, ...] = option(
        (),
        help="intervals: distance of the cuts in variables, coarse to fine where several; none "
        f"given: {USUAL_CELLS} cells",
        minimum=1,
        maximum=1_000_000,
    )
    decompositions: int = option(
        2, help="random: ways in which each region is split", minimum=1, maximum=64
    )
    depth: int | None = option(
        None,
        help="random: splits from root to leaf; none: 4, or as many as the variables allow",
        minimum=1,
        maximum=16,
    )
    mixing: Literal["elementwise", "dense"] = option(
        "dense",
        help="how a region joins its partitions; dense: every sum sees every product, as in Poon "
        "& Domingos; elementwise: a mixing layer, as in EiNets",
    )


def intervals(num_variables: int, step: tuple[int, ...]) -> RegionGraph:
    """All intervals between multiples of the step, split at each; see `pd.rectangles`.

    Region "v2-5" has the variables 2 to 5. Raises OptionError for more than MAX_REGIONS regions
    or splits.
    """
    try:
        graph = rectangles(Grid(1, num_variables), step)
    except OptionError as error:
        raise OptionError(
            f"more than {MAX_REGIONS} ways to split an interval", where="step", hint="raise it"
        ) from error
    labels = [_label(tuple(scope)) for scope in graph.scopes]
    labels[-1] = "root"
    return replace(graph, labels=tuple(labels))


def all_subsets(num_variables: int) -> RegionGraph:
    """Every set of variables, split in every way. Raises OptionError for too many variables."""
    if num_variables > MOST_SUBSETS:
        raise OptionError(
            f"{num_variables} variables have too many subsets",
            where="regions",
            hint=f"at most {MOST_SUBSETS} variables; intervals and random suit more",
        )
    variables = range(num_variables)
    splits = {
        scope: list(_ways(scope, range(1, size)))
        for size in range(1, num_variables + 1)
        for scope in itertools.combinations(variables, size)
    }
    return _assemble(num_variables, splits)


def random_regions(num_variables: int, decompositions: int, depth: int, seed: int) -> RegionGraph:
    """Every region is halved in up to `decompositions` different random ways, `depth` times.

    A region of fewer ways has all of them. Raises OptionError where 2^depth exceeds the number of
    variables, or for more than MAX_REGIONS regions.
    """
    if 2**depth > num_variables:
        raise OptionError(
            f"{num_variables} variables cannot be split {depth} times",
            where="depth",
            hint=f"at most {max(num_variables.bit_length() - 1, 1)}",
        )
    generator = np.random.default_rng(seed)
    root: Scope = tuple(range(num_variables))
    splits: dict[Scope, list[tuple[Scope, Scope]]] = {root: []}
    level = [root]
    for _ in range(depth):
        fresh: dict[Scope, None] = {}
        for scope in level:
            splits[scope] = _draw(scope, decompositions, generator)
            # A set met before has its ways, or gets them on this level.
            parts = (part for way in splits[scope] for part in way)
            fresh |= dict.fromkeys(part for part in parts if part not in splits)
            if len(splits) + len(fresh) > MAX_REGIONS:
                raise OptionError(
                    f"more than {MAX_REGIONS} regions", hint="fewer decompositions or splits"
                )
        splits |= {scope: [] for scope in fresh}
        level = list(fresh)
    return _assemble(num_variables, splits)


def _draw(scope: Scope, count: int, generator: np.random.Generator) -> list[tuple[Scope, Scope]]:
    """So many different ways to halve the scope, or all there are."""
    half = len(scope) // 2
    if half == 0:
        return []
    number = math.comb(len(scope), half) // (2 if 2 * half == len(scope) else 1)
    if number <= _FEW:
        ways = list(_ways(scope, (half, len(scope) - half)))
        chosen = generator.choice(len(ways), min(count, number), replace=False)
        return [ways[i] for i in sorted(chosen.tolist())]
    found: dict[tuple[Scope, Scope], None] = {}
    while len(found) < count:
        order = generator.permutation(scope).tolist()
        first, second = tuple(sorted(order[:half])), tuple(sorted(order[half:]))
        found[min((first, second), (second, first))] = None
    return list(found)


def _ways(scope: Scope, sizes: range | tuple[int, ...]) -> Iterator[tuple[Scope, Scope]]:
    """The ways to split a scope into two parts, the first with the first variable and of one of
    these sizes."""
    rest = scope[1:]
    for size in sorted(set(sizes)):
        for others in itertools.combinations(rest, size - 1):
            chosen = set(others)
            yield (scope[0], *others), tuple(v for v in rest if v not in chosen)


def _assemble(num_variables: int, splits: dict[Scope, list[tuple[Scope, Scope]]]) -> RegionGraph:
    """The region graph, parts before the whole; a region without splits is a leaf."""
    order = sorted(splits, key=lambda scope: (len(scope), scope))
    number = {scope: i for i, scope in enumerate(order)}
    ways = [(number[s], number[a], number[b]) for s in order for a, b in splits[s]]
    rows = np.array(ways, dtype=np.int64).reshape(-1, 3)
    leaves: list[Scope] = [() if splits[scope] else scope for scope in order]
    labels = [_label(scope) if len(scope) == 1 else f"r{number[scope]}" for scope in order]
    labels[-1] = "root"
    return RegionGraph(
        num_variables,
        tuple(labels),
        offsets([len(leaf) for leaf in leaves]),
        _flat(leaves),
        np.ascontiguousarray(rows[:, 0]),
        2 * np.arange(len(rows) + 1, dtype=np.int64),
        np.ascontiguousarray(rows[:, 1:]).reshape(-1),
    )


def _flat(rows: list[Scope]) -> IntArray:
    return np.array([v for row in rows for v in row], dtype=np.int64)


def _label(scope: Scope) -> str:
    return f"v{scope[0]}" if len(scope) == 1 else f"v{scope[0]}-{scope[-1]}"


def _graph(shape: Shape, options: DenseOptions) -> RegionGraph:
    width = shape.num_variables
    if options.regions == "all":
        return all_subsets(width)
    if options.regions == "intervals":
        return intervals(width, options.step or (-(-width // USUAL_CELLS),))
    depth = options.depth
    if depth is None:
        depth = max(1, min(USUAL_DEPTH, width.bit_length() - 1))
    return random_regions(width, options.decompositions, depth, options.seed)


def _build(shape: Shape, options: DenseOptions) -> Circuit:
    return region_circuit(_graph(shape, options), shape, options)


def _size(shape: Shape, options: DenseOptions) -> Size:
    return region_size(_graph(shape, options), shape, options)


STRUCTURE = Structure(
    name="dense",
    title="Dense SPN over regions",
    description="GenerateDenseSPN for general variables: intervals of ordered variables, random "
    "regions, or all subsets, each split in several ways; regions are shared.",
    options=DenseOptions,
    build=_build,
    size=_size,
)
