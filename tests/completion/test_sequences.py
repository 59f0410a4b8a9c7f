"""Blanks filled together and paths of hidden states, against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pccore import oracle
from pccore.compile import compile_circuit
from pccore.completion import fill_together, most_probable_states
from pccore.errors import EvidenceError, OptionError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.queries import marginals, posterior_of
from pccore.structures import Shape, build_structure
from pccore.transform import hidden_groups, hidden_names, with_states

STEPS, WORDS, STATES = 4, 3, 2


@pytest.fixture(scope="module")
def model() -> Circuit:
    shape = Shape.of(STEPS, Support("finite", WORDS))
    return build_structure("hmm", shape, {"units": STATES, "homogeneous": False, "seed": 3})


@pytest.mark.parametrize("blanks", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_the_best_of_all_completions(model: Circuit, blanks: tuple[int, ...]) -> None:
    row = np.array([0.0, 2.0, 1.0, 1.0])
    row[list(blanks)] = np.nan
    states, table = oracle.states(model), oracle.log_table(model).reshape(-1)
    fits = ((states == row) | np.isnan(row)).all(1)
    found = fill_together(compile_circuit(model, dtype=torch.float64), row)
    assert found.quality == "exact"
    best = np.flatnonzero(fits)[table[fits].argmax()]
    np.testing.assert_array_equal(found.values.numpy(), states[best])
    expected = table[best] - np.logaddexp.reduce(table[fits])
    assert found.log_probability == pytest.approx(expected, abs=1e-6)
    bound = fill_together(compile_circuit(model, dtype=torch.float64), row, most=1)
    assert bound.quality == ("exact" if not blanks else "bound")
    assert bound.log_probability <= expected + 1e-6


@pytest.mark.parametrize("missing", [(), (2,), (0, 3)])
def test_the_path_is_the_best_of_all_paths(model: Circuit, missing: tuple[int, ...]) -> None:
    row = np.array([0.0, 2.0, 1.0, 1.0])
    row[list(missing)] = np.nan
    groups = hidden_groups(model)
    whole = with_states(model, groups)
    everything, table = oracle.states(whole), oracle.log_table(whole).reshape(-1)
    fits = ((everything[:, :STEPS] == row) | np.isnan(row)).all(1)
    joint = np.full((STATES,) * STEPS, -math.inf)
    for state, log in zip(everything[fits, STEPS:].astype(int), table[fits], strict=True):
        joint[tuple(state)] = np.logaddexp(joint[tuple(state)], log)
    found = most_probable_states(model, groups, row)
    assert found.quality == "exact"
    assert tuple(found.states) == np.unravel_index(joint.argmax(), joint.shape)
    expected = joint.max() - np.logaddexp.reduce(table[fits])
    assert found.log_probability == pytest.approx(expected, abs=1e-5)
    # And the states one by one.
    names = hidden_names(model, groups)
    single = posterior_of(whole, np.concatenate([row, np.full(STEPS, np.nan)]), names)
    for t, tables in enumerate(single):
        axes = tuple(a for a in range(STEPS) if a != t)
        wanted = np.logaddexp.reduce(joint.transpose(t, *axes).reshape(STATES, -1), 1)
        wanted = np.exp(wanted - np.logaddexp.reduce(wanted))
        np.testing.assert_allclose(tables[0].numpy(), wanted, atol=1e-6)


def test_posteriors_of_some_variables_are_those_of_all(model: Circuit) -> None:
    rows = np.array([[0, np.nan, 1, np.nan], [np.nan, np.nan, np.nan, 2]])
    every = marginals(model, rows).probabilities
    for v, table in zip((1, 3), posterior_of(model, rows, ["X1", "X3"]), strict=True):
        expected = every[v]
        assert expected is not None
        torch.testing.assert_close(table, expected)


def test_refusals(model: Circuit) -> None:
    program = compile_circuit(model)
    with pytest.raises(EvidenceError, match="one row"):
        fill_together(program, np.zeros((2, STEPS)))
    with pytest.raises(EvidenceError, match="no variable"):
        posterior_of(program, np.zeros(STEPS), ["Q"])
    real = build_structure("factorized", Shape.of(2, Support("real")), {})
    with pytest.raises(OptionError, match="no states"):
        posterior_of(real, np.zeros(2), ["X0"])
