from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.errors import OptionError
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, estimate, size_of
from pccore.structures.rat import random_binary_trees


@given(
    depth=st.integers(1, 5),
    extra=st.integers(0, 40),
    replicas=st.integers(1, 5),
    seed=st.integers(0, 2**31 - 1),
)
def test_trees_are_balanced_partitions(depth: int, extra: int, replicas: int, seed: int) -> None:
    count = 2**depth + extra
    graph = random_binary_trees(count, depth, replicas, seed)
    graph.validate()
    assert graph.num_regions == replicas * (2 ** (depth + 1) - 2) + 1
    assert int(graph.is_leaf.sum()) == replicas * 2**depth
    leaves = [len(graph.scopes[i]) for i in range(graph.num_regions) if graph.is_leaf[i]]
    assert max(leaves) - min(leaves) <= 1
    halves = [len(graph.scopes[c]) for c in graph.children.tolist()]
    assert all(abs(a - b) <= 1 for a, b in zip(halves[::2], halves[1::2], strict=True))


def test_labels_are_paths() -> None:
    graph = random_binary_trees(8, 2, 2, 0)
    scope = dict(zip(graph.labels, graph.scopes, strict=True))
    assert scope["1.0"] == scope["1.00"] | scope["1.01"]
    assert scope["root"] == scope["0.0"] | scope["0.1"] == scope["1.0"] | scope["1.1"]


def test_replicas_differ_and_seeds_reproduce() -> None:
    graph = random_binary_trees(32, 3, 2, 5)
    scope = dict(zip(graph.labels, graph.scopes, strict=True))
    assert scope["0.0"] != scope["1.0"]
    assert graph.scopes == random_binary_trees(32, 3, 2, 5).scopes
    assert graph.scopes != random_binary_trees(32, 3, 2, 6).scopes


# 512 Gaussian variables, depth 4, 10 replicas: four independent implementations agree.
@pytest.mark.parametrize(("units", "parameters"), [(10, 243_410), (40, 9_385_610)])
def test_published_parameter_counts(units: int, parameters: int) -> None:
    shape = Shape.of(512, Support("real"))
    options = {"units": units, "depth": 4, "replicas": 10}
    assert estimate("rat", shape, options).parameters == parameters
    assert build_structure("rat", shape, options).num_parameters == parameters


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("depth", [1, 4, 6])
@pytest.mark.parametrize("replicas", [1, 2, 7])
def test_parameter_formula(units: int, depth: int, replicas: int) -> None:
    shape = Shape.of(64, Support("real"))
    options = {"units": units, "depth": depth, "replicas": replicas}
    leaf = 2 * 64 * units * replicas
    inner = replicas * (2**depth - 2) * units**3
    root = replicas * units**2 + (replicas if replicas > 1 else 0)
    circuit = build_structure("rat", shape, options)
    assert circuit.num_parameters == leaf + inner + root
    assert size_of(circuit) == estimate("rat", shape, options)


@pytest.mark.parametrize(("count", "depth"), [(1, 1), (3, 2), (63, 6)])
def test_too_deep(count: int, depth: int) -> None:
    with pytest.raises(OptionError, match=f"{count} variables cannot be split {depth} times"):
        build_structure("rat", Shape.of(count), {"depth": depth})


def test_too_many_regions() -> None:
    with pytest.raises(OptionError, match="regions"):
        estimate("rat", Shape.of(2**16), {"depth": 16, "replicas": 1000})


def test_one_replica_has_one_decomposition_for_each_scope() -> None:
    circuit = build_structure("rat", Shape.of(20), {"replicas": 1, "depth": 4, "units": 2})
    splits = {
        (circuit.scopes[i].bits, frozenset(circuit.scopes[j].bits for j in group.inputs))
        for i, group in enumerate(circuit.groups)
        if group.kind == "product"
    }
    assert len(splits) == len({scope for scope, _ in splits}) == 15
