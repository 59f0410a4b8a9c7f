"""Expected flows over rows, against the reference's flows of each row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import reference
from pccore.build import bernoulli, circuit, mix
from pccore.errors import DataError, PropertyError
from pccore.graph import Circuit, SumGroup
from pccore.queries import expected_flows
from tests.strategies import circuits, random_evidence


@settings(max_examples=50)
@given(circuits(variables=3, normalised=False, zero_weights=True, tied=True))
def test_they_are_the_mean_of_the_flows_of_the_rows(model: Circuit) -> None:
    x = random_evidence(np.random.default_rng(0), model, rows=12)
    traces = [reference.evaluate(model, row) for row in x]
    traces = [trace for trace in traces if np.isfinite(trace.root[0, 0])]
    if not traces:
        with pytest.raises(DataError):
            expected_flows(model, torch.from_numpy(x))
        return
    found = expected_flows(model, torch.from_numpy(x))
    assert found.rows == len(traces)
    flows = [reference.flows(model, trace) for trace in traces]
    for position, own in found.units.items():
        expected = np.mean([each[position][0] for each in flows], axis=0)
        np.testing.assert_allclose(own.numpy(), expected, atol=1e-9)
    for name, edges in found.edges.items():
        users = [
            g for g, k in enumerate(model.groups) if k.kind != "product" and k.parameter == name
        ]
        into = sum(found.units[g] for g in users if g in found.units)
        group = model.groups[users[0]]
        assert isinstance(group, SumGroup)
        if edges.ndim == 2:  # what flows into a sum flows out again
            np.testing.assert_allclose(edges.sum(1).numpy(), np.asarray(into), atol=1e-9)
        assert edges.shape == model.params[name].shape
        assert bool((edges >= 0).all())


def test_impossible_rows_and_invalid_circuits() -> None:
    model = circuit(mix([1.0], [bernoulli("A", 1.0)]))
    assert expected_flows(model, torch.tensor([[1.0], [0.0]])).rows == 1
    with pytest.raises(DataError, match="no row"):
        expected_flows(model, torch.tensor([[0.0]]))
    broken = circuit(mix([0.5, 0.5], [bernoulli("A", 0.5), bernoulli("B", 0.5)]))
    with pytest.raises(PropertyError):
        expected_flows(broken, torch.zeros(1, 2))
