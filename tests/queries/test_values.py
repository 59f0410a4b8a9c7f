"""Values, derivatives and flows of every unit against the reference and enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import reference
from pccore.build import bernoulli, circuit, gaussian, indicator, product
from pccore.compile import compile_circuit
from pccore.errors import EvidenceError, NotFoundError, ParameterError
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries import (
    posterior_marginals,
    unit_values,
    values,
)
from pccore.structures.figures import figures
from tests.strategies import (
    SEEDS,
    Broken,
    broken_circuits,
    circuits_and_evidence,
    random_circuit,
    random_evidence,
    random_graph,
)
from tests.unit_support import random_soft, same_as_reference


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1, roots=2, reals=1))
def test_every_unit_equals_the_reference(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    for root in range(len(model.roots)):
        found = unit_values(model, x, root)
        same_as_reference(found)
        blank = reference.evaluate(model, np.full_like(x, np.nan))
        expected = float(blank.log_value(model.roots[root])[0])
        assert found.log_partition == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60)
@given(broken_circuits(), SEEDS)
def test_broken_circuits_are_evaluated_as_they_stand(broken: Broken, seed: int) -> None:
    x = random_evidence(np.random.default_rng(seed), broken.circuit)
    if broken.clause == "weights":
        with pytest.raises(ParameterError):
            unit_values(broken.circuit, x)
    else:
        same_as_reference(unit_values(broken.circuit, x))


@settings(max_examples=100)
@given(SEEDS, SEEDS)
def test_random_graphs_of_indicators(graph: int, seed: int) -> None:
    """Mostly inconsistent and incomplete, with shared and repeated children and zero weights."""
    model = random_graph(graph)
    x = random_evidence(np.random.default_rng(seed), model)
    same_as_reference(unit_values(model, x))


@settings(max_examples=40)
@given(SEEDS, SEEDS)
def test_derivatives_are_differences(graph: int, seed: int) -> None:
    """dS/dw = S_child dS/dS_sum, by changing the weight itself: S is linear in each weight."""
    model = random_graph(graph)
    x = random_evidence(np.random.default_rng(seed), model)
    found = unit_values(model, x)
    for g in found.planned:
        group = model.groups[g]
        if group.kind != "sum":
            continue
        for i, edge in enumerate(model.children(Unit(g, 0))):
            weights = model.params[group.parameter].clone()
            weights[0, i] += 1.0
            other = model.with_params(model.params.updated({group.parameter: weights}))
            moved = unit_values(other, x)
            difference = moved.value_of(moved.unit) - found.value_of(found.unit)
            slope = found.derivative_of(Unit(g, 0)) * found.value_of(edge.child)
            # With the sum itself used twice S is quadratic in the weight: only the slope is exact.
            if model.roots[0] == Unit(g, 0):
                assert difference == pytest.approx(slope, abs=1e-9)
            else:
                assert difference >= slope - 1e-9


def test_fused_products_have_values_derivatives_and_flows() -> None:
    x = LeafGroup("x", 3, Bernoulli(), (0,), "x")
    y = LeafGroup("y", 2, Bernoulli(), (1,), "y")
    pairs = ProductGroup("pairs", 6, (0, 1), "kronecker")
    top = SumGroup("top", 1, (2,), "top")
    rng = np.random.default_rng(3)
    params = {
        "x": torch.tensor(rng.random((1, 3))),
        "y": torch.tensor(rng.random((1, 2))),
        "top": torch.tensor(rng.random((1, 6))),
    }
    model = Circuit([x, y, pairs, top], [(3, 0)], ["A", "B"], params)
    program = compile_circuit(model, dtype=torch.float64)
    assert program.plan.fused == {2: 3}
    found = unit_values(program, {"A": 1})
    same_as_reference(found)
    assert found.value_of(Unit(2, 3)) == pytest.approx(float(params["x"][0, 1]))
    softly = unit_values(program, {"A": 1}, soft={"B": [3.0, 0.5]})
    for one in (found, softly):
        np.testing.assert_allclose(one.flow[2].sum(), 1.0)
        np.testing.assert_allclose(values._engine_flows(one)[2], one.flow[2], atol=1e-12)


def test_the_paper_example() -> None:
    found = unit_values(figures()["figure1_naive_bayes"](), {"X1": 1, "X2": 0})
    model = found.circuit
    s, c1 = model.root, Unit(model.group_index("C1"), 0)
    assert found.value_of(s) == pytest.approx(0.522)
    assert found.value_of(c1) == pytest.approx(0.6 * 0.7)
    assert found.derivative_of(c1) == pytest.approx(0.5)
    assert found.flow_of(c1) == pytest.approx(0.5 * 0.42 / 0.522)
    np.testing.assert_allclose(found.edge_flows(s).sum(), 1.0)
    np.testing.assert_allclose(found.edge_flows(c1), found.flow_of(c1))
    assert math.exp(found.log_partition) == pytest.approx(1.0)


def test_groups_that_no_root_reaches_are_not_numbers() -> None:
    broken = random_circuit(1, variables=3)
    dead = LeafGroup("dead", 2, Bernoulli(), (0,), "dead")
    params = broken.params.updated({"dead": torch.full((1, 2), 0.5, dtype=torch.float64)})
    model = Circuit([*broken.groups, dead], broken.roots, broken.variables, params)
    found = unit_values(model, {})
    last = len(model.groups) - 1
    assert last not in found.planned
    for numbers in (found.log_value, found.log_derivative, found.flow):
        assert np.isnan(numbers[last]).all()
        assert not np.isnan(np.concatenate(numbers[:last])).any()
    assert math.isnan(found.value_of(Unit(last, 0)))


def test_impossible_evidence_has_no_flow_but_derivatives() -> None:
    model = circuit(product(indicator("A", 1).named("a"), bernoulli("B", 0.25).named("b")))
    found = unit_values(model, {"A": 0, "B": 1})
    assert found.value_of(model.root) == 0.0
    assert found.derivative_of(Unit(model.group_index("a"), 0)) == pytest.approx(0.25)
    assert all((flow == 0).all() for flow in found.flow)
    with pytest.raises(EvidenceError, match="probability zero"):
        posterior_marginals(found)


def test_a_program_in_single_precision_is_compiled_again() -> None:
    model = random_circuit(5, variables=4)
    found = unit_values(compile_circuit(model), {})
    assert found.program.dtype == torch.float64
    same_as_reference(found)


@pytest.mark.parametrize("seed", range(12))
def test_flows_of_large_circuits_come_from_the_engine(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_circuit(seed, variables=4, zero_weights=True, tied=True)
    rng = np.random.default_rng(seed)
    x = random_evidence(rng, model, missing=0.6)
    sums = [Unit(g, 0) for g, group in enumerate(model.groups) if group.kind == "sum"]
    hidden = {model.unit_name(sums[-1]): 0} if seed % 3 == 0 else None
    asked = {"soft": random_soft(rng, model), "hidden": hidden}
    expected = unit_values(model, x, **asked)
    flows = expected.flow
    monkeypatch.setattr(values, "MAX_EDGES", 3)
    found = unit_values(model, x, **asked)
    for mine, other in zip(found.flow, flows, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
    for unit in sums:
        np.testing.assert_allclose(found.edge_flows(unit), expected.edge_flows(unit), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"evidence": np.full((2, 2), np.nan)}, "one row"),
        ({"evidence": {"Z": 1}}, "no variable 'Z'"),
        ({"evidence": {}, "soft": {"Z": [1, 2]}}, "no variable 'Z'"),
        ({"evidence": {}, "soft": {"X1": [1]}}, "X1: 1 likelihoods are given for 2 states"),
        ({"evidence": {}, "soft": {"X1": [1, -1]}}, "likelihood -1 of state 1"),
        ({"evidence": {}, "soft": {"X1": [math.nan, 1]}}, "likelihood nan of state 0"),
        ({"evidence": {}, "soft": {"X1": [math.inf, 1]}}, "likelihood inf of state 0"),
        ({"evidence": {}, "hidden": {"nothing": 0}}, "no unit 'nothing'"),
        ({"evidence": {}, "hidden": {"C1": 0}}, "C1: only sums"),
        ({"evidence": {}, "hidden": {"S": 3}}, "child 3 does not exist, they are 0 to 2"),
        ({"evidence": {}, "hidden": {"S": -1}}, "child -1 does not exist"),
        ({"evidence": {}, "hidden": {"S": 1.5}}, "child 1.5 does not exist"),
    ],
)
def test_bad_questions_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        unit_values(figures()["figure1_naive_bayes"](), **arguments)


def test_soft_evidence_on_a_real_variable_is_refused() -> None:
    with pytest.raises(EvidenceError, match="finitely many states"):
        unit_values(circuit(gaussian("X", 0.0, 1.0)), {}, soft={"X": [1.0, 2.0]})


def test_unknown_root() -> None:
    with pytest.raises(NotFoundError, match="no root 7"):
        unit_values(random_circuit(0), {}, 7)
