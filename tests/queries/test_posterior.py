"""Soft evidence, observed hidden variables and posteriors against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, indicator, mix, product
from pccore.errors import OptionError, PropertyError
from pccore.graph import Circuit, Unit
from pccore.queries import (
    hidden_posterior,
    log_probability_of,
    marginals,
    posterior_marginals,
    unit_values,
    values,
)
from pccore.structures.figures import figures
from pccore.transform import observe_hidden
from tests.strategies import (
    SEEDS,
    circuits,
    circuits_and_evidence,
    random_circuit,
    random_evidence,
)
from tests.unit_support import random_soft, same_as_reference

# -- soft and hidden evidence ---------------------------------------------------------------


def weighted_table(
    model: Circuit, x: np.ndarray, soft: dict[str, list[float]], root: Unit
) -> tuple[np.ndarray, np.ndarray]:
    """All states that agree with x, and S(x) prod lambda of each."""
    states = oracle.states(model, x, root)
    weights = np.exp(oracle.log_table(model, x, root))
    for name, likelihood in soft.items():
        v = model.variables.index(name)
        weights = weights * np.array(likelihood)[states[:, v].astype(int)]
    return states, weights


def same_posterior(found: object, tables: object, mean: np.ndarray) -> None:
    for mine, other in zip(found.probabilities, tables, strict=True):  # type: ignore[attr-defined]
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_allclose(mine, other, atol=1e-9)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)  # type: ignore[attr-defined]


def enumerated(
    model: Circuit, states: np.ndarray, weights: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """The marginals and means of a weighted table of states."""
    share = weights / weights.sum()
    tables = [
        np.array([share[states[:, v] == c].sum() for c in range(model.domain(v).states or 0)])
        for v in range(len(model.variables))
    ]
    return tables, share @ states


@settings(max_examples=80)
@given(circuits(normalised=False), SEEDS)
def test_soft_evidence_equals_enumeration(model: Circuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = random_evidence(rng, model)[0]
    soft = random_soft(rng, model)
    found = unit_values(model, x, soft=soft)
    states, weights = weighted_table(model, x, soft, model.root)
    np.testing.assert_allclose(math.exp(found.log_root), weights.sum(), rtol=1e-9, atol=1e-300)
    assert found.log_partition == pytest.approx(oracle.log_partition(model), abs=1e-9)
    if weights.sum() > 0:
        tables, mean = enumerated(model, states, weights)
        same_posterior(posterior_marginals(found), tables, mean)
        expected = math.log(weights.sum()) - oracle.log_partition(model)
        assert log_probability_of(found) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=80)
@given(circuits_and_evidence(rows=1, reals=1, zero_probabilities=False), SEEDS)
def test_observed_hidden_variables_are_changed_weights(
    pair: tuple[Circuit, np.ndarray], seed: int
) -> None:
    model, x = pair
    rng = np.random.default_rng(seed)
    sums = [
        Unit(g, k)
        for g, group in enumerate(model.groups)
        if group.kind == "sum"
        for k in range(group.size)
    ]
    picked = [sums[i] for i in rng.permutation(len(sums))[:3]]
    hidden = {
        model.unit_name(unit): int(rng.integers(len(model.children(unit)))) for unit in picked
    }
    found = unit_values(model, x, hidden=hidden)
    changed = observe_hidden(model, hidden)
    same_as_reference(found, changed)
    blank = reference.evaluate(model, np.full_like(x, np.nan))
    assert found.log_partition == pytest.approx(float(blank.root[0, 0]), abs=1e-9)
    if found.log_root > -math.inf:
        expected = marginals(changed, x)
        mine = posterior_marginals(found)
        tables = [None if p is None else p[0].numpy() for p in expected.probabilities]
        same_posterior(mine, tables, expected.mean[0].numpy())
        np.testing.assert_allclose(mine.variance, expected.variance[0].numpy(), atol=1e-9)


def test_consistent_circuits_get_posteriors_state_by_state() -> None:
    model = figures()["consistent_not_decomposable"]()
    for evidence in ({}, {"X1": 1}):
        found = unit_values(model, evidence)
        posterior = posterior_marginals(found)
        assert posterior.method == "conditional"
        expected = oracle.marginals(model, evidence)
        for mine, other in zip(posterior.probabilities, expected, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-12)
    with pytest.raises(PropertyError, match="decomposable"):
        posterior_marginals(unit_values(model, {}, soft={"X1": [0.5, 0.2]}))
    with pytest.raises(PropertyError, match="decomposable"):
        log_probability_of(unit_values(model, {}, soft={"X1": [0.5, 0.2]}))


def test_broken_circuits_get_no_posterior() -> None:
    with pytest.raises(PropertyError) as caught:
        posterior_marginals(unit_values(figures()["incomplete"](), {}))
    assert caught.value.witness is not None


# -- hidden variables ------------------------------------------------------------------------


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1, zero_probabilities=False))
def test_hidden_posterior_splits_the_root(pair: tuple[Circuit, np.ndarray]) -> None:
    """P(Y = i | e) from values with the sum's weights on child i alone: S is linear in them."""
    model, x = pair
    found = unit_values(model, x)
    assume(found.log_root > -math.inf)
    for g in found.planned:
        if model.groups[g].kind != "sum":
            continue
        unit = Unit(g, model.groups[g].size - 1)
        shares = hidden_posterior(found, unit)
        assert shares.sum() == pytest.approx(1.0)
        absent = shares[-1]
        for i in range(len(shares) - 1):
            one = unit_values(found.program, x, hidden={model.unit_name(unit): i})
            part = math.exp(one.log_root - found.log_root)
            assert shares[i] + absent == pytest.approx(part, abs=1e-9)


def test_hidden_posterior_of_other_units_and_impossible_evidence() -> None:
    model = figures()["figure1_naive_bayes"]()
    found = unit_values(model, {"X1": 1})
    with pytest.raises(OptionError, match="C1: only sums"):
        hidden_posterior(found, Unit(model.group_index("C1"), 0))
    shares = hidden_posterior(found, model.root)
    np.testing.assert_allclose(shares, [0.3 / 0.69, 0.12 / 0.69, 0.27 / 0.69, 0.0], atol=1e-12)
    never = circuit(mix([1.0, 2.0], [indicator("A", 1), indicator("A", 1)]))
    assert np.isnan(hidden_posterior(unit_values(never, {"A": 0}), never.root)).all()


@given(st.integers(0, 1))
def test_a_unit_that_occurs_twice_has_no_absence(b: int) -> None:
    """x·x is consistent, but its sum is counted twice, so "takes no part" has no answer."""
    leaf = mix([0.5, 0.5], [indicator("A", 1), indicator("A", 1)]).named("s")
    model = circuit(product(leaf, leaf, bernoulli("B", 0.5)))
    shares = hidden_posterior(unit_values(model, {"A": 1, "B": b}), Unit(model.group_index("s"), 0))
    np.testing.assert_allclose(shares[:2], [1.0, 1.0])
    assert math.isnan(shares[-1])


# -- large circuits --------------------------------------------------------------------------


def test_derivatives_are_refused_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_circuit(5, variables=4)
    found = unit_values(model, {})
    soft_found = unit_values(model, {}, soft={"X0": [0.5] * (model.domain(0).states or 0)})
    expected = posterior_marginals(soft_found)
    monkeypatch.setattr(values, "MAX_EDGES", 3)
    monkeypatch.setattr("pccore.queries.posterior.MAX_EDGES", 3)
    assert found.value_of(found.unit) == pytest.approx(1.0)
    with pytest.raises(OptionError, match="more than the 3"):
        _ = found.log_derivative
    again = unit_values(model, {}, soft={"X0": [0.5] * (model.domain(0).states or 0)})
    same_posterior(posterior_marginals(again), expected.probabilities, expected.mean)
