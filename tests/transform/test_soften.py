"""Circuits with soft and hidden evidence built in, against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, gaussian
from pccore.check import check
from pccore.errors import EvidenceError, NotFoundError
from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries import unit_values
from pccore.structures.figures import figures
from pccore.transform import observe_hidden, soften, unit_named
from tests.strategies import SEEDS, circuits, random_evidence, random_graph
from tests.unit_support import random_soft


@settings(max_examples=80)
@given(circuits(normalised=False), SEEDS)
def test_softened_circuit_is_the_product_with_the_likelihoods(model: Circuit, seed: int) -> None:
    soft = random_soft(np.random.default_rng(seed), model)
    made = soften(model, soft).circuit
    made.validate_params()
    states = oracle.states(model)
    expected = np.exp(reference.evaluate(model, states).root[:, 0])
    for name, likelihood in soft.items():
        v = model.variables.index(name)
        expected = expected * np.array(likelihood)[states[:, v].astype(int)]
    found = np.exp(reference.evaluate(made, states).root[:, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
    assert math.exp(oracle.log_partition(made)) == pytest.approx(expected.sum(), rel=1e-9)
    report = check(made, ("smooth", "decomposable"))
    assert set(report.properties.values()) == {"yes"}


@settings(max_examples=60)
@given(circuits(), SEEDS)
def test_every_original_unit_has_the_value_of_its_wrapper(model: Circuit, seed: int) -> None:
    """The built-in evidence and the adjusted run agree on every unit."""
    rng = np.random.default_rng(seed)
    soft, x = random_soft(rng, model), random_evidence(rng, model)
    softened = soften(model, soft)
    trace = reference.evaluate(softened.circuit, x)
    found = unit_values(model, x, soft=soft)
    for g in found.planned:
        for k in range(model.groups[g].size):
            mine = found.log_value_of(Unit(g, k))
            other = float(trace.log_value(softened.unit(Unit(g, k)))[0])
            assert mine == pytest.approx(other, abs=1e-9)


@settings(max_examples=40)
@given(SEEDS, SEEDS)
def test_broken_circuits_are_softened_leaf_by_leaf(graph: int, seed: int) -> None:
    model = random_graph(graph)
    rng = np.random.default_rng(seed)
    soft, x = random_soft(rng, model), random_evidence(rng, model)
    softened = soften(model, soft)
    trace = reference.evaluate(softened.circuit, x)
    found = unit_values(model, x, soft=soft)
    root = softened.unit(model.root)
    assert found.log_root == pytest.approx(float(trace.log_value(root)[0]), abs=1e-9)


def test_hard_evidence_is_a_likelihood_of_one_state() -> None:
    model = figures()["figure1_naive_bayes"]()
    found = unit_values(model, {"X2": 0}, soft={"X1": [0.0, 1.0]})
    assert found.value_of(model.root) == pytest.approx(0.522)
    scaled = unit_values(model, {"X2": 0}, soft={"X1": [0.0, 30.0]})
    assert scaled.value_of(model.root) == pytest.approx(30 * 0.522)


def test_likelihoods_of_zero_make_the_evidence_impossible() -> None:
    model = circuit(bernoulli("A", 0.3))
    assert unit_values(model, {}, soft={"A": [0.0, 0.0]}).log_root == -math.inf
    made = soften(model, {"A": [0.0, 0.0]}).circuit
    made.validate_params()
    assert float(reference.evaluate(made, {}).root[0, 0]) == -math.inf


def test_names_are_kept_and_never_clash() -> None:
    model = circuit(bernoulli("A", 0.3).named("a softened"))
    twice = soften(soften(model, {"A": [1, 2]}).circuit, {"A": [3, 1]}).circuit
    assert "a softened" in {group.name for group in twice.groups}
    assert math.exp(oracle.log_partition(twice)) == pytest.approx(0.7 * 3 + 0.3 * 2)


def test_real_variables_are_refused() -> None:
    with pytest.raises(EvidenceError, match="finitely many states"):
        soften(circuit(gaussian("X", 0.0, 1.0)), {"X": [1.0]})


def test_text_is_not_a_list_of_likelihoods() -> None:
    with pytest.raises(EvidenceError, match="A: likelihoods are a list of numbers"):
        soften(circuit(bernoulli("A", 0.3)), {"A": "ab"})  # type: ignore[dict-item]


def test_observing_unties_weights_from_other_groups() -> None:
    leaves = LeafGroup("x", 2, Bernoulli(), (0,), "x")
    first, second = SumGroup("a", 1, (0,), "w"), SumGroup("b", 1, (0,), "w")
    params = {
        "x": torch.tensor([[0.1, 0.9]], dtype=torch.float64),
        "w": torch.tensor([[0.5, 0.5]], dtype=torch.float64),
    }
    model = Circuit([leaves, first, second], [(1, 0), (2, 0)], ["A"], params)
    made = observe_hidden(model, {"a": 1})
    values = np.exp(reference.evaluate(made, {"A": 1}).root[0])
    np.testing.assert_allclose(values, [0.45, 0.5])
    assert model.params["w"].tolist() == [[0.5, 0.5]]


def test_units_are_found_by_their_names() -> None:
    group = LeafGroup("x", 2, Bernoulli(), (0,), "x")
    odd = LeafGroup("x[1] ", 1, Bernoulli(), (0,), "y")
    params = {"x": torch.full((1, 2), 0.5), "y": torch.full((1, 1), 0.5)}
    model = Circuit([group, odd], [(0, 0)], ["A"], params)
    for unit in (Unit(0, 0), Unit(0, 1), Unit(1, 0)):
        assert unit_named(model, model.unit_name(unit)) == unit
    for name in ("x", "x[2]", "x[-1]", "x[1", "y", "", "x[]", "x[99999999999999999999]"):
        with pytest.raises(NotFoundError, match="no unit"):
            unit_named(model, name)
