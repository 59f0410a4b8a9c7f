"""Sums up, maxima down: the SPN paper's completion, beside max-product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from pccore import oracle
from pccore.build import bernoulli, circuit, mix, product
from pccore.graph import Circuit
from pccore.queries import log_value, mpe
from tests.strategies import circuits_and_evidence


@settings(max_examples=30)
@given(circuits_and_evidence(rows=2, deterministic=True))
def test_both_are_exact_on_deterministic_circuits(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    x = x[np.isfinite(log_value(model, x).numpy())]
    if not len(x):
        return
    found = mpe(model, x, up="max")
    for row, value in zip(x, found.log_value, strict=True):
        assert float(value) == pytest.approx(oracle.mpe(model, row)[1], abs=1e-8)
    down = mpe(model, x, up="sum")
    np.testing.assert_allclose(down.log_value, log_value(model, down.assignment))
    assert bool((down.log_value <= found.log_value + 1e-8).all())


def test_sums_up_prefers_the_component_with_more_mass() -> None:
    """One sharp component of weight 0.4 against a broad one of 0.6: the two ways differ."""
    sharp = product(*[bernoulli(f"X{v}", 0.99) for v in range(6)])
    broad = product(*[bernoulli(f"X{v}", 0.45) for v in range(6)])
    model = circuit(mix([0.4, 0.6], [sharp, broad]))
    assert mpe(model, {}, up="max").assignment.tolist() == [[1.0] * 6]
    assert mpe(model, {}, up="sum").assignment.tolist() == [[0.0] * 6]
    assert mpe(model, {}, up="max").quality == mpe(model, {}, up="sum").quality == "bound"
