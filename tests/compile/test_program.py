"""The compiled program equals the reference, unit by unit, on every kind of circuit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import reference
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator, mix, product
from pccore.compile import Program, compile_circuit
from pccore.compile.banks import Bank
from pccore.errors import DataError, NotFoundError, ParameterError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from tests.strategies import circuits, circuits_and_evidence, random_circuit, random_evidence


def assert_equals_reference(model: Circuit, x: np.ndarray, device: str = "cpu") -> None:
    program = compile_circuit(model, device=device, dtype=torch.float64)
    trace = reference.evaluate(model, x)
    state = program.evaluate(x, keep=True)
    for group in (*program.plan.addresses, *program.plan.fused):
        found = program.log_values(state, group).cpu().numpy()
        np.testing.assert_allclose(found, trace.log_values[group], atol=1e-9, rtol=1e-9)
    flows = program.flows(state)
    expected = reference.flows(model, trace)
    for group in program.plan.addresses:
        found = program.flow_values(flows, group).cpu().numpy()
        np.testing.assert_allclose(found, np.nan_to_num(expected[group]), atol=1e-8)


@settings(max_examples=60)
@given(circuits_and_evidence(rows=4, tied=True))
def test_values_and_flows_equal_the_reference(pair: tuple[Circuit, np.ndarray]) -> None:
    assert_equals_reference(*pair)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=4, zero_weights=True, zero_probabilities=True, reals=1))
def test_zeros_are_exact(pair: tuple[Circuit, np.ndarray]) -> None:
    assert_equals_reference(*pair)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=4, reals=1))
def test_float32_agrees_to_1e5(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    expected = reference.evaluate(model, x).root[:, 0]
    found = compile_circuit(model)(x).double().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("seed", range(10))
def test_cuda_equals_the_reference(seed: int) -> None:
    model = random_circuit(seed, variables=5, reals=1, tied=True, zero_weights=True)
    x = random_evidence(np.random.default_rng(seed), model, rows=8)
    assert_equals_reference(model, x, device="cuda")


@settings(max_examples=30)
@given(circuits(roots=2))
def test_every_root_is_evaluated(model: Circuit) -> None:
    x = random_evidence(np.random.default_rng(0), model, rows=3)
    expected = reference.evaluate(model, x).root
    program = compile_circuit(model, dtype=torch.float64)
    for number in range(len(model.roots)):
        np.testing.assert_allclose(program(x, number).numpy(), expected[:, number], atol=1e-9)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=5))
def test_batch_equals_one_by_one(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    program = compile_circuit(model, dtype=torch.float64)
    together = program(x)
    single = torch.cat([program(row[None]) for row in x])
    torch.testing.assert_close(together, single)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=3, normalised=False))
def test_edge_counts_are_the_gradient_of_the_log_value(
    pair: tuple[Circuit, np.ndarray],
) -> None:
    """n_e = w_e * d log S / d w_e, against finite differences in the store."""
    model, x = pair
    x = x[reference.evaluate(model, x).root[:, 0] > -np.inf]
    program = compile_circuit(model, dtype=torch.float64)
    statistics = program.zero_statistics()
    program.flows(program.evaluate(x, keep=True), statistics)
    for bank, spec, found in zip(program.banks, program.plan.banks, statistics, strict=True):
        if spec.kind == "leaf":
            continue
        counts = program_counts(bank, found)
        name = spec.ids[0]
        weights = model.params[name].double()
        if weights.ndim < 2:
            continue
        step = 1e-6
        for position in ((0, 0), (weights.shape[0] - 1, weights.shape[1] - 1)):
            if weights[position] < 1e-3:
                continue
            values: list[float] = []
            for sign in (1, -1):
                moved = weights.clone()
                moved[position] += sign * step
                changed = model.with_params(model.params.updated({name: moved}))
                values.append(reference.evaluate(changed, x).root[:, 0].sum())
            slope = (values[0] - values[1]) / (2 * step)
            assert counts[name][position] == pytest.approx(
                float(weights[position]) * slope, abs=1e-4, rel=1e-4
            )
        assert bank.ids == spec.ids


def program_counts(bank: Bank, statistics: torch.Tensor) -> dict[str, torch.Tensor]:
    """Expected counts of a bank of weights by parameter id, in the shapes of the store."""
    before = bank.values
    bank.set(bank.counts(statistics))
    counts = bank.export()
    bank.set(before)
    return counts


def test_products_that_feed_one_sum_are_fused_but_still_readable() -> None:
    fused = [m for m in (random_circuit(s, variables=5) for s in range(40)) if _fused(m)]
    assert fused, "no random circuit had a fusable product"
    program = compile_circuit(fused[0], dtype=torch.float64)
    group = next(iter(program.plan.fused))
    state = program.evaluate(random_evidence(np.random.default_rng(0), fused[0], rows=2))
    assert program.log_values(state, group).shape == (2, fused[0].groups[group].size)
    with pytest.raises(NotFoundError):
        program.flow_values(program.flows(program.evaluate(state.x, keep=True)), group)


def _fused(model: Circuit) -> bool:
    return bool(compile_circuit(model).plan.fused)


def test_a_zero_weight_on_the_largest_child_does_not_lose_the_others() -> None:
    """In float32 exp(-200) is 0: the shifted sum underflows and is redone in log space."""
    far, near = gaussian("X", 0.0, 1.0), gaussian("X", 20.0, 1.0)
    model = circuit(mix([0.0, 1.0], [near, far]))
    x = np.array([[20.0]])
    program = compile_circuit(model)
    state = program.evaluate(x, keep=True)
    assert float(program.root_values(state)) == pytest.approx(-200 - 0.9189385, abs=1e-4)
    statistics = program.zero_statistics()
    flows = program.flows(state, statistics)
    order = [model.group_index("x1"), model.group_index("x2")]
    assert [float(program.flow_values(flows, g)) for g in order] == [0.0, 1.0]
    edges = next(n for n, spec in enumerate(program.plan.banks) if spec.kind == "edges")
    assert program.banks[edges].counts(statistics[edges]).flatten().tolist() == [0.0, 1.0]


def test_a_mixing_layer_whose_largest_input_has_no_weight_keeps_the_others() -> None:
    """In float32 exp(-200) is 0: the terms underflow, and are added up in log space."""
    family = Gaussian()
    groups: list[Group] = [
        LeafGroup("near", 2, family, (0,), "near"),
        LeafGroup("far", 2, family, (0,), "far"),
        SumGroup("mix", 2, (0, 1), "mix", "elementwise"),
        SumGroup("root", 1, (2,), "root"),
    ]
    params = {
        "near": torch.tensor([[[0.0, 1.0], [0.5, 1.0]]]),
        "far": torch.tensor([[[20.0, 1.0], [21.0, 1.0]]]),
        "mix": torch.tensor([[0.0, 1.0], [0.25, 0.75]]),
        "root": torch.tensor([[0.999999, 0.000001]]),
    }
    model = Circuit(groups, [(3, 0)], ["X"], params)
    x = np.array([[0.0], [np.nan], [20.0]])
    program = compile_circuit(model)
    state = program.evaluate(x, keep=True)
    exact = reference.evaluate(model, x)
    np.testing.assert_allclose(
        program.log_values(state, 2), exact.log_values[2], rtol=1e-5, atol=1e-5
    )
    flows, wanted = program.flows(state), reference.flows(model, exact)
    for group in (0, 1):
        given = program.flow_values(flows, group)
        np.testing.assert_allclose(given, wanted[group], rtol=1e-4, atol=1e-6)


def test_impossible_evidence_is_minus_infinity_without_nan() -> None:
    model = circuit(mix([0.5, 0.5], [indicator("X", 1) * bernoulli("Y", 0.5)] * 2))
    program = compile_circuit(model)
    x = np.array([[0.0, 1.0], [1.0, 1.0]])
    state = program.evaluate(x, keep=True)
    statistics = program.zero_statistics()
    flows = program.flows(state, statistics)
    assert torch.isneginf(program.root_values(state)[0])
    for tensor in (flows, *statistics):
        assert bool(torch.isfinite(tensor).all())


def test_large_gaussians_keep_their_digits_in_float32() -> None:
    """(x - mean)^2 / 2v is small although x^2 / 2v is 5e8: the data are centred first."""
    rng = np.random.default_rng(0)
    means = 10_000 + rng.normal(size=(4, 3))
    leaves = [[gaussian(f"X{v}", means[v, k], 0.1) for v in range(4)] for k in range(3)]
    model = circuit(mix([0.2, 0.3, 0.5], [product(*row) for row in leaves]))
    x = 10_000 + rng.normal(size=(20, 4)).astype(np.float32)
    expected = reference.evaluate(model, x).root[:, 0]
    np.testing.assert_allclose(compile_circuit(model)(x).double(), expected, rtol=2e-3)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("units", [3, 20])
@pytest.mark.parametrize("categories", [3, 200])
def test_many_categories_are_gathered_and_few_multiplied(
    categories: int, units: int, tied: bool
) -> None:
    """All leaf paths give the values and statistics of the reference, tied groups included."""
    rng = np.random.default_rng(categories)
    family = Categorical(categories)
    names = ("t", "t") if tied else ("t", "u")
    groups = [
        LeafGroup("a", units, family, (0, 1), names[0]),
        LeafGroup("b", units, family, (2, 3), names[1]),
        ProductGroup("p", units * units, (0, 1), "kronecker"),
        SumGroup("s", 1, (2,), "s"),
    ]
    tables = {n: torch.tensor(rng.dirichlet(np.ones(categories), size=(2, units))) for n in names}
    weights = torch.tensor(rng.dirichlet(np.ones(units * units), size=1))
    model = Circuit(groups, [(3, 0)], ["A", "B", "C", "D"], {**tables, "s": weights})
    x = rng.integers(0, categories, size=(30, 4)).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    assert_equals_reference(model, x)
    program = compile_circuit(model, dtype=torch.float64)
    bank = next(b for b, s in zip(program.banks, program.plan.banks, strict=True) if s.family)
    statistics = program.zero_statistics()
    program.flows(program.evaluate(x, keep=True), statistics)
    number = list(program.banks).index(bank)
    updated = bank.m_step(bank.counts(statistics[number]), 0.0)
    # By hand: expected counts of each state under each unit, over both groups where tied.
    flows = reference.flows(model, reference.evaluate(model, x))
    counts = np.zeros((len(bank.ids), 2, units, categories))
    for group, columns in ((0, (0, 1)), (1, (2, 3))):
        for j, column in enumerate(columns):
            for row in range(len(x)):
                if not np.isnan(x[row, column]):
                    counts[bank.ids.index(names[group]), j, :, int(x[row, column])] += flows[group][
                        row
                    ]
    expected = counts / counts.sum(-1, keepdims=True)
    np.testing.assert_allclose(updated.numpy(), expected, atol=1e-9)
    before = bank.export()
    bank.advance(statistics[number], 1.0, 0.5, 0.25)
    smoothed = (counts + 0.5 / categories) / (counts.sum(-1, keepdims=True) + 0.5)
    for name, row in zip(bank.ids, smoothed, strict=True):
        blend = 0.75 * before[name].numpy() + 0.25 * row
        np.testing.assert_allclose(bank.export()[name].numpy(), blend, atol=1e-9)
    moved = model.with_params(program.params)
    assert_equals_reference(moved, x)
    # What learns reads new probabilities, what only asks a table of logarithms made from them.
    for rows in (x, x[~np.isnan(x).any(1)]):
        expected = reference.evaluate(moved, rows).root[:, 0]
        for keep in (True, False, True):
            state = program.evaluate(rows, keep=keep)
            np.testing.assert_allclose(program.root_values(state), expected, rtol=1e-9)


@settings(max_examples=30)
@given(circuits(tied=True, reals=1))
def test_parameters_survive_the_program(model: Circuit) -> None:
    program = compile_circuit(model, dtype=torch.float64)
    assert program.params.equal(model.params)
    shuffled = model.params.map(lambda t: t.flip(0) if t.ndim > 2 and t.shape[0] > 1 else t)
    program.load(shuffled)
    assert program.params.equal(shuffled)


def test_a_chain_of_two_thousand_sums_and_products() -> None:
    expression = bernoulli("X0", 0.3)
    for v in range(1, 2001):
        expression = mix(
            [0.4, 0.6], [product(expression, bernoulli(f"X{v}", p)) for p in (0.2, 0.7)]
        )
    model = circuit(expression)
    x = np.random.default_rng(0).integers(0, 2, size=(2, 2001)).astype(float)
    expected = reference.evaluate(model, x).root[:, 0]
    program = compile_circuit(model)
    state = program.evaluate(x, keep=True)
    np.testing.assert_allclose(program.root_values(state).double(), expected, rtol=1e-5)
    flows = program.flows(state)
    first = program.flow_values(flows, model.group_index("x1"))
    torch.testing.assert_close(first, torch.ones_like(first), rtol=1e-4, atol=1e-4)


def test_bad_parameters_and_bad_shapes_are_refused() -> None:
    model = circuit(0.5 * categorical("X", [0.2, 0.8]) + 0.5 * categorical("X", [0.6, 0.4]))
    root = model.groups[model.root.group]
    assert isinstance(root, SumGroup)
    negative = model.params.updated({root.parameter: torch.tensor([[-0.5, 1.5]])})
    with pytest.raises(ParameterError, match=r"-0.5 at \[0, 0\] is negative"):
        compile_circuit(model.with_params(negative))
    program = Program(model)
    with pytest.raises(DataError, match=r"\[2, 3\] does not fit"):
        program(np.zeros((2, 3)))


def test_groups_that_no_root_needs_are_left_out() -> None:
    model = random_circuit(1)
    dead = LeafGroup("dead", 1, Categorical(2), (0,), "dead")
    params = model.params.updated({"dead": torch.tensor([[[0.5, 0.5]]])})
    wider = Circuit([*model.groups, dead], model.roots, model.variables, params)
    program = compile_circuit(wider)
    assert len(model.groups) not in program.plan.addresses
    assert "dead" in program.params


def test_groups_of_one_shape_share_a_layer() -> None:
    model = random_circuit(5, variables=4)
    leaves = [g for g in model.groups if isinstance(g, LeafGroup)]
    layers = [layer for layer in compile_circuit(model).plan.layers if layer.kind == "leaf"]
    assert len(layers) == len({(g.family, len(g.variables), g.size) for g in leaves})
