"""Tied parameters: the expected counts of all users are added up, wherever they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.graph import Circuit, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.learn.em import EMOptions, FullEM
from pccore.leaves.bernoulli import Bernoulli

W = np.array([0.3, 0.7])
P = np.array([0.2, 0.9])  # of the tied leaves, unit 0 and 1


def chain(sparse: bool) -> Circuit:
    """Three variables: s2 = W . (x2 * [s1, s1]), s1 = W . x1 and so on, with the same W
    (as [1, 2] or as edges) and the same two leaves at every depth."""
    edges = SparseEdges(np.array([0, 2]), np.array([0, 1])) if sparse else "dense"
    pair = SparseEdges(np.array([0, 2, 4]), np.array([0, 2, 1, 2]))
    groups = [
        LeafGroup("x0", 2, Bernoulli(), (0,), "x"),
        SumGroup("s0", 1, (0,), "w", edges),
        LeafGroup("x1", 2, Bernoulli(), (1,), "x"),
        ProductGroup("p1", 2, (2, 1), pair),
        SumGroup("s1", 1, (3,), "w", edges),
        LeafGroup("x2", 2, Bernoulli(), (2,), "x"),
        ProductGroup("p2", 2, (5, 4), pair),
        SumGroup("s2", 1, (6,), "w", edges),
    ]
    weights = torch.tensor(W) if sparse else torch.tensor(W)[None]
    params = {"x": torch.tensor(P)[None], "w": weights}
    return Circuit(groups, [(7, 0)], ["A", "B", "C"], params)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_of_ties_across_depths_are_those_of_the_formula(
    sparse: bool, missing: bool, dtype: torch.dtype
) -> None:
    """The chain is three independent draws from one mixture: EM is that of the mixture."""
    x = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0.0]])
    if missing:
        x[0, 1] = x[2, :] = np.nan
    joint = np.where(np.isnan(x), 1, np.where(x == 1, P[:, None, None], 1 - P[:, None, None]))
    joint = joint * W[:, None, None]
    r = joint / joint.sum(0)  # responsibilities [2, rows, variables]
    weights = r.sum((1, 2)) / r.sum()
    seen = ~np.isnan(x)
    leaves = (r * np.where(seen, x, 0)).sum((1, 2)) / (r * seen).sum((1, 2))

    program = compile_circuit(chain(sparse), dtype=dtype)
    learner = FullEM(program, len(x), EMOptions(pseudocount=0.0))
    learner.batch(torch.tensor(x, dtype=dtype))
    learner.end_epoch()
    np.testing.assert_allclose(program.params["w"].reshape(-1), weights, rtol=1e-5)
    np.testing.assert_allclose(program.params["x"].reshape(-1), leaves, rtol=1e-5)
