"""Values at the edges of the number range, leaves that share a variable, threads, memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from pccore import reference
from pccore.build import Expression, bernoulli, binomial, categorical, circuit, gaussian, mix
from pccore.compile import Program, compile_circuit
from pccore.compile import leaf_layer as leaf_module
from pccore.errors import ParameterError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import Support
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.queries import log_value, marginals, mpe, sample
from pccore.structures import build_structure
from pccore.structures.base import Shape

DTYPES = (torch.float32, torch.float64)


def assert_reference(
    model: Circuit, x: list[list[float]], dtype: torch.dtype, rtol: float = 1e-5
) -> None:
    """Values equal the reference's, and nothing in flows or statistics is NaN."""
    rows = np.array(x, dtype=float)
    program = compile_circuit(model, dtype=dtype)
    state = program.evaluate(rows, keep=True)
    expected = reference.evaluate(model, rows).root[:, 0]
    np.testing.assert_allclose(program.root_values(state), expected, rtol=rtol, atol=rtol)
    statistics = program.zero_statistics()
    flows = program.flows(state, statistics)
    for tensor in (flows, *statistics):
        assert bool(torch.isfinite(tensor).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("leaves", "values"),
    [
        ((bernoulli("X", 0.5), categorical("X", [0.2, 0.3, 0.5])), (0, 1, 2)),
        ((categorical("X", [0.1] * 10), categorical("X", [0.02] * 50)), (0, 9, 10, 49)),
        ((categorical("X", [0.025] * 40), categorical("X", [0.02] * 50)), (0, 39, 40, 49)),
        ((binomial("X", 3, 0.5), binomial("X", 9, 0.3)), (0, 3, 4, 9)),
        ((bernoulli("X", 0.5), gaussian("X", 0, 1)), (0, 0.5, 1, -3)),
        ((categorical("X", [0.02] * 50), gaussian("X", 0, 1)), (0, 0.5, 49, 50, -1)),
    ],
)
def test_a_value_outside_the_support_of_one_leaf_is_impossible_there(
    leaves: tuple[Expression, ...], values: tuple[float, ...], dtype: torch.dtype
) -> None:
    y = [bernoulli("Y", 0.3), bernoulli("Y", 0.6)]
    model = circuit(mix([0.4, 0.6], [a * b for a, b in zip(leaves, y, strict=True)]))
    rows = [[value, 1.0] for value in (*values, np.nan)] + [[values[-1], np.nan]]
    assert_reference(model, rows, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrow_gaussians_far_from_each_other_keep_their_digits(dtype: torch.dtype) -> None:
    far = [gaussian("X", mean, 1e-4) * gaussian("Y", -mean, 1e-4) for mean in (0, 1037, -3001)]
    model = circuit(mix([0.2, 0.3, 0.5], far))
    program = compile_circuit(model, dtype=dtype)
    rows = [[1037, -1037], [-3001, 3001], [np.nan, 3001], [1036, -1036], [0, 1e3], [1e6, 0]]
    assert_reference(model, rows, dtype)
    # Statistics about each unit's own mean: the variance survives.
    x = np.array([[1037.01, -1037.0], [1036.99, -1037.0]])
    expected = x.astype(np.float32 if dtype == torch.float32 else np.float64).astype(float)
    statistics = program.zero_statistics()
    program.flows(program.evaluate(x, keep=True), statistics)
    from pccore.compile.leaf_bank import LeafBank

    for bank, accumulated in zip(program.banks, statistics, strict=True):
        if isinstance(bank, LeafBank):
            found = bank.m_step(bank.counts(accumulated), 0.0)
            means = found[..., 0].reshape(-1)
            hit = (means - 1037).abs() < 0.5
            assert int(hit.sum()) == 1
            variance = float(found.reshape(-1, 2)[hit, 1])
            assert variance == pytest.approx(max(1e-4, expected[:, 0].var()), rel=1e-2)


def test_the_density_of_a_gaussian_keeps_its_digits() -> None:
    model = circuit(1.0 * gaussian("X", 1e6, 1e-4) + 0.0 * gaussian("X", 0, 1))
    expected = -0.5 * np.log(2 * np.pi * 1e-4) - 0.5
    found = reference.evaluate(model, np.array([[1e6 + 0.01]])).root[0, 0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_hopeless_data_teach_nothing_and_break_nothing() -> None:
    model = circuit(mix([0.5, 0.5], [gaussian("X", 0, 1e-4), gaussian("X", 1, 1)]))
    program = compile_circuit(model)
    statistics = program.zero_statistics()
    state = program.evaluate(np.array([[1e25], [-1e38], [0.3]]), keep=True)
    program.flows(state, statistics)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in statistics)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", [(1e30, 1e-30), (1e-30, 1e-30), (3e37, 1e38), (0, 1e-40)])
def test_unnormalised_weights_neither_overflow_nor_vanish(
    weights: tuple[float, float], dtype: torch.dtype
) -> None:
    a, b = categorical("X", [0, 0.5, 0.5]), categorical("X", [1, 0, 0])
    model = circuit(mix(weights, [a * bernoulli("Y", 0.3), b * bernoulli("Y", 0.9)]))
    assert_reference(model, [[0, 1], [1, 0], [np.nan, 1], [np.nan, np.nan]], dtype)


def test_parameters_that_do_not_fit_the_precision_are_refused() -> None:
    model = circuit(mix([1e100, 1.0], [bernoulli("X", 0.5), bernoulli("X", 0.6)]))
    assert np.isfinite(float(log_value(model, {"X": 1})))
    with pytest.raises(ParameterError, match="too large for"):
        compile_circuit(model)


def test_a_parameter_used_in_two_ways_is_refused() -> None:
    first = LeafGroup("a", 2, Bernoulli(), (0,), "w")
    shared: list[tuple[Group, ...]] = [
        (LeafGroup("b", 2, Binomial(5), (1,), "w"), SumGroup("s", 1, (2,), "v")),
        (LeafGroup("b", 2, Bernoulli(), (1,), "w"), SumGroup("s", 1, (2,), "w")),
    ]
    half = torch.tensor([[0.5, 0.5]])
    for other, top in shared:
        groups = (first, other, ProductGroup("p", 2, (0, 1)), top)
        model = Circuit(groups, [(3, 0)], ["A", "B"], {"w": half, "v": half})
        with pytest.raises(ParameterError, match="'w' is that of a already"):
            compile_circuit(model)


@pytest.fixture(scope="module")
def program() -> Program:
    shape = Shape.of(16, Support("finite", 40))
    model = build_structure("rat", shape, {"depth": 2, "replicas": 3, "units": 5})
    return compile_circuit(model)


def test_threads_may_share_a_program(program: Program) -> None:
    x = np.random.default_rng(0).integers(0, 40, (64, 16)).astype(np.float64)
    x[:, ::3] = np.nan

    def answer(_: int) -> list[torch.Tensor]:
        fresh = compile_circuit(program.circuit) if _ == 0 else program
        found = marginals(fresh, x)
        drawn = sample(fresh, 2, x, seed=1)
        return [log_value(fresh, x), found.mean, drawn, mpe(fresh, x).assignment]

    expected = answer(0)
    # A program that has not been used yet, so that its lazily computed parts are raced for.
    program = compile_circuit(program.circuit)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(answer, range(1, 25)):
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_an_answer_does_not_keep_the_values_of_all_units(program: Program) -> None:
    x = np.zeros((7, 16))
    assert program(x).untyped_storage().nbytes() == 7 * 4
    assert log_value(program, x).untyped_storage().nbytes() == 7 * 4


def test_chunks_do_not_change_what_is_chosen(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.full((9, 16), np.nan)
    x[:, 0] = np.arange(9)
    expected = mpe(program, x).assignment
    monkeypatch.setattr(leaf_module, "CHOICE_CHUNK", 1)
    assert torch.equal(mpe(program, x).assignment, expected)
    drawn = sample(program, 3, x, seed=0)
    assert bool((drawn[:, :, 0] == torch.arange(9.0)[:, None]).all())
    assert not bool(torch.isnan(drawn).any())


def test_tiles_count_what_the_layers_need_besides_their_values(program: Program) -> None:
    plan = program.plan
    by_kind = {layer.kind: layer for layer in plan.layers}
    leaf, einsum = by_kind["leaf"], by_kind["einsum"]
    assert leaf.work == 16 * 3  # one table row for each variable and replica
    groups = program.circuit.groups
    assert all(groups[g].kind == "sum" for g in einsum.groups)
    assert einsum.work % 25 == 0 and einsum.work >= 25 * len(einsum.groups)
    assert plan.rows_within(10 * plan.values_per_sample) == 10
    assert plan.rows_within(10 * plan.values_per_sample, 2) == 5
    assert plan.rows_within(1) == 1
