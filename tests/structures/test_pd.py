from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.errors import OptionError
from pccore.leaves.base import Support
from pccore.scope import Scope
from pccore.structures import Grid, Shape, build_structure, estimate
from pccore.structures.pd import rectangles


@pytest.mark.parametrize(
    ("delta", "regions", "partitions"),
    # 200 and 3214 are the einsum products of the EiNet authors' code.
    [((7,), 100, 200), ((4, 7), None, 3214), ((2,), 11025, 95550), ((14,), 9, 6), ((28,), 1, 0)],
)
def test_counts_on_28_by_28(delta: tuple[int, ...], regions: int | None, partitions: int) -> None:
    graph = rectangles(Grid(28, 28), delta)
    graph.validate()
    assert len(graph.parents) == partitions
    if regions is not None:
        assert graph.num_regions == regions


def by_recursion(height: int, width: int, delta: tuple[int, ...], axes: str) -> tuple[int, int]:
    """The counts by the plain worklist of the description, one rectangle at a time."""
    todo, seen, partitions = [(0, height, 0, width)], {(0, height, 0, width)}, 0
    while todo:
        a, b, c, d = todo.pop()
        for step in delta:
            rows = [x for x in range(step, height, step) if a < x < b and axes != "vertical"]
            columns = [x for x in range(step, width, step) if c < x < d and axes != "horizontal"]
            parts = [((a, x, c, d), (x, b, c, d)) for x in rows]
            parts += [((a, b, c, x), (a, b, x, d)) for x in columns]
            if parts:
                partitions += len(parts)
                fresh = {box for pair in parts for box in pair} - seen
                seen |= fresh
                todo += fresh
                break
    return len(seen), partitions


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 3),
    delta=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    axes=st.sampled_from(["both", "vertical", "horizontal"]),
)
def test_rectangles(height: int, width: int, channels: int, delta: list[int], axes: str) -> None:
    graph = rectangles(Grid(height, width, channels), tuple(delta), axes)
    graph.validate()
    counts = (graph.num_regions, len(graph.parents))
    assert counts == by_recursion(height, width, tuple(delta), axes)
    assert len(set(graph.scopes)) == graph.num_regions


def test_channels_stay_together() -> None:
    graph = rectangles(Grid(2, 3, 3), (1,))
    scope = dict(zip(graph.labels, graph.scopes, strict=True))
    assert scope["r0,c0"] == Scope.of(0, 1, 2)
    assert scope["r1,c2"] == Scope.of(15, 16, 17)
    assert scope["r0-1,c1"] == Scope.of(3, 4, 5, 12, 13, 14)
    assert scope["root"] == Scope.full(18)


def test_leaf_regions_are_at_most_delta_wide() -> None:
    graph = rectangles(Grid(10, 7), (3,))
    leaves = [s for s, leaf in zip(graph.scopes, graph.is_leaf, strict=True) if leaf]
    assert len(leaves) == 4 * 3
    assert max(map(len, leaves)) == 9


def test_coarse_to_fine_ends_in_pixels() -> None:
    graph = rectangles(Grid(8, 8), (4, 1))
    assert int(graph.is_leaf.sum()) == 64
    # One big region, 2 x 2 blocks with 4 more regions, and 99 parts in each of 4 blocks.
    assert graph.num_regions == 9 + 4 * 99


def test_vertical_cuts_make_strips() -> None:
    circuit = build_structure("pd", Shape.of(64, None, (8, 8)), {"axes": "vertical", "delta": "2"})
    leaves = [group for group in circuit.groups if group.kind == "leaf"]
    assert [group.name for group in leaves] == [f"L(r0-7,c{c}-{c + 1})" for c in (0, 2, 4, 6)]


@pytest.mark.parametrize(("side", "delta"), [(8, "2"), (28, "7"), (32, "8"), (128, "32")])
def test_default_step_is_a_quarter(side: int, delta: str) -> None:
    shape = Shape.of(side * side, Support("real"), (side, side))
    assert estimate("pd", shape) == estimate("pd", shape, {"delta": delta})


def test_needs_an_image() -> None:
    with pytest.raises(OptionError, match="image"):
        build_structure("pd", Shape.of(16))
    with pytest.raises(OptionError, match="image"):
        estimate("pd", Shape.of(16))


def test_too_fine() -> None:
    shape = Shape.of(100 * 100, None, (100, 100))
    with pytest.raises(OptionError, match="raise delta"):
        build_structure("pd", shape, {"delta": [1]})


def test_poon_domingos_dense_scheme() -> None:
    """k sums a region, each over all k^2 products of all decompositions (paper, sec. 4)."""
    shape = Shape.of(9, None, (3, 3))
    circuit = build_structure("pd", shape, {"delta": [1], "units": 2, "mixing": "dense"})
    root = circuit.groups[circuit.root.group]
    assert root.kind == "sum"
    assert len(root.inputs) == 4
    assert len(circuit.children(circuit.root)) == 4 * 2**2
    assert circuit.depth == 2 * 4  # four cuts down to a pixel, a sum and a product each
