"""Restarts: other parameters for the same circuit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit, indicator, mix
from pccore.check import check
from pccore.datasets import load
from pccore.graph import LeafGroup
from pccore.oracle import log_partition
from pccore.structures import build_structure, redrawn, shape_of, summarise
from tests.random_circuits import random_circuit


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_redrawn_circuit_is_the_same_but_for_its_numbers(seed: int) -> None:
    model = random_circuit(seed, variables=4)
    other = redrawn(model, seed + 1)
    assert other.groups == model.groups and other.roots == model.roots
    other.validate_params()
    assert {k: (t.shape, t.dtype) for k, t in other.params.items()} == {
        k: (t.shape, t.dtype) for k, t in model.params.items()
    }
    assert check(other, ("normalized",)).holds("normalized")
    assert log_partition(other) == pytest.approx(0, abs=1e-5)
    assert other.params.equal(redrawn(model, seed + 1).params)


def test_indicators_stay() -> None:
    model = circuit(
        mix(
            [0.5, 0.5],
            [indicator("A", 1) * bernoulli("B", 0.2), indicator("A", 0) * bernoulli("B", 0.7)],
        )
    )
    other = redrawn(model, 3)
    for group in model.groups:
        if isinstance(group, LeafGroup):
            same = torch.equal(other.params[group.parameter], model.params[group.parameter])
            assert same == (not group.family.trainable)


def test_leaves_may_know_the_data() -> None:
    data = load("digits")
    model = build_structure("rat", shape_of(data), {"units": 2, "replicas": 1, "depth": 1})
    known = redrawn(model, 1, summarise(data.train, data.supports))
    corner = next(g for g in known.groups if isinstance(g, LeafGroup) and 0 in g.variables)
    black = known.params[corner.parameter][corner.variables.index(0), :, 0]
    assert np.all(black.numpy() > 0.4)  # black in every image
