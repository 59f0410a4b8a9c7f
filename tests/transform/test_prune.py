"""Pruning, against enumeration; and that what comes out is still groups of arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, mix, product
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.errors import OptionError
from pccore.graph import Circuit, SparseEdges, SumGroup, Unit
from pccore.queries import expected_flows
from pccore.reference import evaluate
from pccore.structures import Shape, build_structure
from pccore.transform import drop_dead, prune
from tests.strategies import circuits, random_broken, random_evidence


def table(model: Circuit) -> np.ndarray:
    return np.exp(oracle.log_table(model))


def weights_of(model: Circuit) -> list[float]:
    sums = [g for g in model.groups if isinstance(g, SumGroup)]
    return sorted(w for g in sums for w in model.params[g.parameter].reshape(-1).tolist())


def with_zeros(model: Circuit, share: float, seed: int = 0) -> Circuit:
    """Some weights of every sum are zero now, never all of a unit; each unit still sums to 1."""
    random = np.random.default_rng(seed)
    changes: dict[str, torch.Tensor] = {}
    for group in model.groups:
        if isinstance(group, SumGroup):
            weights = model.params[group.parameter].clone()
            gone = torch.from_numpy(random.random(weights.shape) < share)
            gone[torch.arange(group.size), weights.argmax(1)] = False
            weights[gone] = 0
            changes[group.parameter] = weights / weights.sum(1, keepdim=True)
    return model.with_params(model.params.updated(changes))


@settings(max_examples=80)
@given(circuits(variables=3, normalised=False, zero_weights=True, tied=True, roots=2))
def test_pruning_zeros_changes_nothing_but_the_size(model: Circuit) -> None:
    made = prune(model)
    np.testing.assert_allclose(table(made), table(model), rtol=1e-12)
    rows = random_evidence(np.random.default_rng(1), model, rows=5)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(evaluate(made, rows).root, evaluate(model, rows).root, 1e-12)
    assert made.num_units <= model.num_units
    assert made.num_edges <= model.num_edges
    for group in made.groups:
        if isinstance(group, SumGroup):
            weights = made.params[group.parameter]
            assert bool((weights > 0).all()) or weights.numel() == group.size
    for wanted in ("smooth", "decomposable"):
        assert check(made).holds(wanted)
    again = prune(made)
    assert [g.size for g in again.groups] == [g.size for g in made.groups]
    assert again.num_edges == made.num_edges


@settings(max_examples=40)
@given(circuits(variables=3, zero_weights=True))
def test_it_leaves_as_much_as_the_rewriting_of_single_units(model: Circuit) -> None:
    made, single = prune(model), drop_dead(model)
    assert weights_of(made) == weights_of(single)


@settings(max_examples=40)
@given(circuits(variables=3, normalised=True))
def test_a_threshold_keeps_the_weights_of_a_sum_normalised(model: Circuit) -> None:
    made = prune(model, 0.3)
    assert table(made).sum() == pytest.approx(1)
    assert made.num_edges <= model.num_edges
    properties = check(made).properties
    for wanted in ("smooth", "decomposable", "normalized"):
        assert properties[wanted] == "yes"
    for group in made.groups:
        if isinstance(group, SumGroup):
            assert float(made.params[group.parameter].min()) >= 0.3 - 1e-12


def test_a_threshold_by_hand() -> None:
    model = circuit(mix([1, 2, 7], [bernoulli("A", p) for p in (0.1, 0.2, 0.9)]))
    made = prune(model, 0.15)
    assert [g.name for g in made.groups] == [model.groups[i].name for i in (1, 2, 3)]
    np.testing.assert_allclose(made.params[made.groups[-1].name], [[2 / 0.9, 7 / 0.9]])
    assert prune(model, 0.1).num_edges == 3
    # All below: the largest stays.
    assert prune(model, 0.99).params[made.groups[-1].name].tolist() == [[10.0]]


@pytest.mark.parametrize("kind", ["kronecker", "hadamard"])
def test_groups_stay_groups(kind: str) -> None:
    options = {"depth": 2, "replicas": 2, "units": 3, "product": kind}
    model = build_structure("rat", Shape.of(6), options)
    sparse = with_zeros(model, 0.6)
    made = prune(sparse)
    assert len(made.groups) <= len(model.groups)
    assert made.num_edges < 0.8 * model.num_edges
    np.testing.assert_allclose(table(made), table(sparse), rtol=1e-6)
    assert any(isinstance(g, SumGroup) and isinstance(g.edges, SparseEdges) for g in made.groups)
    x = torch.from_numpy(oracle.states(made)).float()
    torch.testing.assert_close(
        compile_circuit(made)(x).exp(), torch.from_numpy(table(made)).float()
    )


def test_nothing_to_prune_keeps_everything() -> None:
    model = build_structure("rat", Shape.of(6), {"depth": 2, "units": 3})
    made = prune(model)
    assert made.params.equal(model.params)
    assert made.groups == model.groups
    assert made.roots == model.roots


def test_whole_units_leave_dense_groups_dense() -> None:
    model = build_structure("naive_bayes", Shape.of(4), {"components": 5})
    name = model.groups[-1].name
    weights = torch.tensor([[0.5, 0.0, 0.25, 0.0, 0.25]])
    made = prune(model.with_params(model.params.updated({name: weights})))
    assert [(g.size, g.kind) for g in made.groups] == [(3, "leaf"), (1, "sum")]
    assert made.groups[-1] == model.groups[-1]
    assert made.params[name].tolist() == [[0.5, 0.25, 0.25]]
    leaf = model.groups[0].name
    assert torch.equal(made.params[leaf], model.params[leaf][:, [0, 2, 4]])


def test_the_unreachable_goes_and_a_root_that_is_zero_stays() -> None:
    broken = random_broken(3, "reachable", variables=2).circuit
    assert "dead" not in {group.name for group in prune(broken).groups}
    model = circuit(mix([0.0, 0.0], [gaussian("A", 0, 1), gaussian("A", 1, 1)]))
    made = prune(model)
    assert made.root == Unit(1, 0)
    assert made.num_edges == 1
    assert np.isneginf(evaluate(made, [0.0]).root).all()


def test_what_leads_to_zero_goes_too() -> None:
    nothing = product(mix([0.0], [bernoulli("A", 0.5)]), bernoulli("B", 0.5))
    some = product(bernoulli("A", 0.2), bernoulli("B", 0.1))
    model = circuit(mix([0.5, 0.5], [nothing, some]))
    made = prune(model)
    assert (made.num_edges, len(made.groups)) == (3, 4)
    np.testing.assert_allclose(table(made), table(model))


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_bad_thresholds(threshold: float) -> None:
    with pytest.raises(OptionError, match="threshold"):
        prune(circuit(bernoulli("A", 0.5)), threshold)


def test_by_flow_the_edges_that_the_data_use_least_go() -> None:
    model = circuit(
        mix([0.5, 0.3, 0.2], [bernoulli("A", p).named(f"a{p}") for p in (0.0, 1.0, 0.9)])
    )
    x = torch.tensor([[1.0]] * 9 + [[0.0]])
    flows = expected_flows(model, x)
    top = model.groups[-1].name
    # Of x = 1: 0, 0.3 / 0.48, 0.18 / 0.48; of x = 0: 0.5 / 0.52, 0, 0.02 / 0.52.
    expected = [0.1 * 0.5 / 0.52, 0.9 * 0.3 / 0.48, 0.9 * 0.18 / 0.48 + 0.1 * 0.02 / 0.52]
    assert flows.edges[top].tolist() == [pytest.approx(expected)]
    made = prune(model, flows=flows.edges, share=0.34)
    assert [g.name for g in made.groups[:-1]] == ["a1.0", "a0.9"]
    np.testing.assert_allclose(made.params[top], [[0.6, 0.4]])
    assert prune(model, flows=flows.edges, share=0.3).num_edges == 3  # not one whole edge


@settings(max_examples=40)
@given(circuits(variables=3, normalised=True, tied=True))
def test_by_flow_the_loss_is_bounded(model: Circuit) -> None:
    x = torch.from_numpy(oracle.states(model))
    flows = expected_flows(model, x).edges
    made = prune(model, flows=flows, share=0.5)
    bare = prune(model, flows=flows, share=0.5, rescale=False)
    assert table(made).sum() == pytest.approx(1)
    assert (table(bare) <= table(model) * (1 + 1e-9)).all()
    assert (table(bare) <= table(made) * (1 + 1e-9)).all()
    assert made.num_edges <= model.num_edges
    assert [g.size for g in made.groups] == [g.size for g in bare.groups]
    assert check(made).holds("smooth")


def test_by_flow_as_many_as_asked_for() -> None:
    model = build_structure("rat", Shape.of(6), {"depth": 2, "replicas": 2, "units": 6})
    x = torch.from_numpy(oracle.states(model)).float()
    flows = expected_flows(model, x).edges
    every = sum(f.numel() for f in flows.values())
    made = prune(model, flows=flows, share=0.3)
    left = sum(made.params[g.parameter].numel() for g in made.groups if isinstance(g, SumGroup))
    assert left == pytest.approx(0.7 * every, abs=0.1 * every)
    with pytest.raises(OptionError, match="no flow for"):
        prune(model, flows={}, share=0.3)
    with pytest.raises(OptionError, match="share"):
        prune(model, flows=flows, share=1.0)
