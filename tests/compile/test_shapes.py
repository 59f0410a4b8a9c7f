"""Large and unusual circuits: irregular edges by the hundred thousand, long chains, wide groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pccore import reference
from pccore.compile import compile_circuit
from pccore.compile.profile import layer_costs, measure
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.learn.em import EMOptions, FullEM, OnlineEM, OnlineEMOptions
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.queries import marginals, mpe, sample


def irregular(width: int, variables: int, seed: int) -> Circuit:
    """Layers of arrays: products of a random sum and a random leaf, sums of 1 to 30 of them."""
    rng = np.random.default_rng(seed)
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}
    below = -1
    for v in range(variables):
        groups.append(LeafGroup(f"x{v}", width, Bernoulli(), (v,), f"x{v}"))
        params[f"x{v}"] = torch.tensor(rng.uniform(0.05, 0.95, (1, width)))
        leaf = len(groups) - 1
        if below < 0:
            below = leaf
            continue
        pairs = np.stack([rng.integers(0, width, width), width + rng.integers(0, width, width)], 1)
        edges = SparseEdges(2 * np.arange(width + 1), pairs.reshape(-1))
        groups.append(ProductGroup(f"p{v}", width, (below, leaf), edges))
        counts = np.minimum(rng.geometric(0.2, width), 30)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        edges = SparseEdges(offsets, rng.integers(0, width, offsets[-1]))
        groups.append(SumGroup(f"s{v}", width, (leaf + 1,), f"s{v}", edges))
        weights = rng.gamma(1.0, size=offsets[-1])
        weights /= np.repeat(np.add.reduceat(weights, offsets[:-1]), counts)
        params[f"s{v}"] = torch.tensor(weights)
        below = leaf + 2
    return Circuit(groups, [(below, 0)], [f"X{v}" for v in range(variables)], params)


def chain(length: int, units: int) -> Circuit:
    """A non-homogeneous hidden Markov model over binary variables: dense sums all the way."""
    rng = np.random.default_rng(0)
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}
    below = -1
    for v in range(length):
        groups.append(LeafGroup(f"x{v}", units, Bernoulli(), (v,), f"x{v}"))
        params[f"x{v}"] = torch.tensor(rng.uniform(0.1, 0.9, (1, units)))
        if v:
            groups.append(SumGroup(f"s{v}", units, (below,), f"s{v}"))
            params[f"s{v}"] = torch.tensor(rng.dirichlet(np.ones(units), units))
            groups.append(ProductGroup(f"p{v}", units, (len(groups) - 1, len(groups) - 2)))
        below = len(groups) - 1
    groups.append(SumGroup("root", 1, (below,), "root"))
    params["root"] = torch.tensor(rng.dirichlet(np.ones(units), 1))
    return Circuit(groups, [(len(groups) - 1, 0)], [f"X{v}" for v in range(length)], params)


def test_a_hundred_thousand_irregular_edges_equal_the_reference() -> None:
    model = irregular(1500, 14, seed=1)
    assert model.num_edges > 100_000
    x = np.random.default_rng(0).integers(0, 2, (5, 14)).astype(float)
    x[0], x[1, ::2] = np.nan, np.nan
    trace = reference.evaluate(model, x)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        program = compile_circuit(model, dtype=dtype)
        state = program.evaluate(x, keep=True)
        found = program.root_values(state).double().numpy()
        np.testing.assert_allclose(found, trace.root[:, 0], rtol=tolerance, atol=tolerance)
        flows = program.flows(state)
        leaf = program.flow_values(flows, 0).double().numpy()
        np.testing.assert_allclose(leaf.sum(1), 1, rtol=1e-4)
        np.testing.assert_allclose(
            leaf, reference.flows(model, trace)[0], rtol=100 * tolerance, atol=tolerance
        )


def test_every_query_works_on_irregular_edges() -> None:
    model = irregular(20, 5, seed=2)
    evidence = np.array([[1.0, np.nan, np.nan, 0.0, np.nan]])
    assert marginals(model, evidence).probabilities[0] is not None
    drawn = sample(model, 4000, evidence, seed=0)
    expected = marginals(model, evidence).mean
    np.testing.assert_allclose(drawn.mean(0), expected[0], atol=0.04)
    best = mpe(model, evidence)
    assert float(best.log_value[0]) <= float(marginals(model, evidence).log_value[0]) + 1e-9


@pytest.mark.parametrize("method", ["full", "online"])
def test_a_chain_of_two_thousand_variables_learns(method: str) -> None:
    program = compile_circuit(chain(2000, 4))
    x = (np.random.default_rng(1).random((20, 2000)) < 0.8).astype(np.float32)
    x[np.random.default_rng(2).random(x.shape) < 0.1] = np.nan
    rows = torch.tensor(x)
    learner = (
        FullEM(program, 20, EMOptions(0.1))
        if method == "full"
        else OnlineEM(program, 20, OnlineEMOptions(0.5, 0.1))
    )
    scores: list[float] = []
    for _ in range(3):
        scores.append(learner.batch(rows).log_likelihood)
        learner.end_epoch()
    assert np.isfinite(scores).all()
    assert scores[0] < scores[1] < scores[2]
    program.circuit.with_params(program.params).validate_params()


def test_flow_neither_grows_nor_shrinks_along_a_chain() -> None:
    """In float32 the log-values are near -1400, where their rounding is 1e-4."""
    model = chain(2000, 4)
    program = compile_circuit(model)
    x = np.random.default_rng(0).integers(0, 2, (3, 2000)).astype(float)
    flows = program.flows(program.evaluate(x, keep=True))
    first = program.flow_values(flows, 0).sum(1)
    torch.testing.assert_close(first, torch.ones(3), rtol=2e-3, atol=0)


def test_families_of_all_kinds_share_a_batch() -> None:
    rng = np.random.default_rng(3)
    families = (Bernoulli(), Categorical(5), Categorical(60), Gaussian())
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}
    for v, family in enumerate(families):
        groups.append(LeafGroup(f"x{v}", 6, family, (v,), f"x{v}"))
        start = family.initial((1, 6), torch.Generator().manual_seed(v), None)
        params[f"x{v}"] = start.double()
    groups.append(ProductGroup("p", 6, (0, 1, 2, 3)))
    groups.append(SumGroup("s", 1, (4,), "s"))
    params["s"] = torch.tensor(rng.dirichlet(np.ones(6), 1))
    model = Circuit(groups, [(5, 0)], ["A", "B", "C", "D"], params)
    x = np.array([[1, 4, 59, 0.3], [0, np.nan, 0, -2], [np.nan, 1, np.nan, np.nan]])
    program = compile_circuit(model, dtype=torch.float64)
    np.testing.assert_allclose(program(x), reference.evaluate(model, x).root[:, 0], atol=1e-9)


def test_costs_count_every_edge_once() -> None:
    for model in (irregular(40, 5, seed=0), chain(7, 3)):
        program = compile_circuit(model)
        costs = layer_costs(program, 10)
        assert sum(cost.edges for cost in costs) == model.num_edges
        assert sum(cost.units for cost in costs) == program.plan.rows
        assert all(cost.padding == 0 for cost in costs if cost.kind != "edge_sum")
        timed = measure(program, np.zeros((10, len(model.variables))), repeats=1)
        assert [c.flops for c in timed] == [c.flops for c in costs]
        assert all(c.seconds is not None and c.seconds > 0 for c in timed)
