"""Every query against brute-force enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.errors import EvidenceError, NotFoundError, PropertyError
from pccore.graph import Circuit
from pccore.queries import (
    licence,
    log_conditional,
    log_partition,
    log_probability,
    log_value,
    marginals,
    mpe,
    posterior_mean,
    queries,
    sample,
)
from tests.strategies import circuits, circuits_and_evidence


def possible(model: Circuit, x: np.ndarray) -> np.ndarray:
    """The rows of evidence that the circuit does not exclude."""
    return x[reference.evaluate(model, x).root[:, 0] > -np.inf]


@settings(max_examples=40)
@given(circuits_and_evidence(rows=3, normalised=False, zero_probabilities=True))
def test_probabilities_equal_enumeration(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    assert float(log_partition(model)) == pytest.approx(oracle.log_partition(model), abs=1e-8)
    expected = [oracle.log_probability(model, row) for row in x]
    np.testing.assert_allclose(log_probability(model, x).numpy(), expected, atol=1e-8)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=3, normalised=False))
def test_conditionals_equal_enumeration_and_the_product_rule(
    pair: tuple[Circuit, np.ndarray],
) -> None:
    model, x = pair
    x = possible(model, x)
    evidence = x.copy()
    evidence[:, ::2] = np.nan
    query = x.copy()
    query[:, 1::2] = np.nan
    found = log_conditional(model, query, evidence)
    for row, e, value in zip(x, evidence, found, strict=True):
        expected = oracle.log_probability(model, row) - oracle.log_probability(model, e)
        assert float(value) == pytest.approx(expected, abs=1e-8)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=2, normalised=False))
def test_marginals_equal_enumeration(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    x = possible(model, x)
    if not len(x):
        return
    found = marginals(model, x)
    for b, row in enumerate(x):
        for table, expected in zip(found.probabilities, oracle.marginals(model, row), strict=True):
            assert table is not None
            np.testing.assert_allclose(table[b].numpy(), expected, atol=1e-8)
        mean, variance = oracle.moments(model, row)
        np.testing.assert_allclose(found.mean[b], mean, atol=1e-8)
        np.testing.assert_allclose(found.variance[b], variance, atol=1e-7)
    torch.testing.assert_close(posterior_mean(model, x), found.mean)
    np.testing.assert_allclose(found.log_value, log_value(model, x), atol=1e-9)


def test_moments_of_gaussian_mixtures_are_those_of_the_formula() -> None:
    model = circuit(
        mix(
            [0.3, 0.7],
            [
                gaussian("X", -1, 0.5) * bernoulli("Y", 0.9),
                gaussian("X", 2, 1.5) * bernoulli("Y", 0.2),
            ],
        )
    )
    found = marginals(model, {"Y": 1})
    a, b = 0.3 * 0.9, 0.7 * 0.2
    weights = np.array([a, b]) / (a + b)
    mean = weights @ [-1, 2]
    variance = weights @ [0.5 + 1, 1.5 + 4] - mean**2
    assert float(found.mean[0, 0]) == pytest.approx(mean)
    assert float(found.variance[0, 0]) == pytest.approx(variance)
    assert found.probabilities[0] is None
    assert float(found.variance[0, 1]) == 0


@settings(max_examples=40)
@given(circuits_and_evidence(rows=2, deterministic=True, normalised=False))
def test_mpe_is_exact_on_deterministic_circuits(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    x = possible(model, x)
    if not len(x):
        return
    found = mpe(model, x)
    for b, row in enumerate(x):
        _, best = oracle.mpe(model, row)
        if found.quality == "exact":
            assert float(found.log_value[b]) == pytest.approx(best, abs=1e-8)
        achieved = float(log_value(model, found.assignment[b])[0])
        assert achieved == pytest.approx(best, abs=1e-8)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=2, reals=0))
def test_max_product_is_a_bound_and_keeps_the_evidence(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    x = possible(model, x)
    if not len(x):
        return
    found = mpe(model, x)
    assert found.quality == (
        "exact" if check(model).properties["deterministic"] == "yes" else "bound"
    )
    kept = ~np.isnan(x)
    np.testing.assert_array_equal(found.assignment.numpy()[kept], x[kept])
    assert not bool(torch.isnan(found.assignment).any())
    for b, row in enumerate(x):
        _, best = oracle.mpe(model, row)
        value = float(found.log_value[b])
        assert value <= best + 1e-8
        # The completion contains the induced tree that the bound belongs to.
        assert value <= float(log_value(model, found.assignment[b])[0]) + 1e-8
        expected = reference.max_product(model, row).log_value
        assert value == pytest.approx(float(expected), abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_conditional_samples_have_the_exact_frequencies(seed: int) -> None:
    """Chi-square of joint states given evidence, against the enumerated conditional."""
    from tests.strategies import random_circuit

    model = random_circuit(seed, variables=4, normalised=False)
    row = np.full(4, np.nan)
    row[seed % 4] = oracle.mpe(model, None)[0][seed % 4]
    count = 20_000
    drawn = sample(model, count, row, seed=seed).numpy()
    assert drawn.shape == (count, 4)
    states = oracle.states(model, row)
    log_table = oracle.log_table(model, row)
    probability = np.exp(log_table - np.logaddexp.reduce(log_table))
    found = np.array([(drawn == state).all(1).sum() for state in states])
    assert found.sum() == count
    assert not found[probability < 1e-12].any()
    large = probability * count >= 5
    statistic = ((found - probability * count) ** 2 / (probability * count))[large].sum()
    degrees = max(1, large.sum() - 1)
    assert statistic < degrees + 5 * np.sqrt(2 * degrees) + 5


def test_samples_of_reals_have_the_right_moments() -> None:
    model = circuit(mix([0.3, 0.7], [gaussian("X", -3, 0.5), gaussian("X", 2, 1.5)]))
    drawn = sample(model, 50_000, seed=1)[:, 0]
    exact = marginals(model, {})
    assert float(drawn.mean()) == pytest.approx(float(exact.mean), abs=0.05)
    assert float(drawn.var()) == pytest.approx(float(exact.variance), rel=0.03)


def test_samples_repeat_with_the_seed_and_have_the_shape_of_the_evidence() -> None:
    model = circuit(
        0.5 * (bernoulli("A", 0.3) * bernoulli("B", 0.5))
        + 0.5 * (bernoulli("A", 0.8) * bernoulli("B", 0.1))
    )
    assert torch.equal(sample(model, 50, seed=7), sample(model, 50, seed=7))
    assert not torch.equal(sample(model, 50, seed=7), sample(model, 50, seed=8))
    rows = [[1, None], [None, 0], [None, None]]
    drawn = sample(model, 6, rows, seed=0)
    assert drawn.shape == (3, 6, 2)
    assert bool((drawn[0, :, 0] == 1).all()) and bool((drawn[1, :, 1] == 0).all())


@settings(max_examples=20)
@given(circuits(reals=1))
def test_float32_programs_answer_like_float64(model: Circuit) -> None:
    program = compile_circuit(model)
    a, b = marginals(program, {}), marginals(model, {})
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-4, rtol=1e-4)


def test_a_query_is_refused_with_the_witness_of_what_is_missing() -> None:
    x, y = indicator("X", 1), indicator("Y", 1)
    incomplete = circuit(mix([0.5, 0.5], [product(x, y), x]).named("top"))
    assert float(log_value(incomplete, {"X": 1, "Y": 0}).exp()) == 0.5
    with pytest.raises(PropertyError, match=r"smooth.*top.*Y") as caught:
        log_probability(incomplete, {"X": 1})
    assert caught.value.witness.property == "smooth"  # type: ignore[attr-defined]
    overlapping = circuit(product(bernoulli("X", 0.5), bernoulli("X", 0.5)))
    for ask in (
        lambda: marginals(overlapping, {}),
        lambda: sample(overlapping, 1),
        lambda: mpe(overlapping, {}),
    ):
        with pytest.raises(PropertyError, match="decomposable"):
            ask()


def test_every_row_of_the_table_says_what_it_needs() -> None:
    model = circuit(mix([0.5, 0.5], [bernoulli("X", 0.1), bernoulli("X", 0.2)]))
    report = check(model)
    for name, row in queries().items():
        assert set(row.requires + row.exact_with) <= set(report.properties)
        granted = licence(report, name)
        assert granted.granted
        assert granted.quality == ("bound" if name == "mpe" else "exact")
    with pytest.raises(NotFoundError, match="known are"):
        licence(model, "wisdom")


def test_impossible_evidence_is_an_error_where_a_posterior_is_asked() -> None:
    model = circuit(mix([0.5, 0.5], [indicator("X", 1) * bernoulli("Y", 0.5)] * 2))
    assert float(log_probability(model, {"X": 0})) == -np.inf
    for ask in (marginals, mpe, posterior_mean, lambda m, e: sample(m, 2, e)):
        with pytest.raises(EvidenceError, match="probability zero"):
            ask(model, {"X": 0})
    with pytest.raises(EvidenceError, match="disagree on Y"):
        log_conditional(model, {"Y": 1}, {"Y": 0})
    with pytest.raises(EvidenceError, match="no variable 'Z'"):
        log_probability(model, {"Z": 0})
    with pytest.raises(EvidenceError, match="Y"):
        log_probability(model, {"Y": 3})
