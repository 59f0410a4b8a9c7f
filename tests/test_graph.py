import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore.errors import EvidenceError, GraphError, NotFoundError, ParameterError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.params import Params
from pccore.reference import edge_rows, edge_units, log_weights
from tests.strategies import circuits


def leaf(name: str, size: int, *variables: int) -> LeafGroup:
    return LeafGroup(name, size, Bernoulli(), variables, name)


def sparse(offsets: list[int], children: list[int]) -> SparseEdges:
    return SparseEdges(np.array(offsets, dtype=np.int64), np.array(children, dtype=np.int64))


def make(
    groups: list[Group], variables: int = 2, roots: list[tuple[int, int]] | None = None
) -> Circuit:
    names = [f"X{v}" for v in range(variables)]
    return Circuit(groups, roots or [(len(groups) - 1, 0)], names, {})


A, B = leaf("a", 2, 0), leaf("b", 3, 1)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([A, SumGroup("s", 1, (1,), "s")], "earlier group"),
        ([A, SumGroup("s", 1, (-1,), "s")], "earlier group"),
        ([A, SumGroup("s", 1, (), "s")], "at least one input"),
        ([A, SumGroup("s", 0, (0,), "s")], "at least one unit"),
        ([A, SumGroup("a", 1, (0,), "s")], "two groups are named"),
        ([A, SumGroup("s", 3, (0,), "s", "elementwise")], "need inputs of 3 units"),
        ([A, B, ProductGroup("p", 2, (0, 1))], "need inputs of 2 units"),
        ([A, B, ProductGroup("p", 5, (0, 1), "kronecker")], "do not make 5 units"),
        ([A, SumGroup("s", 1, (0,), "s", "hadamard")], "cannot have"),  # type: ignore[arg-type]
        ([leaf("a", 1, 7)], "variable 7"),
        ([leaf("a", 1, 0, 0)], "distinct"),
        ([leaf("a", 1)], "distinct"),
        ([A, SumGroup("s", 2, (0,), "s", sparse([0, 1], [0]))], "offsets"),
        ([A, SumGroup("s", 2, (0,), "s", sparse([0, 0, 1], [0]))], "at least one child"),
        ([A, SumGroup("s", 1, (0,), "s", sparse([0, 1], [2]))], "below 2"),
        ([A, B, ProductGroup("p", 2, (0, 1), sparse([0, 1, 2], [0, 2]))], "one scope"),
    ],
)
def test_what_is_no_circuit_is_refused(groups: list[Group], message: str):
    with pytest.raises(GraphError, match=message):
        make(groups)


def test_roots_and_names_are_checked():
    with pytest.raises(GraphError, match="at least one root"):
        Circuit([A], [], ["X0"], {})
    with pytest.raises(GraphError, match="root group 3"):
        make([A], roots=[(3, 0)])
    with pytest.raises(GraphError, match="root unit 2"):
        make([A], roots=[(0, 2)])
    with pytest.raises(GraphError, match="two variables are named"):
        Circuit([A], [(0, 0)], ["X", "X"], {})


def test_invalid_circuits_can_be_built():
    both = leaf("c", 2, 0)
    circuit = make([A, both, ProductGroup("p", 2, (0, 1)), B, SumGroup("s", 1, (2, 3), "s")])
    assert circuit.num_units == 10
    assert circuit.depth == 2


def test_sizes_levels_and_names():
    groups = [A, B, ProductGroup("p", 6, (0, 1), "kronecker"), SumGroup("s", 1, (2,), "s")]
    circuit = make(groups)
    assert (circuit.num_units, circuit.num_edges, circuit.num_parameters) == (12, 18, 11)
    assert circuit.levels.tolist() == [0, 0, 1, 2]
    assert circuit.depth == 2
    assert circuit.unit_name(Unit(2, 4)) == "p[4]"
    assert circuit.unit_name(circuit.root) == "s"
    assert circuit.group_index("p") == 2
    assert circuit.variable_index("X1") == 1
    with pytest.raises(NotFoundError):
        circuit.group_index("nobody")
    with pytest.raises(EvidenceError):
        circuit.variable_index("nobody")


def test_tied_parameters_count_once():
    tied = LeafGroup("b", 2, Bernoulli(), (1,), "a")
    circuit = make([A, tied, ProductGroup("p", 2, (0, 1))])
    assert circuit.num_parameters == 2


def test_domains_are_the_widest_of_the_leaves():
    families = [Bernoulli(), Categorical(4), Binomial(2)]
    groups: list[Group] = [LeafGroup(f"x{i}", 1, f, (0,), f"x{i}") for i, f in enumerate(families)]
    assert make(groups).domain(0).states == 4
    with pytest.raises(EvidenceError, match="no leaf"):
        make(groups).domain(1)
    real = LeafGroup("g", 1, Gaussian(), (0,), "g")
    assert make([*groups, real]).domain(0).kind == "real"


@settings(max_examples=40, deadline=None)
@given(circuits())
def test_children_agree_with_the_edge_rows(circuit: Circuit):
    for position, group in enumerate(circuit.groups):
        if group.kind == "leaf":
            assert circuit.children(Unit(position, 0)) == []
            continue
        edges = edge_rows(circuit, group)
        units = edge_units(circuit, group, edges.children)
        weights = np.exp(log_weights(circuit, group)) if group.kind == "sum" else None
        for k in range(group.size):
            span = slice(edges.offsets[k], edges.offsets[k + 1])
            children = circuit.children(Unit(position, k))
            assert [edge.child for edge in children] == units[span]
            if weights is None:
                assert all(edge.weight is None for edge in children)
            else:
                assert np.allclose([e.weight for e in children], weights[span])


def test_kronecker_is_row_major():
    circuit = make([A, B, ProductGroup("p", 6, (0, 1), "kronecker")])
    pairs = [tuple(e.child.index for e in circuit.children(Unit(2, k))) for k in range(6)]
    assert pairs == list(itertools.product(range(2), range(3)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor([[0.5, -0.1]]), "is negative"),
        (torch.tensor([[0.5, float("nan")]]), "is not finite"),
        (torch.tensor([[0.5, float("inf")]]), "is not finite"),
        (torch.tensor([[1.0]]), "shape"),
        (torch.tensor([[1, 0]]), "floating point"),
        (None, "missing"),
    ],
)
def test_parameters_are_validated_on_demand(value: torch.Tensor | None, message: str):
    params = {"a": torch.tensor([[0.1, 0.2]])}
    circuit = Circuit([A, SumGroup("s", 1, (0,), "s")], [(1, 0)], ["X0"], params)
    good = circuit.with_params(circuit.params.updated({"s": torch.tensor([[0.3, 0.7]])}))
    good.validate_params()
    bad = good if value is None else good.with_params(good.params.updated({"s": value}))
    with pytest.raises(ParameterError, match=message):
        (circuit if value is None else bad).validate_params()
    with pytest.raises(ParameterError, match="a: bernoulli"):
        good.with_params(good.params.updated({"a": torch.tensor([[0.1, 1.2]])})).validate_params()


def test_copies_share_the_structure_and_nothing_is_written():
    circuit = make([A])
    other = circuit.with_params({"a": torch.zeros(1, 2)}).with_meta({"title": "t"})
    assert other.groups is circuit.groups
    assert (len(circuit.params), circuit.meta) == (0, {})
    assert other.meta["title"] == "t"
    with pytest.raises(TypeError):
        other.meta["title"] = "u"  # type: ignore[index]


def test_params_are_an_immutable_mapping():
    one = Params({"w": torch.ones(2)})
    two = one.updated({"v": torch.zeros(3)})
    assert (sorted(two), one.count, two.count) == (["v", "w"], 2, 5)
    assert one.equal(Params({"w": torch.ones(2)}))
    assert not one.equal(two)
    assert not one.equal(one.map(lambda t: t.double()))
    assert two.map(lambda t: t + 1)["v"].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError):
        one["w"] = torch.zeros(2)  # type: ignore[index]
