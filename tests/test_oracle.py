import math

import numpy as np
import pytest

from pccore import oracle
from pccore.build import bernoulli, binomial, categorical, circuit, gaussian, indicator
from pccore.errors import EvidenceError, PCError
from pccore.graph import Circuit, LeafGroup, ProductGroup
from pccore.leaves.bernoulli import Bernoulli
from pccore.reference import evaluate


def two() -> Circuit:
    return circuit(
        0.25 * (bernoulli("A", 0.2) * categorical("B", [0.5, 0.2, 0.3]))
        + 0.75 * (bernoulli("A", 0.9) * categorical("B", [0.1, 0.1, 0.8]))
    )


def test_states_are_in_reading_order():
    expected = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert oracle.states(two()).tolist() == expected
    assert oracle.states(two(), {"A": 1}).tolist() == expected[3:]


def test_the_table_is_the_joint_distribution():
    table = np.exp(oracle.log_table(two())).reshape(2, 3)
    low, high = np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.1, 0.8])
    expected = 0.25 * np.outer([0.8, 0.2], low) + 0.75 * np.outer([0.1, 0.9], high)
    assert table == pytest.approx(expected)
    first, second = oracle.marginals(two())
    assert first == pytest.approx(expected.sum(1))
    assert second == pytest.approx(expected.sum(0))
    assert oracle.log_partition(two()) == pytest.approx(0.0)
    state, value = oracle.mpe(two(), {"A": 0})
    assert state.tolist() == [0.0, 2.0]
    assert value == pytest.approx(math.log(expected[0, 2]))


def test_conditionals_and_moments():
    given = {"A": 1}
    table = np.exp(oracle.log_table(two())).reshape(2, 3)[1]
    posterior = table / table.sum()
    first, second = oracle.marginals(two(), given)
    assert first.tolist() == [0.0, 1.0]
    assert second == pytest.approx(posterior)
    mean, variance = oracle.moments(two(), given)
    assert mean == pytest.approx([1.0, posterior @ [0, 1, 2]])
    assert variance[1] == pytest.approx(posterior @ [0, 1, 4] - mean[1] ** 2)


def test_probabilities_are_normalised_and_measures_are_not():
    model = circuit(3.0 * bernoulli("A", 0.25) + 1.0 * bernoulli("A", 0.75))
    assert math.exp(oracle.log_partition(model)) == pytest.approx(4.0)
    assert math.exp(oracle.log_measure(model, {"A": 1})) == pytest.approx(1.5)
    assert math.exp(oracle.log_probability(model, {"A": 1})) == pytest.approx(0.375)


def test_impossible_evidence():
    model = circuit(0.5 * indicator("A", 1) + 0.5 * indicator("A", 1))
    assert oracle.log_probability(model, {"A": 0}) == -math.inf
    assert np.isnan(oracle.marginals(model, {"A": 0})[0]).all()
    dead = circuit(0.0 * bernoulli("A", 0.5) + 0.0 * bernoulli("A", 0.5))
    assert math.isnan(oracle.log_probability(dead, {"A": 0}))


def test_only_the_variables_of_the_root_are_enumerated():
    a, b = bernoulli("A", 0.5), bernoulli("B", 0.25)
    model = circuit([a * b, b])
    assert math.exp(oracle.log_partition(model, model.roots[1])) == pytest.approx(1.0)
    states = oracle.states(model, None, model.roots[1])
    assert np.array_equal(states, [[np.nan, 0.0], [np.nan, 1.0]], equal_nan=True)
    assert [len(m) for m in oracle.marginals(model, {}, model.roots[1])] == [0, 2]


def test_phi_does_not_use_the_upward_pass_on_missing_values():
    """An incomplete sum: S(e) counts X2 once where the states count it twice."""
    model = circuit(0.5 * bernoulli("X1", 0.4) + 0.5 * (bernoulli("X1", 0.4) * bernoulli("X2", 1)))
    assert math.exp(evaluate(model, {}).root[0, 0]) == pytest.approx(1.0)
    assert math.exp(oracle.log_partition(model)) == pytest.approx(1.5)


def test_gaussians_are_integrated():
    model = circuit(
        0.4 * (gaussian("G", 0.0, 1.0) * gaussian("H", 1.0, 4.0) * bernoulli("A", 0.3))
        + 0.6 * (gaussian("G", 3.0, 2.0) * gaussian("H", 0.0, 1.0) * bernoulli("A", 0.8))
    )
    assert oracle.log_partition(model) == pytest.approx(0.0, abs=1e-12)
    assert oracle.log_measure(model, {"G": 1.0}) == pytest.approx(
        evaluate(model, {"G": 1.0}).root[0, 0], abs=1e-12
    )
    mean, variance = oracle.moments(model)
    assert mean == pytest.approx([1.8, 0.4, 0.6])
    assert variance[0] == pytest.approx(0.4 * 1 + 0.6 * (2 + 9) - 1.8**2)
    assert [len(m) for m in oracle.marginals(model)] == [0, 0, 2]
    state, _ = oracle.mpe(model, {"A": 1, "H": 0.0})
    assert state[0] == pytest.approx(3.0, abs=0.5)


def test_products_of_gaussians_over_one_variable():
    model = circuit(gaussian("G", 0.0, 1.0) * gaussian("G", 0.0, 1.0))
    assert math.exp(oracle.log_partition(model)) == pytest.approx(1 / math.sqrt(4 * math.pi))


def test_binomials_are_finite():
    assert len(oracle.states(circuit(binomial("N", 7, 0.5)))) == 8


def test_too_many_states_are_refused_before_they_are_made():
    count = 40
    leaf = LeafGroup("x", 1, Bernoulli(), tuple(range(count)), "x")
    names = [f"X{v}" for v in range(count)]
    model = Circuit([leaf, ProductGroup("p", 1, (0,))], [(1, 0)], names, {})
    with pytest.raises(PCError, match="joint states"):
        oracle.log_partition(model)
    narrow = circuit(0.5 * gaussian("G", 0.0, 1e-8) + 0.5 * gaussian("G", 100.0, 1.0))
    with pytest.raises(PCError, match="joint states"):
        oracle.log_partition(narrow)


def test_one_row_at_a_time():
    with pytest.raises(EvidenceError, match="one row"):
        oracle.log_measure(two(), [[0, 0], [1, 1]])
