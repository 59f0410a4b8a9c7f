"""scalar, smooth, marginalise, condition, normalise, drop_dead: each against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import check
from pccore.errors import EvidenceError, NotFoundError, OptionError, ParameterError
from pccore.graph import Circuit, SumGroup, Unit
from pccore.reference import evaluate
from pccore.transform import condition, drop_dead, marginalise, normalise, scalar, smooth
from tests.strategies import SEEDS, circuits, random_broken, random_evidence, random_graph


def table(model: Circuit) -> np.ndarray:
    """S at every complete state of all variables that the circuit mentions."""
    return np.exp(oracle.log_table(model))


def all_states(model: Circuit) -> np.ndarray:
    return oracle.states(model)


def value(model: Circuit, rows: np.ndarray) -> np.ndarray:
    return np.exp(evaluate(model, rows).root[:, 0])


@settings(max_examples=60)
@given(circuits(variables=3, normalised=False, tied=True, roots=2))
def test_scalar_keeps_every_unit(model: Circuit) -> None:
    made = scalar(model)
    assert all(group.size == 1 for group in made.circuit.groups)
    rows = random_evidence(np.random.default_rng(0), model, rows=4)
    before, after = evaluate(model, rows), evaluate(made.circuit, rows)
    for unit, new in made.units.items():
        np.testing.assert_allclose(after.log_value(new), before.log_value(unit), atol=1e-12)
        assert made.circuit.unit_name(new).rstrip("'") == model.unit_name(unit).rstrip("'")


def test_scalar_refuses_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pccore.transform.sketch.MAX_EDGES", 2)
    with pytest.raises(OptionError, match="rewired"):
        scalar(circuit(mix([1, 1, 1], [bernoulli("A", p) for p in (0.1, 0.2, 0.3)])))


@settings(max_examples=60)
@given(SEEDS)
def test_smooth_keeps_complete_states_and_counts_what_was_missing(seed: int) -> None:
    broken = random_broken(seed, "smooth", variables=3, normalised=False)
    made = smooth(broken.circuit)
    assert check(made).holds("smooth")
    states = all_states(broken.circuit)
    np.testing.assert_allclose(value(made, states), value(broken.circuit, states), rtol=1e-12)
    rows = random_evidence(np.random.default_rng(seed), made, rows=5)
    expected = [math.exp(oracle.log_measure(made, row)) for row in rows]
    np.testing.assert_allclose(value(made, rows), expected, rtol=1e-6)


def test_smooth_needs_finite_variables() -> None:
    model = circuit(
        0.5 * product(bernoulli("A", 0.3), gaussian("Y", 0, 1)) + 0.5 * bernoulli("A", 0.9)
    )
    with pytest.raises(OptionError, match="no leaf over Y"):
        smooth(model)


@settings(max_examples=60)
@given(circuits(variables=3, normalised=False), SEEDS)
def test_marginalise_and_condition(model: Circuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gone = int(rng.integers(3))
    made = marginalise(model, [model.variables[gone]])
    assert gone not in made.domains
    rows = oracle.states(made)
    expected = [math.exp(oracle.log_measure(model, row)) for row in rows]
    np.testing.assert_allclose(value(made, rows), expected, rtol=1e-9)
    seen = int(rng.integers(model.domain(gone).states or 1))
    evidence = {model.variables[gone]: seen}
    if oracle.log_measure(model, evidence) == -math.inf:
        return
    made = condition(model, evidence)
    rows = oracle.states(made)
    full = rows.copy()
    full[:, gone] = seen
    np.testing.assert_allclose(value(made, rows), value(model, full), rtol=1e-9)


@settings(max_examples=40)
@given(SEEDS)
def test_marginalise_any_graph_is_its_own_up_pass(seed: int) -> None:
    model = random_graph(seed)
    first = model.variables[0]
    try:
        made = marginalise(model, [first])
    except OptionError as error:  # only a constant was left
        assert "constant" in str(error)
        return
    rows = oracle.states(made)
    np.testing.assert_allclose(value(made, rows), value(model, rows), rtol=1e-9)


def test_marginalise_refuses() -> None:
    model = circuit(0.5 * bernoulli("A", 0.3) + 0.5 * bernoulli("A", 0.9))
    with pytest.raises(NotFoundError, match="'B'"):
        marginalise(model, ["B"])
    with pytest.raises(OptionError, match="nothing is left but the constant 1"):
        marginalise(model, ["A"])
    with pytest.raises(EvidenceError, match="one row"):
        condition(model, [[0.0], [1.0]])


@settings(max_examples=60)
@given(circuits(variables=3, normalised=False, tied=True, zero_weights=True))
def test_normalise_divides_by_the_partition_function(model: Circuit) -> None:
    total = math.exp(oracle.log_partition(model))
    made = normalise(model)
    assert check(made, ("normalized",)).holds("normalized")
    np.testing.assert_allclose(table(made), table(model) / total, rtol=1e-9, atol=1e-15)


def test_normalise_refuses_zero() -> None:
    model = circuit(mix([0.0], [bernoulli("A", 0.3)]))
    with pytest.raises(ParameterError, match="zero everywhere"):
        normalise(model)


@settings(max_examples=60)
@given(circuits(variables=3, normalised=False, zero_weights=True))
def test_drop_dead_changes_nothing_but_the_size(model: Circuit) -> None:
    made = drop_dead(model)
    rows = random_evidence(np.random.default_rng(1), model, rows=5)
    np.testing.assert_allclose(value(made, rows), value(model, rows), rtol=1e-12)
    for group in made.groups:
        if isinstance(group, SumGroup):
            weights = made.params[group.parameter]
            assert bool((weights > 0).all()) or weights.numel() == 1


def test_drop_dead_drops_the_unreachable_and_the_weightless() -> None:
    broken = random_broken(3, "reachable", variables=2).circuit
    assert "dead" not in {group.name for group in drop_dead(broken).groups}
    one, none = indicator("A", 1).named("one"), indicator("A", 0).named("none")
    made = drop_dead(circuit(mix([1.0, 0.0], [one, none])))
    assert [group.name for group in made.groups] == ["one", "s1"]
    assert made.params["s1"].tolist() == [[1.0]]
    assert made.params["one"].dtype == torch.float64
    assert made.root == Unit(1, 0)
