"""Samples that are drawn step by step: their frequencies, rolls and induced trees."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings

from pccore import oracle, reference
from pccore.build import circuit, gaussian, mix
from pccore.graph import Circuit
from pccore.queries import unit_values
from pccore.queries.steps import (
    draw,
    explain,
    written_tree,
)
from pccore.structures.figures import figures
from tests.strategies import (
    SEEDS,
    circuits_and_evidence,
    random_circuit,
)
from tests.unit_support import check_tree


def chi_square(counts: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """The statistic, and its degrees of freedom; cells that cannot occur must be empty."""
    assert counts[expected == 0].sum() == 0
    kept = expected > 0
    statistic = float(((counts[kept] - expected[kept]) ** 2 / expected[kept]).sum())
    return statistic, int(kept.sum()) - 1


@pytest.mark.parametrize(
    ("seed", "evidence", "softly"),
    [(1, {}, False), (2, {"X0": 1}, False), (3, {"X1": 0}, True), (5, {}, True)],
)
def test_samples_follow_the_posterior(seed: int, evidence: dict[str, float], softly: bool) -> None:
    model = random_circuit(seed, variables=3, max_size=2, max_states=3)
    soft = {"X2": np.linspace(0.2, 1.0, model.domain(2).states or 2).tolist()} if softly else {}
    found = unit_values(model, evidence, soft=soft)
    row = found.x
    states = oracle.states(model, row)
    mass = np.exp(oracle.log_table(model, row))
    for name, numbers in soft.items():
        mass = mass * np.array(numbers)[states[:, model.variable_index(name)].astype(int)]
    draws = 1500
    counted = Counter(tuple(draw(found, s).assignment.tolist()) for s in range(draws))
    counts = np.array([counted[tuple(state.tolist())] for state in states])
    assert counts.sum() == draws
    statistic, freedom = chi_square(counts, mass / mass.sum() * draws)
    # Far above the 99.99 % quantile of the chi-square distribution for these degrees.
    assert statistic < freedom + 5.5 * math.sqrt(2 * max(freedom, 1)) + 4


def test_gaussian_leaves_are_drawn() -> None:
    model = circuit(mix([0.3, 0.7], [gaussian("X", -5.0, 1.0), gaussian("X", 5.0, 4.0)]))
    found = unit_values(model, {})
    drawn = np.array([draw(found, seed).assignment[0] for seed in range(800)])
    assert (drawn < 0).mean() == pytest.approx(0.3, abs=0.06)
    assert drawn[drawn > 0].std() == pytest.approx(2.0, abs=0.25)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=1), SEEDS)
def test_rolls_hit_what_was_drawn(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    model, x = pair
    found = unit_values(model, x)
    assume(found.log_root > -math.inf)
    walk = draw(found, seed)
    again = draw(found, seed)
    assert [step.rolls for step in walk.steps] == [step.rolls for step in again.steps]
    assert not np.isnan(walk.assignment[sorted(model.scope_of(0))]).any()
    check_tree(found, walk.tree.units, walk.tree.edges)
    assert float(reference.evaluate(model, walk.assignment).root[0, 0]) >= walk.log_value - 1e-9
    for step in walk.steps:
        for roll in step.rolls:
            assert 0 <= roll.u < 1
            hit = roll.intervals[roll.hit]
            assert hit.low <= roll.u < hit.high
            assert roll.intervals[0].low == 0 and roll.intervals[-1].high == 1
            for left, right in zip(roll.intervals, roll.intervals[1:], strict=False):
                assert left.high == right.low and left.low < left.high
        if model.groups[step.unit.group].kind == "sum":
            (roll,) = step.rolls
            chosen = next(part for part in step.children if part.chosen)
            width = roll.intervals[roll.hit].high - roll.intervals[roll.hit].low
            assert width == pytest.approx(chosen.contribution, abs=1e-9)
            assert sum(part.contribution for part in step.children) == pytest.approx(1.0)


def test_the_induced_tree_alone() -> None:
    model = figures()["figure1_naive_bayes"]()
    found = unit_values(model, {"X1": 1})
    tree = explain(found).tree
    equation, filled = written_tree(found, tree)
    assert equation == "w(S→C3) · w(B1→x1) · w(B2→¬x2) · x1 · ¬x2"
    assert filled == "0.3·0.9·0.8·1·1 = 0.216"
    assert written_tree(found, tree, "log")[1].endswith("= −1.532")
    assert tree.log_value == pytest.approx(math.log(0.216))
