"""Repairs: the witness is gone, and what a repair says of the distribution is true."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import FAULTS, Witness, check
from pccore.errors import OptionError
from pccore.graph import Circuit, SumGroup, Unit
from pccore.reference import evaluate
from pccore.repair import repair_all, repairs, why_none
from pccore.structures.figures import figures
from tests.strategies import SEEDS, random_broken, random_evidence, random_graph

FAULTY = (*sorted(FAULTS), "normalized", "reachable")


def value(model: Circuit, rows: np.ndarray) -> np.ndarray:
    return np.exp(evaluate(model, rows).root[:, 0])


def same(before: Circuit, after: Circuit, preserves: str) -> bool:
    """Whether two circuits agree, as a repair promises, at every complete state."""
    states = oracle.states(before)
    old, new = value(before, states), value(after, states)
    if preserves == "distribution":
        old, new = old / old.sum(), new / new.sum()
    return bool(np.allclose(old, new, rtol=1e-6, atol=1e-12))


def gone(after: Circuit, witness: Witness, name: str) -> bool:
    """Whether no violation of this kind is left at the unit of this name."""
    left = check(after, (witness.property,)).of(witness.property)
    return all(after.unit_name(w.unit) != name for w in left)


@settings(max_examples=120)
@given(SEEDS, st.sampled_from(["smooth", "decomposable", "normalized", "reachable"]))
def test_what_a_repair_promises_is_true(seed: int, clause: str) -> None:
    broken = random_broken(seed, clause, variables=3, normalised=False).circuit
    found = check(broken).of(clause)
    assert found
    offers = repairs(broken, found[0])
    assert offers
    for offer in offers:
        mended = offer.apply()
        if offer.preserves != "changes":
            assert same(broken, mended, offer.preserves), offer.name
        assert gone(mended, found[0], broken.unit_name(found[0].unit)), offer.name


@settings(max_examples=80)
@given(SEEDS)
def test_any_graph_is_repaired_exactly(seed: int) -> None:
    model = random_graph(seed)
    try:
        steps = repair_all(model)
    except OptionError as error:
        # Splitting may run into the limit of cases, never anything else.
        assert "no repair" in str(error) or "not enough" in str(error)
        return
    if not steps:
        assert check(model).valid
        return
    last = steps[-1].circuit
    assert check(last).valid and check(last).holds("decomposable")
    assert all(step.repair.preserves == "exact" for step in steps)
    assert same(model, last, "exact")
    rows = random_evidence(np.random.default_rng(seed), last, rows=4)
    expected = [math.exp(oracle.log_measure(last, row)) for row in rows]
    np.testing.assert_allclose(value(last, rows), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "incomplete",
        "inconsistent",
        "valid_though_broken",
        "consistent_not_decomposable",
        "buried_mistake",
    ],
)
def test_the_samples_that_are_broken_can_be_repaired(name: str) -> None:
    model = figures()[name]()
    steps = repair_all(model)
    assert steps
    last = steps[-1].circuit
    assert check(last).holds("decomposable") and check(last).valid
    assert same(model, last, "exact")


def test_smoothing_makes_the_under_count_right() -> None:
    model = circuit(
        mix([0.5, 0.5], [product(indicator("A", 1), indicator("B", 1)), indicator("A", 0)])
    )
    (witness,) = check(model).of("smooth")
    exact, uniform = repairs(model, witness)
    assert value(model, np.array([[np.nan, np.nan]])) == pytest.approx(1.0)
    assert value(exact.apply(), np.array([[np.nan, np.nan]])) == pytest.approx(1.5)
    assert value(uniform.apply(), np.array([[np.nan, np.nan]])) == pytest.approx(1.0)
    assert (exact.preserves, uniform.preserves) == ("exact", "changes")


def test_a_square_of_an_indicator_becomes_the_indicator() -> None:
    x = indicator("A", 1).named("x")
    model = circuit(product(x, x).named("square"))
    (witness,) = check(model).of("decomposable")
    split = next(r for r in repairs(model, witness) if r.name == "split")
    mended = split.apply()
    assert [g.name for g in mended.groups] == ["x", "square"]
    assert same(model, mended, "exact")


def test_a_contradiction_stays_zero() -> None:
    model = circuit(product(indicator("A", 1), indicator("A", 0)).named("never"))
    (witness,) = check(model).of("decomposable")
    mended = repairs(model, witness)[0].apply()
    assert check(mended).holds("decomposable")
    assert value(mended, np.array([[0.0], [1.0]])).tolist() == [0.0, 0.0]


def test_a_shared_child_is_copied_not_changed() -> None:
    shared = (
        0.3 * (indicator("A", 1) * indicator("B", 1))
        + 0.7 * (indicator("A", 0) * indicator("B", 0))
    ).named("shared")
    bad = product(indicator("A", 1), shared).named("bad")
    model = circuit(mix([0.5, 0.5], [bad, shared]).named("root"))
    (witness,) = check(model).of("decomposable")
    for offer in repairs(model, witness):
        mended = offer.apply()
        left = Unit(mended.group_index("shared"), 0)
        old = Unit(model.group_index("shared"), 0)
        rows = oracle.states(model)
        np.testing.assert_allclose(
            evaluate(mended, rows).log_value(left), evaluate(model, rows).log_value(old)
        )


@settings(max_examples=40)
@given(SEEDS)
def test_illegal_parameters_become_legal(seed: int) -> None:
    broken = random_broken(seed, "weights", variables=2).circuit
    (witness, *_) = check(broken).of("weights")
    (offer,) = repairs(broken, witness)
    mended = offer.apply()
    mended.validate_params()
    assert not check(mended).of("weights")


def test_an_illegal_leaf_and_a_missing_tensor() -> None:
    model = circuit(mix([0.5, 0.5], [bernoulli("A", 0.2).named("a"), bernoulli("A", 0.4)]))
    wrong = model.with_params(model.params.updated({"a": torch.tensor([[1.7]])}))
    (witness,) = check(wrong).of("weights")
    repairs(wrong, witness)[0].apply().validate_params()
    without = model.with_params({k: v for k, v in model.params.items() if k != "s1"})
    (witness,) = check(without).of("weights")
    mended = repairs(without, witness)[0].apply()
    mended.validate_params()
    assert mended.params["s1"].tolist() == [[0.5, 0.5]]


def test_no_repair_is_offered_where_there_is_none() -> None:
    model = figures()["figure1_naive_bayes"]()
    (witness, *_) = check(model).of("deterministic")
    assert repairs(model, witness) == ()
    assert "design" in why_none(model, witness)
    zero = circuit(mix([0.0], [bernoulli("A", 0.3)]))
    for name in ("alive", "normalized"):
        witness = check(zero).of(name)[0]
        assert repairs(zero, witness) == ()
        assert "zero everywhere" in why_none(zero, witness)


def test_only_parameters_are_repaired_while_they_are_illegal() -> None:
    model = figures()["incomplete"]()
    (witness,) = check(model).of("smooth")
    name = next(g.parameter for g in model.groups if isinstance(g, SumGroup))
    wrong = model.with_params(model.params.updated({name: torch.full_like(model.params[name], -1)}))
    assert repairs(wrong, witness) == ()
    assert "repair them first" in why_none(wrong, witness)
    steps = repair_all(wrong)
    assert steps[0].repair.name == "legal_parameters"
    assert check(steps[-1].circuit).valid


def test_a_missing_real_variable_gets_a_density() -> None:
    reals = mix([0.5, 0.5], [gaussian("Y", -1, 1), gaussian("Y", 3, 2)])
    model = circuit(0.5 * product(bernoulli("A", 0.3), reals) + 0.5 * bernoulli("A", 0.9))
    (witness,) = check(model).of("smooth")
    (offer,) = repairs(model, witness)
    assert (offer.name, offer.preserves) == ("smooth_density", "changes")
    mended = offer.apply()
    assert check(mended).holds("smooth")
    leaf = mended.params["some Y"].reshape(-1).tolist()
    assert leaf == pytest.approx([1.0, 5.5])  # variance 1.5 within the leaves, 4 between them
    rows = np.array([[0, np.nan], [1, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(value(mended, rows), value(model, rows))
    assert math.exp(oracle.log_partition(mended)) == pytest.approx(1.0)


def test_two_gaussians_become_one() -> None:
    model = figures()["squared_gaussian"]()
    (witness,) = check(model).of("decomposable")
    offer = repairs(model, witness)[0]
    assert (offer.name, offer.preserves) == ("multiply", "exact")
    mended = offer.apply()
    assert check(mended).valid and check(mended).holds("decomposable")
    rows = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(value(mended, rows), value(model, rows), rtol=1e-9)
    total = value(mended, np.full((1, 2), np.nan))[0]
    assert total == pytest.approx(math.exp(oracle.log_partition(model)), rel=1e-6)
    assert total == pytest.approx(0.2197, abs=1e-4)
    leaf = gaussian("Y", 2.0, 0.5).named("g")
    square = circuit(product(leaf, leaf).named("square"))
    (witness,) = check(square).of("decomposable")
    mended = repairs(square, witness)[0].apply()
    rows = np.linspace(-1, 5, 9)[:, None]
    np.testing.assert_allclose(value(mended, rows), value(square, rows), rtol=1e-9)


def test_a_product_with_too_many_cases_can_only_forget() -> None:
    wide = mix([0.5, 0.5], [indicator("A", 1, 200), indicator("A", 7, 200)]).named("wide")
    other = mix([0.5, 0.5], [indicator("A", 1, 200), indicator("A", 9, 200)]).named("other")
    model = circuit(product(wide, other).named("p"))
    (witness,) = check(model).of("decomposable")
    found = repairs(model, witness)
    assert [r.name for r in found] == ["marginalise", "marginalise"]
    assert all(r.preserves == "changes" for r in found)
    for repair in found:
        mended = repair.apply()
        assert check(mended).holds("decomposable")
        assert value(mended, np.array([[np.nan]]))[0] == pytest.approx(1.0)


def test_a_state_that_one_child_settles_is_put_into_the_other() -> None:
    a, b = indicator("A", 1).named("a"), indicator("B", 1).named("b")
    other = (0.3 * product(indicator("A", 1), b) + 0.7 * product(indicator("A", 0), b)).named("o")
    model = circuit(product(a, other).named("p"))
    (witness,) = check(model).of("consistent")
    offer = repairs(model, witness)[0]
    assert (offer.name, offer.preserves, offer.title) == ("put_in", "exact", "Put A=1 into o")
    mended = offer.apply()
    assert check(mended).valid and check(mended).holds("decomposable")
    assert same(model, mended, "exact")
    assert mended.num_units < model.num_units


def test_a_child_that_comes_often_is_counted_once() -> None:
    a, b = indicator("A", 1).named("a"), indicator("B", 1)
    for factors in ([a, a, a], [a, b, a, a]):
        model = circuit(product(*factors).named("p"))
        (witness,) = check(model).of("decomposable")
        offer = repairs(model, witness)[0]
        assert (offer.name, offer.title) == ("put_in", "Count a once")
        mended = offer.apply()
        assert check(mended).holds("decomposable")
        assert same(model, mended, "exact")


def test_sums_below_sums_are_merged() -> None:
    low, high = bernoulli("A", 0.1).named("low"), bernoulli("A", 0.8).named("high")
    inner = mix([0.3, 0.7], [low, high]).named("inner")
    model = circuit(mix([0.4, 0.6], [inner, low]).named("top"))
    (witness,) = check(model).of("alternating")
    (offer,) = repairs(model, witness)
    mended = offer.apply()
    assert check(mended).holds("alternating")
    assert [g.name for g in mended.groups] == ["low", "high", "top"]
    assert mended.params["top"].tolist() == [[pytest.approx(0.72), pytest.approx(0.28)]]


def test_many_sums_are_smoothed_in_one_step() -> None:
    pairs = [
        mix([0.5, 0.5], [product(indicator(f"A{i}"), indicator(f"B{i}")), indicator(f"A{i}", 0)])
        for i in range(25)
    ]
    steps = repair_all(circuit(product(*pairs)))
    assert [step.repair.name for step in steps] == ["smooth_all"]
    assert check(steps[0].circuit).valid
    assert value(steps[0].circuit, np.full((1, 50), np.nan))[0] == pytest.approx(1.5**25)


def test_a_circuit_without_faults_needs_no_step() -> None:
    assert repair_all(figures()["figure1_naive_bayes"]()) == ()


def test_repairs_give_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pccore.repair.offers.MAX_STEPS", 1)
    a, b = indicator("A", 1), indicator("B", 1)
    model = circuit(product(product(a, a).named("aa"), product(b, b).named("bb")).named("p"))
    with pytest.raises(OptionError, match="1 repairs were not enough"):
        repair_all(model)


def test_copies_may_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    model = figures()["two_paths"]()
    (witness,) = check(model).of("decomposable")
    split = next(r for r in repairs(model, witness) if r.name == "split")
    monkeypatch.setattr("pccore.transform.sketch.MAX_EDGES", model.num_edges)
    with pytest.raises(OptionError, match="copies of"):
        split.apply()


def test_a_tensor_that_fits_others_stays_theirs() -> None:
    model = circuit(mix([0.5, 0.5], [bernoulli("A", 0.2).named("a"), bernoulli("A", 0.4)]))
    wide = SumGroup("wide", 1, (0, 1, 2), "s1")
    wrong = Circuit([*model.groups, wide], [(3, 0)], model.variables, model.params)
    (witness,) = check(wrong).of("weights")
    mended = repairs(wrong, witness)[0].apply()
    mended.validate_params()
    assert mended.params["s1"].tolist() == [[0.5, 0.5]]
    assert mended.params["s1'"].tolist() == [[pytest.approx(1 / 3)] * 3]
