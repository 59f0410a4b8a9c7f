"""Queries at their edges: variables outside the scope, several roots, nothing to answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pccore import oracle
from pccore.build import bernoulli, categorical, circuit, mix
from pccore.errors import EvidenceError, NotFoundError, OptionError
from pccore.graph import Circuit
from pccore.queries import (
    log_conditional,
    log_partition,
    log_probability,
    log_value,
    marginals,
    mpe,
    posterior_mean,
    posterior_moments,
    sample,
)


@pytest.fixture
def two_roots() -> Circuit:
    """One root over A and B, unnormalised, and one over B and C that shares a leaf."""
    b = bernoulli("B", 0.3)
    first = mix([0.6, 1.4], [bernoulli("A", 0.2) * b, bernoulli("A", 0.9) * bernoulli("B", 0.5)])
    second = mix([0.5, 0.5], [b * categorical("C", [0.2, 0.8, 0]), b * categorical("C", [0, 0, 1])])
    return circuit([first, second], variables=["A", "B", "C", "unused"])


def alone(model: Circuit, root: int) -> Circuit:
    """The circuit with one root only."""
    return Circuit(model.groups, [model.roots[root]], model.variables, model.params)


@pytest.mark.parametrize("root", [0, 1])
def test_every_query_answers_for_its_root(two_roots: Circuit, root: int) -> None:
    single = alone(two_roots, root)
    evidence = {"B": 1}
    inside = [0, 1] if root == 0 else [1, 2]
    assert float(log_partition(two_roots, root)) == pytest.approx(oracle.log_partition(single))
    row = np.array([np.nan, 1, np.nan, np.nan])
    expected = oracle.log_probability(single, row)
    assert float(log_probability(two_roots, evidence, root)) == pytest.approx(expected)
    assert float(log_conditional(two_roots, {"B": 1}, {}, root)) == pytest.approx(expected)
    found = marginals(two_roots, evidence, root)
    for v in range(4):
        table = found.probabilities[v]
        if v in inside:
            assert table is not None
            assert float(table[0].sum()) == pytest.approx(1)
        else:
            # Nothing is known of a variable outside the root's scope.
            assert table is None or bool(torch.isnan(table).all())
            assert math.isnan(float(found.mean[0, v])) and math.isnan(float(found.variance[0, v]))
    outside = [v for v in range(4) if v not in inside]
    for answer in (
        posterior_mean(two_roots, evidence, root),
        posterior_moments(two_roots, evidence, root)[2],
        mpe(two_roots, evidence, root).assignment,
        sample(two_roots, 3, evidence, seed=0, root=root),
    ):
        assert bool(torch.isnan(answer[:, outside]).all())
        assert not bool(torch.isnan(answer[:, inside]).any())


def test_an_observed_variable_that_no_leaf_mentions_is_kept(two_roots: Circuit) -> None:
    evidence = {"unused": 2.5, "A": 1}
    assert torch.equal(log_probability(two_roots, evidence), log_probability(two_roots, {"A": 1}))
    assert float(posterior_mean(two_roots, evidence)[0, 3]) == 2.5
    assert float(marginals(two_roots, evidence).variance[0, 3]) == 0
    assert float(mpe(two_roots, evidence).assignment[0, 3]) == 2.5


ASK: list[Callable[[Circuit, Any, int], Any]] = [
    lambda m, e, r: log_value(m, e, r),
    lambda m, e, r: log_probability(m, e, r),
    lambda m, e, r: log_conditional(m, e, e, r),
    lambda m, e, r: marginals(m, e, r).mean,
    lambda m, e, r: posterior_mean(m, e, r),
    lambda m, e, r: mpe(m, e, r).assignment,
    lambda m, e, r: sample(m, 2, e, seed=0, root=r),
]


@pytest.mark.parametrize("ask", ASK)
def test_forms_of_evidence_and_roots_that_do_not_exist(
    ask: Callable[[Circuit, Any, int], Any],
) -> None:
    model = circuit(mix([0.3, 0.7], [bernoulli("A", 0.2), bernoulli("A", 0.6)]))
    assert len(ask(model, np.zeros((0, 1)), 0)) == 0
    expected = ask(model, [[1.0]], 0)
    for same in ({"A": 1}, {"A": True}, [1], torch.tensor([[True]]), np.array([[1]], np.int8)):
        assert torch.equal(ask(model, same, 0), expected)
    for root in (1, -1):
        with pytest.raises(NotFoundError, match=f"no root {root}"):
            ask(model, {}, root)
    for bad in ([[np.inf]], [[2]], [[0.5]]):
        with pytest.raises(EvidenceError):
            ask(model, bad, 0)


def test_no_samples_are_no_error_and_fewer_are() -> None:
    model = circuit(mix([0.3, 0.7], [bernoulli("A", 0.2), bernoulli("A", 0.6)]))
    assert sample(model, 0).shape == (0, 1)
    assert sample(model, 0, [[1], [None]]).shape == (2, 0, 1)
    assert sample(model, 0, np.zeros((0, 1))).shape == (0, 0, 1)
    with pytest.raises(OptionError, match="-1 samples"):
        sample(model, -1)
    assert sample(model, 1, seed=2**80).shape == (1, 1)


def test_the_impossible_row_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tiles, and however many samples each row asks for."""
    certain = circuit(mix([1.0], [categorical("A", [0, 1]) * bernoulli("B", 0.5)]))
    rows = [[1, None]] * 5 + [[0, None]]
    monkeypatch.setattr("pccore.compile.tiling.TILE", 8)
    monkeypatch.setattr("pccore.compile.program.FEWEST_ROWS", 1)
    for ask in ASK[2:]:
        with pytest.raises(EvidenceError, match=r"row 5.*probability zero"):
            ask(certain, rows, 0)


def test_rows_that_do_not_go_together_are_refused() -> None:
    model = circuit(mix([0.3, 0.7], [bernoulli("A", 0.2), bernoulli("A", 0.6)]))
    none = np.full((3, 1), np.nan)
    assert log_conditional(model, [[1]], none).shape == (3,)
    assert log_conditional(model, none, [[1]]).shape == (3,)
    with pytest.raises(EvidenceError, match="2 rows of query do not go with 3"):
        log_conditional(model, none[:2], none)
