"""Evaluation in post-order: the values of the program, with few of them alive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import reference
from pccore.queries.post_order import evaluate_in_post_order
from pccore.structures import Shape, build_structure
from tests.strategies import circuits_and_evidence


@settings(max_examples=60)
@given(circuits_and_evidence())
def test_the_values_are_those_of_the_reference(case: tuple) -> None:
    circuit, x = case
    found = evaluate_in_post_order(circuit, x, dtype=torch.float64)
    expected = reference.evaluate(circuit, x).root[:, 0]
    np.testing.assert_allclose(found.log_values.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("depth", [2, 4, 6])
def test_values_alive_grow_with_the_logarithm(replicas: int, depth: int) -> None:
    units, variables = 3, 2**depth
    options = {"units": units, "replicas": replicas}
    circuit = build_structure("hyperspn", Shape.of(variables), options)
    x = np.random.default_rng(0).integers(0, 2, (5, variables)).astype(np.float32)
    x[0, 0] = math.nan
    found = evaluate_in_post_order(circuit, x)
    # One finished child on each level, what is taken, and the mixture of the replicas.
    assert found.alive <= units * (depth + 3) + 1
    assert found.weights <= units * units + replicas
    assert "_tensors" not in vars(circuit.params)  # nothing was materialised as a whole
    expected = reference.evaluate(circuit, x).root[:, 0]
    np.testing.assert_allclose(found.log_values.numpy(), expected, atol=1e-4)
