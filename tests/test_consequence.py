"""Consequences: the two answers are what they say, and the paper's inequalities hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, circuit, indicator, mix, product
from pccore.check import check
from pccore.consequence import consequence, validity
from pccore.graph import Circuit
from pccore.reference import evaluate
from pccore.structures.figures import figures
from tests.strategies import SEEDS, random_broken, random_circuit, random_graph


def answers(model: Circuit, evidence: dict[str, float], unit: object) -> tuple[float, float]:
    seen = model.with_roots([unit])  # type: ignore[list-item]
    return (
        math.exp(evaluate(seen, evidence).root[0, 0]),
        math.exp(oracle.log_measure(seen, evidence)),
    )


@settings(max_examples=100)
@given(SEEDS, st.sampled_from(["smooth", "decomposable"]))
def test_both_numbers_are_what_they_say(seed: int, clause: str) -> None:
    model = random_broken(seed, clause, variables=3, normalised=False).circuit
    for witness in check(model).violations:
        found = consequence(model, witness)
        if found is None:
            continue
        computed, truth = answers(model, dict(found.evidence), found.unit)
        assert found.computed == pytest.approx(computed, rel=1e-6)
        assert found.truth == pytest.approx(truth, rel=1e-6)
        assert found.kind == ("over" if computed > truth else "under")
        assert found.kind == ("under" if clause == "smooth" else "over")


@settings(max_examples=100)
@given(SEEDS)
def test_validity_is_that_of_brute_force(seed: int) -> None:
    model = random_graph(seed)
    scope = list(model.scope_of(0))
    if math.prod((model.domain(v).states or 0) + 1 for v in scope) > 3000:
        return
    rows = np.full((1, len(model.variables)), np.nan)
    for v in scope:
        values = [*range(model.domain(v).states or 0), np.nan]
        rows = np.repeat(rows, len(values), axis=0)
        rows[:, v] = np.tile(values, len(rows) // len(values))
    computed = np.exp(evaluate(model, rows).root[:, 0])
    truth = np.exp([oracle.log_measure(model, row) for row in rows])
    agrees = bool(np.allclose(computed, truth, rtol=1e-6, atol=1e-12))
    assert validity(model).verdict == ("valid" if agrees else "invalid")


def test_the_papers_example_is_valid_though_neither() -> None:
    model = figures()["valid_though_broken"]()
    assert {w.property for w in check(model).violations} >= {"smooth", "consistent"}
    assert validity(model).verdict == "valid"
    (inconsistent,) = check(model).of("consistent")
    found = consequence(model, inconsistent)
    assert found is not None and model.unit_name(found.unit) == "P"
    assert (found.computed, found.truth, found.kind) == (1.0, 0.0, "over")
    assert "over-counts" in found.sentence


def test_incomplete_under_counts_inconsistent_over_counts() -> None:
    under, over = figures()["incomplete"](), figures()["inconsistent"]()
    for model, kind in ((under, "under"), (over, "over")):
        found = validity(model).counterexample
        assert found is not None and found.kind == kind


def test_large_circuits() -> None:
    leaves = [bernoulli(f"X{v}", 0.4) for v in range(30)]
    valid = circuit(product(*leaves))
    assert validity(valid).verdict == "valid"
    assert "hence" in validity(valid).sentence
    contradiction = product(indicator("Y", 1), indicator("Y", 0))
    broken = circuit(
        mix([0.5, 0.5], [product(*leaves, contradiction), product(*leaves, indicator("Y", 1))])
    )
    assert validity(broken).verdict == "unknown"
    wrong = random_circuit(1)
    wrong = wrong.with_params({k: v * float("nan") for k, v in wrong.params.items()})
    assert validity(wrong).verdict == "unknown"


def test_the_unit_at_fault_is_looked_at_where_the_whole_is_too_large() -> None:
    leaves = [bernoulli(f"X{v}", 0.4) for v in range(30)]
    bad = product(indicator("Y", 1), indicator("Y", 0)).named("bad")
    model = circuit(
        mix(
            [0.5, 0.5],
            [product(bad, product(*leaves).named("rest")), product(indicator("Y", 1), *leaves)],
        )
    )
    witness = check(model).of("consistent")[0]
    found = consequence(model, witness)
    # Flattened products have no unit of their own: then there is nothing small to look at.
    if found is not None:
        assert (found.computed, found.truth) == (1.0, 0.0)


def test_notes_have_no_consequence() -> None:
    model = figures()["figure1_naive_bayes"]()
    assert consequence(model, check(model).of("deterministic")[0]) is None
