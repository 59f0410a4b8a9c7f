"""Region graphs of GenerateDenseSPN: counts against formulas, and circuits of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pccore import oracle
from pccore.errors import OptionError
from pccore.graph import ProductGroup, SumGroup
from pccore.structures import Shape, build_structure, dense, estimate
from pccore.structures.dense import all_subsets, intervals, random_regions
from pccore.structures.region_graph import RegionGraph


def splits_of(graph: RegionGraph, region: int) -> list[frozenset[frozenset[int]]]:
    rows = np.flatnonzero(graph.parents == region)
    starts = graph.child_offsets
    return [
        frozenset(frozenset(graph.scopes[c]) for c in graph.children[starts[p] : starts[p + 1]])
        for p in rows
    ]


@pytest.mark.parametrize(("variables", "step"), [(1, 1), (2, 1), (6, 1), (9, 2), (12, 4)])
def test_intervals(variables: int, step: int) -> None:
    graph = intervals(variables, (step,))
    graph.validate()
    n = math.ceil(variables / step)
    assert graph.num_regions == n * (n + 1) // 2
    assert len(graph.parents) == (n**3 - n) // 6
    assert len(set(graph.scopes)) == graph.num_regions
    for scope, label in zip(graph.scopes[:-1], graph.labels, strict=False):
        members = list(scope)
        assert members == list(range(members[0], members[-1] + 1))
        ends = f"v{members[0]}-{members[-1]}" if len(members) > 1 else f"v{members[0]}"
        assert label == ends


def test_intervals_from_coarse_to_fine() -> None:
    graph = intervals(8, (4, 1))
    # The whole in two, and in each half of four all intervals.
    assert graph.num_regions == 1 + 2 * 10
    assert len(graph.parents) == 1 + 2 * 10
    assert graph.is_leaf.sum() == 8


@pytest.mark.parametrize("variables", [1, 2, 3, 4, 6])
def test_all_subsets(variables: int) -> None:
    graph = all_subsets(variables)
    graph.validate()
    assert graph.num_regions == 2**variables - 1
    assert len(graph.parents) == (3**variables - 2 ** (variables + 1) + 1) // 2
    assert len(set(graph.scopes)) == graph.num_regions
    for region in range(graph.num_regions):
        found = splits_of(graph, region)
        assert len(found) == len(set(found)) == 2 ** (len(graph.scopes[region]) - 1) - 1


@pytest.mark.parametrize(("variables", "ways", "depth"), [(8, 3, 3), (13, 2, 3), (40, 3, 3)])
def test_random_regions(variables: int, ways: int, depth: int) -> None:
    graph = random_regions(variables, ways, depth, 0)
    graph.validate()
    assert len(set(graph.scopes)) == graph.num_regions, "equal scopes are one region"
    for region in range(graph.num_regions):
        found = splits_of(graph, region)
        assert len(found) == len(set(found))
        if found:
            size = len(graph.scopes[region])
            possible = math.comb(size, size // 2) // (1 if size % 2 else 2)
            assert len(found) == min(ways, possible)
            for split in found:
                assert sorted(map(len, split)) == [size // 2, size - size // 2]
    assert graph.num_regions <= sum((2 * ways) ** level for level in range(depth + 1))


def test_regions_are_shared() -> None:
    # Halving 8 variables three times in 3 ways: 2 * 3 * 6 * 6 single ones are met, 8 are there.
    graph = random_regions(8, 3, 3, 1)
    sizes = [len(scope) for scope in graph.scopes]
    assert sizes.count(1) == 8
    assert sizes.count(2) < 6 * 6


def test_one_way_is_a_tree() -> None:
    graph = random_regions(16, 1, 4, 0)
    assert (graph.num_regions, len(graph.parents)) == (31, 15)
    assert graph.scopes == random_regions(16, 1, 4, 0).scopes
    assert graph.scopes != random_regions(16, 1, 4, 1).scopes


@pytest.mark.parametrize("regions", ["intervals", "random", "all"])
def test_circuits(regions: str) -> None:
    options = {"regions": regions, "units": 2, "step": "1", "depth": 2}
    circuit = build_structure("dense", Shape.of(5), options)
    assert np.exp(oracle.log_table(circuit)).sum() == pytest.approx(1, abs=1e-5)
    sums = [g for g in circuit.groups if isinstance(g, SumGroup)]
    assert all(group.edges == "dense" for group in sums)
    products = [g for g in circuit.groups if isinstance(g, ProductGroup)]
    assert all(group.edges == "kronecker" for group in products)


def test_size_of_the_paper() -> None:
    # Intervals of n variables with k sums and k leaves: k^2 products for each split.
    n, k = 6, 3
    size = estimate("dense", Shape.of(n), {"step": "1", "units": k})
    ways = (n**3 - n) // 6
    sums = k * (n * (n - 1) // 2 - 1) + 1
    assert size.units == k * n + k * k * ways + sums
    above_root = (n - 1) * k * k
    assert size.parameters == k * n + (ways - (n - 1)) * k**3 + above_root


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="subsets"):
        build_structure("dense", Shape.of(13), {"regions": "all"})
    with pytest.raises(OptionError, match="cannot be split 4 times"):
        build_structure("dense", Shape.of(9), {"regions": "random", "depth": 4})
    with pytest.raises(OptionError, match="split an interval"):
        build_structure("dense", Shape.of(1000), {"step": "1"})
    monkeypatch.setattr(dense, "MAX_REGIONS", 50)
    with pytest.raises(OptionError, match="more than 50 regions"):
        random_regions(32, 3, 5, 0)
