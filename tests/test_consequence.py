"""Consequences: the two answers are what they say, and the paper's inequalities hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import check
from pccore.consequence import consequence, validity
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.bernoulli import Bernoulli
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
    found = validity(broken).counterexample
    assert found is not None and found.kind == "over" and len(found.evidence) == 30
    assert (found.computed, found.truth) == pytest.approx(answers(broken, dict(found.evidence),
                                                                   broken.root))  # fmt: skip
    assert "and 24 more observed" in found.sentence
    lucky = mix([0.5, 0.5], [product(indicator("Z", 1), contradiction), indicator("Z", 1)])
    assert validity(circuit(product(lucky, *leaves))).verdict == "unknown", "valid, but not shown"
    wrong = random_circuit(1)
    wrong = wrong.with_params({k: v * float("nan") for k, v in wrong.params.items()})
    assert validity(wrong).verdict == "unknown"


def test_the_unit_at_fault_is_looked_at_where_the_whole_is_too_large() -> None:
    leaves = [bernoulli(f"X{v}", 0.4) for v in range(30)]
    bad = mix([1.0], [product(indicator("Y", 1), indicator("Y", 0)).named("bad")])
    model = circuit(
        mix([0.5, 0.5], [product(bad, *leaves), product(indicator("Y", 1), *leaves)]).named("S")
    )
    (witness,) = check(model).of("consistent")
    found = consequence(model, witness)
    assert found is not None and model.unit_name(found.unit) == "bad"
    assert (found.computed, found.truth, dict(found.evidence)) == (1.0, 0.0, {})


@settings(max_examples=10)
@given(SEEDS, st.sampled_from(["smooth", "decomposable"]))
def test_drawn_evidence_is_wrong_indeed(seed: int, clause: str) -> None:
    """Faults at the root of a circuit of 18 variables, far too many to try all evidence."""
    good = random_circuit(seed, variables=18, max_states=2, max_size=2)
    top, last = len(good.groups), len(good.variables)
    pick = SumGroup("pick", 1, (good.root.group,), "one",
                    SparseEdges(np.array([0, 1]), np.array([good.root.index])))  # fmt: skip
    leaf = LeafGroup("leaf", 1, Bernoulli(), (0 if clause == "decomposable" else last,), "half")
    both = ProductGroup("both", 1, (top, top + 1))
    groups: list[Group] = [*good.groups, pick, leaf, both]
    if clause == "smooth":
        groups.append(SumGroup("root", 1, (top, top + 2), "even"))
    params = good.params.updated(
        {"one": torch.ones(1), "half": torch.full((1, 1), 0.3), "even": torch.full((1, 2), 0.5)}
    )
    model = Circuit(groups, [(len(groups) - 1, 0)], [*good.variables, "new"], params)
    witness = check(model).of(clause)[0]
    found = consequence(model, witness, 2_000_000)
    assert found is not None and found.unit == model.root
    assert found.kind == ("under" if clause == "smooth" else "over")
    assert (found.computed, found.truth) == pytest.approx(
        answers(model, dict(found.evidence), found.unit), rel=1e-9
    )
    assert validity(model, 2_000_000).verdict == "invalid"


def test_each_violation_has_its_own_side() -> None:
    """One that under-counts beside one that over-counts more: neither hides the other."""
    under = mix([0.9, 0.1], [product(bernoulli("A", 0.5), bernoulli("B", 0.5)),
                             bernoulli("A", 0.5)]).named("under")  # fmt: skip
    over = product(bernoulli("C", 0.5), bernoulli("C", 0.5)).named("over")
    model = circuit(product(under, over))
    kinds = {w.property: consequence(model, w) for w in check(model).violations}
    assert kinds["smooth"] is not None and kinds["smooth"].kind == "under"
    assert kinds["consistent"] is not None and kinds["consistent"].kind == "over"
    assert validity(model).verdict == "invalid"


def test_a_violation_that_breaks_nothing_is_not_blamed_for_another() -> None:
    harmless = product(indicator("A", 1), indicator("A", 1)).named("harmless")
    harmful = product(indicator("B", 1), indicator("B", 0)).named("harmful")
    parts = [
        product(mix([1.0], [harmless]), indicator("B", 1)),
        product(mix([1.0], [harmful]), indicator("A", 1)),
    ]
    model = circuit(mix([0.5, 0.5], parts))
    blamed = {
        model.unit_name(w.unit): consequence(model, w) is not None
        for w in check(model).of("decomposable")
    }
    assert blamed == {"harmless": False, "harmful": True}


def test_densities_can_err_either_way() -> None:
    wide = circuit(product(gaussian("X", 0, 4), gaussian("X", 1, 4)))
    narrow = circuit(product(gaussian("X", 0, 1e-3), gaussian("X", 0, 1e-3)))
    kinds = [validity(model).counterexample for model in (wide, narrow)]
    assert [found.kind for found in kinds if found] == ["over", "under"]


def test_illegal_parameters_have_no_consequence() -> None:
    model = figures()["incomplete"]()
    (witness,) = check(model).of("smooth")
    wrong = model.with_params({name: -1.0 - tensor for name, tensor in model.params.items()})
    assert consequence(wrong, witness) is None
    assert consequence(model.with_params({}), witness) is None


def test_notes_have_no_consequence() -> None:
    model = figures()["figure1_naive_bayes"]()
    assert consequence(model, check(model).of("deterministic")[0]) is None
