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
from pccore.graph import Circuit, Unit
from pccore.reference import evaluate
from pccore.repair import repair_all, repairs
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
    real = circuit(
        0.5 * product(bernoulli("A", 0.3), gaussian("Y", 0, 1)) + 0.5 * bernoulli("A", 0.9)
    )
    (witness,) = check(real).of("smooth")
    # No leaf over a real variable is 1 everywhere: only a density can be put in, which changes it.
    assert {one.preserves for one in repairs(real, witness)} == {"changes"}
