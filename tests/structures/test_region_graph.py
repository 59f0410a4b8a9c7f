from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore import oracle
from pccore.errors import GraphError, OptionError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.structures import Shape, size_of
from pccore.structures.drafting import random_weights
from pccore.structures.leaf_groups import LeafOptions, families_of
from pccore.structures.parametrise import (
    RegionOptions,
    region_circuit,
    region_size,
)
from pccore.structures.region_graph import RegionGraph


def smooth_and_decomposable(circuit: Circuit) -> bool:
    for group in circuit.groups:
        scopes = [circuit.scopes[i] for i in group.inputs]
        if group.kind == "sum" and len(set(scopes)) != 1:
            return False
        if group.kind == "product" and sum(map(len, scopes)) != len(set().union(*map(set, scopes))):
            return False
    return len(circuit.scopes[circuit.root.group]) == len(circuit.variables)


def diamond() -> RegionGraph:
    """{0, 1, 2} split in three ways, one of them ternary; {0, 1} in a shared one."""
    return RegionGraph.of(
        3,
        [[0], [1], [2], [1, 2]],
        [[(0, 1)], [(4, 2), (0, 3), (0, 1, 2)]],
        ["a", "b", "c", "bc", "ab", "all"],
    )


SHAPES = {
    "binary": Shape.of(3),
    "mixed": Shape.of(3, [Support("finite", 3), Support("real"), Support("finite", 2)]),
}


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    units=st.integers(1, 4),
    input_units=st.integers(1, 4) | st.none(),
    roots=st.integers(1, 3),
    product=st.sampled_from(["kronecker", "hadamard"]),
    mixing=st.sampled_from(["elementwise", "dense"]),
)
def test_size_is_that_of_the_circuit(
    shape: str, units: int, input_units: int | None, roots: int, product: str, mixing: str
) -> None:
    options = RegionOptions(
        units=units,
        input_units=input_units,
        roots=roots,
        product=product,  # type: ignore[arg-type]
        mixing=mixing,  # type: ignore[arg-type]
    )
    circuit = region_circuit(diamond(), SHAPES[shape], options)
    assert region_size(diamond(), SHAPES[shape], options) == size_of(circuit)
    assert len(circuit.roots) == roots
    assert smooth_and_decomposable(circuit)
    circuit.validate_params()


@pytest.mark.parametrize("product", ["kronecker", "hadamard"])
@pytest.mark.parametrize("mixing", ["elementwise", "dense"])
def test_values_are_normalised(product: str, mixing: str) -> None:
    options = RegionOptions(units=2, product=product, mixing=mixing)  # type: ignore[arg-type]
    circuit = region_circuit(diamond(), Shape.of(3, Support("finite", 3)), options)
    assert oracle.log_partition(circuit) == pytest.approx(0, abs=1e-5)


def test_names_tell_region_and_partition() -> None:
    circuit = region_circuit(diamond(), SHAPES["mixed"], RegionOptions(units=2))
    names = [group.name for group in circuit.groups]
    assert names[:6] == ["L(a)", "L(b)", "L(c)", "L(bc)#0", "L(bc)#1", "P(bc)"]
    assert names[6:8] == ["P(ab)", "S(ab)"]
    assert names[-1] == "M(all)"
    assert {"S(all)#0", "S(all)#1", "S(all)#2"} < set(names)


def test_a_region_of_two_families_becomes_a_product() -> None:
    circuit = region_circuit(diamond(), SHAPES["mixed"], RegionOptions(units=5))
    first, second, joined = (circuit.groups[i] for i in (3, 4, 5))
    assert (first.kind, second.kind, joined.kind) == ("leaf", "leaf", "product")
    assert joined.inputs == (3, 4)
    assert joined.size == 5


def test_a_single_region_is_a_mixture_of_leaves() -> None:
    graph = RegionGraph.of(2, [[0, 1]], [])
    circuit = region_circuit(graph, Shape.of(2), RegionOptions(input_units=7, roots=2))
    assert [group.kind for group in circuit.groups] == ["leaf", "sum"]
    assert size_of(circuit) == (9, 14, 28)


def test_weights_are_positive_and_normalised() -> None:
    weights = random_weights((50, 7, 9), torch.Generator().manual_seed(3))
    assert weights.dtype == torch.float32
    assert bool((weights > 0).all())
    torch.testing.assert_close(weights.sum(-1), torch.ones(50, 7))
    # A uniform point of the simplex of 9 has coordinates of variance 8 / (81 * 10).
    assert float(weights.var()) == pytest.approx(8 / 810, rel=0.1)


def test_too_large_is_an_error_before_anything_is_allocated() -> None:
    graph = RegionGraph.of(64, [[v] for v in range(64)], [[tuple(range(64))]])
    options = RegionOptions(units=1024)
    assert region_size(graph, Shape.of(64), options).edges > 2**60
    with pytest.raises(OptionError, match="too many to build"):
        region_circuit(graph, Shape.of(64), options)


@pytest.mark.parametrize(
    ("leaf", "support", "name"),
    [
        ("auto", Support("finite", 2), "bernoulli"),
        ("auto", Support("finite", 5), "categorical"),
        ("auto", Support("real"), "gaussian"),
        ("categorical", Support("finite", 2), "categorical"),
        ("categorical", Support("real"), "gaussian"),
        ("binomial", Support("finite", 5), "binomial"),
        ("gaussian", Support("finite", 5), "gaussian"),
        ("gaussian", Support("count"), "gaussian"),
    ],
)
def test_families(leaf: str, support: Support, name: str) -> None:
    (family,) = families_of(Shape.of(1, support), LeafOptions(leaf=leaf))  # type: ignore[arg-type]
    assert family.name == name
    if name in ("categorical", "binomial"):
        assert family.support == support


def test_bernoulli_needs_two_states() -> None:
    shape = Shape.of(["a", "b"], [Support("finite", 2), Support("finite", 3)])
    with pytest.raises(OptionError, match="b has 3"):
        families_of(shape, LeafOptions(leaf="bernoulli"))


def test_variances_are_options() -> None:
    options = LeafOptions(min_variance=1e-6, max_variance=1e-2)
    (family,) = families_of(Shape.of(1, Support("real")), options)
    assert family.to_dict() == {"family": "gaussian", "min_variance": 1e-6, "max_variance": 1e-2}
    with pytest.raises(ValueError, match="must not exceed"):
        LeafOptions(min_variance=1.0, max_variance=0.5)


@pytest.mark.parametrize(
    ("leaves", "splits", "match"),
    [
        ([[0], [1]], [[(0, 0)]], "overlap"),
        ([[0], [1], [2]], [[(0, 1)]], "cover all"),
        ([[0], [1], [2]], [[(0, 1), (1, 2)]], "whole region"),
        ([[0, 1, 2]], [[(0,)]], "two or more"),
        ([[0], [1, 2]], [[(0, 2)]], "come after"),
        ([[0], [], [1, 2]], [[(0, 2)]], "either variables"),
        ([[0], [1, 2]], [[(0, 1)], []], "either variables"),
    ],
)
def test_wrong_graphs(leaves: list[list[int]], splits: list[list[list[int]]], match: str) -> None:
    with pytest.raises(GraphError, match=match):
        RegionGraph.of(3, leaves, splits)


def test_labels_must_differ() -> None:
    with pytest.raises(GraphError, match="labels"):
        RegionGraph.of(2, [[0], [1]], [[(0, 1)]], ["a", "a", "b"])


def test_repr_is_short() -> None:
    assert repr(diamond()) == "RegionGraph(3 variables, 6 regions, 4 partitions)"
    assert np.array_equal(diamond().num_partitions, [0, 0, 0, 0, 1, 3])
