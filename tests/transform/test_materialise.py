"""Hidden variables of sums as real variables, against enumeration."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, indicator, mix, product
from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries import hidden_posterior, mpe, unit_values
from pccore.structures.figures import figures
from pccore.transform import materialise
from tests.strategies import SEEDS, circuits, circuits_and_evidence, random_circuit


def sums(model: Circuit) -> list[Unit]:
    return [
        Unit(g, k)
        for g, group in enumerate(model.groups)
        if group.kind == "sum"
        for k in range(group.size)
    ]


def some_sums(model: Circuit, seed: int, most: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    found = sums(model)
    picked = rng.permutation(len(found))[:most]
    return {model.unit_name(found[i]): f"Y{n}" for n, i in enumerate(picked)}


@settings(max_examples=80)
@given(circuits(variables=3, normalised=False, roots=2), SEEDS)
def test_summing_the_hidden_variables_out_gives_the_original(model: Circuit, seed: int) -> None:
    latents = some_sums(model, seed, 2)
    made = materialise(model, latents)
    assert made.variables == (*model.variables, *latents.values())
    for number, root in enumerate(model.roots):
        states = oracle.states(model, root=root)
        expected = np.exp(reference.evaluate(model, states).log_value(root))
        wider = np.column_stack([states, np.full((len(states), len(latents)), np.nan)])
        # In one pass, with Y unobserved ...
        passed = np.exp(reference.evaluate(made, wider).root[:, number])
        np.testing.assert_allclose(passed, expected, rtol=1e-9, atol=1e-300)
        # ... and by adding up all states of Y.
        for row, value in list(zip(wider, expected, strict=True))[:4]:
            total = math.exp(oracle.log_measure(made, row, made.roots[number]))
            assert total == pytest.approx(value, rel=1e-9, abs=1e-300)
    if latents:
        properties = check(made, ("smooth", "decomposable", "weights")).properties
        assert set(properties.values()) == {"yes"}


@settings(max_examples=40)
@given(circuits(variables=3, zero_weights=False))
def test_all_sums_named_make_the_circuit_deterministic(model: Circuit) -> None:
    made = materialise(model, {model.unit_name(u): f"Y{i}" for i, u in enumerate(sums(model))})
    properties = check(made, ("smooth", "decomposable", "deterministic")).properties
    assert set(properties.values()) == {"yes"}
    if math.prod(made.domain(v).states or 1 for v in made.scopes[made.root.group]) <= 20_000:
        found = mpe(made, {})
        assert found.quality == "exact"
        assert float(found.log_value[0]) == pytest.approx(oracle.mpe(made)[1], abs=1e-9)


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1, variables=3, zero_probabilities=False), SEEDS)
def test_posteriors_are_the_paper_formula(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    """P(Y = i | e) of the materialised circuit, by enumeration, from w_i S_i dS/dS_n."""
    model, x = pair
    latents = some_sums(model, seed, 1)
    if not latents:
        return
    (name,) = latents
    unit = next(u for u in sums(model) if model.unit_name(u) == name)
    found = unit_values(model, x)
    made = materialise(model, latents)
    wider = np.append(x[0], np.nan)
    if len(model.variables) not in made.scopes[made.root.group]:
        assert np.isnan(found.log_value[unit.group]).all() or found.flow_of(unit) == 0
        return
    expected = oracle.marginals(made, wider)[-1]
    shares = hidden_posterior(found, unit)
    n = len(shares) - 1
    np.testing.assert_allclose(shares[:-1] + shares[-1] / n, expected, atol=1e-9)


@settings(max_examples=40)
@given(SEEDS)
def test_gaussians_and_real_evidence(seed: int) -> None:
    model = random_circuit(seed, variables=3, reals=2)
    made = materialise(model, some_sums(model, seed, 3))
    rows = np.random.default_rng(seed).normal(size=(4, 3))
    rows[:, 0] = 0
    wider = np.column_stack([rows, np.full((4, len(made.variables) - 3), np.nan)])
    np.testing.assert_allclose(
        reference.evaluate(made, wider).root, reference.evaluate(model, rows).root, atol=1e-9
    )


def test_figure_2_from_figure_1() -> None:
    """Each component takes the indicator itself; no unit but indicators is added."""
    first, second = figures()["figure1_naive_bayes"](), figures()["figure2_hidden_variable"]()
    made = materialise(first, {"S": "Y"})
    assert made.num_units == first.num_units + 3
    np.testing.assert_allclose(oracle.log_table(made), oracle.log_table(second), atol=1e-12)
    assert {"Y=0", "Y=1", "Y=2"} <= {group.name for group in made.groups}


def test_a_branch_without_the_sum_gets_a_twin() -> None:
    inner = mix([0.3, 0.7], [indicator("A", 1), indicator("A", 0)]).named("inner")
    other = bernoulli("A", 0.5).named("other")
    model = circuit((0.4 * inner + 0.6 * other).named("top"))
    made = materialise(model, {"inner": "Y"})
    assert check(made, ("smooth",)).properties["smooth"] == "yes"
    twin = made.groups[made.group_index("any Y")]
    assert isinstance(twin, SumGroup) and made.params["any Y"].tolist() == [[0.5, 0.5]]
    # Y = 0 goes with A = 1 where inner takes part; where it does not, both states are alike.
    joint = reference.evaluate(made, {"A": 1, "Y": 0}).root[0, 0]
    assert math.exp(joint) == pytest.approx(0.4 * 0.3 + 0.6 * 0.5 / 2)


def test_nested_sums_see_each_other() -> None:
    inner = mix([0.3, 0.7], [bernoulli("A", 0.1), bernoulli("A", 0.8)]).named("inner")
    top = mix([0.4, 0.6], [inner, bernoulli("A", 0.5)]).named("top")
    made = materialise(circuit(top), {"top": "Z", "inner": "Y"})
    values = {
        (z, y): math.exp(reference.evaluate(made, {"A": 1, "Z": z, "Y": y}).root[0, 0])
        for z in (0, 1)
        for y in (0, 1)
    }
    assert values[0, 0] == pytest.approx(0.4 * 0.3 * 0.1)
    assert values[0, 1] == pytest.approx(0.4 * 0.7 * 0.8)
    assert values[1, 0] == values[1, 1] == pytest.approx(0.6 * 0.5 / 2)


def test_shared_children_and_repeated_children_are_told_apart() -> None:
    shared = product(bernoulli("A", 0.2), bernoulli("B", 0.3)).named("p")
    model = circuit([mix([0.5, 0.5], [shared, shared]).named("s"), shared])
    made = materialise(model, {"s": "Y"})
    assert math.exp(reference.evaluate(made, {"A": 1, "B": 1, "Y": 1}).root[0, 0]) == (
        pytest.approx(0.03)
    )
    assert math.exp(reference.evaluate(made, {"A": 1, "B": 1}).root[0, 1]) == pytest.approx(0.06)


def test_ties_of_whole_units_are_kept() -> None:
    leaves = [LeafGroup(f"x{v}", 2, Bernoulli(), (v,), "x") for v in range(2)]
    tops = [SumGroup(f"s{v}", 1, (v,), "w") for v in range(2)]
    params = {
        "x": torch.tensor([[0.1, 0.9]], dtype=torch.float64),
        "w": torch.tensor([[0.5, 0.5]], dtype=torch.float64),
    }
    model = Circuit([*leaves, *tops], [(2, 0), (3, 0)], ["A", "B"], params)
    made = materialise(model, {"s0": "Y"})
    weights = {g.parameter for g in made.groups if g.name in ("s0", "s1") and g.kind == "sum"}
    assert weights == {"w"}


def test_units_called_like_groups() -> None:
    group = LeafGroup("x", 2, Bernoulli(), (0,), "x")
    odd = LeafGroup("x[1]", 1, Bernoulli(), (0,), "y")
    top = SumGroup("top", 1, (0, 1), "any Y")
    params = {
        "x": torch.full((1, 2), 0.5),
        "y": torch.full((1, 1), 0.5),
        "any Y": torch.full((1, 3), 1 / 3),
    }
    made = materialise(Circuit([group, odd, top], [(2, 0)], ["A"], params), {"top": "Y"})
    assert made.num_edges == 3 + 6


@pytest.mark.parametrize(
    ("latents", "error", "message"),
    [
        ({"C1": "Y"}, OptionError, "C1: only sums"),
        ({"S": "X1"}, OptionError, "S: there is a variable 'X1' already"),
        ({"S": "Y", "A1": "Y"}, OptionError, "A1: there is a variable 'Y' already"),
        ({"S": "  "}, OptionError, "needs a name"),
        ({"T": "Y"}, NotFoundError, "no unit 'T'"),
    ],
)
def test_bad_names_are_refused(
    latents: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        materialise(figures()["figure1_naive_bayes"](), latents)


def test_large_circuits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # pccore.transform.materialise is the function; the module of this name is behind it.
    monkeypatch.setattr(sys.modules[materialise.__module__], "MAX_EDGES", 3)
    with pytest.raises(OptionError, match="more than the 3"):
        materialise(figures()["figure1_naive_bayes"](), {"S": "Y"})
