"""Two circuits against each other: distances by brute force, alignment by what was changed."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pccore import oracle, reference
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator, mix, product
from pccore.errors import EvidenceError, OptionError, PCError, PropertyError
from pccore.files import load_model
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries.compare import differences, distance
from pccore.structures.figures import (
    figure1_naive_bayes,
    figure2_hidden_variable,
    figure3_mixture,
    figure3_parity,
    figures,
    inconsistent,
    unnormalised,
)
from tests.strategies import SEEDS, circuits, random_circuit

# -- distances -------------------------------------------------------------------------------


def probabilities(one: Circuit) -> np.ndarray:
    """p(x) by the reference evaluation, states in lexicographic order of the variables."""
    rows = oracle.states(one)
    values = np.exp(reference.evaluate(one, rows).log_value(one.root))
    return values / values.sum()


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        if a > 0:
            total += math.inf if b == 0 else a * math.log(a / b)
    return total


def same_domains(first: Circuit, second: Circuit) -> bool:
    try:
        return all(first.domain(v) == second.domain(v) for v in range(len(first.variables)))
    except EvidenceError:
        return False


@given(SEEDS, SEEDS, st.integers(1, 4), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_exact_distances_equal_brute_force(a: int, b: int, n: int, zeros: bool, normalised: bool):
    options = {"variables": n, "zero_probabilities": zeros, "normalised": normalised}
    first, second = random_circuit(a, **options), random_circuit(b, **options)
    assume(same_domains(first, second))
    p, q = probabilities(first), probabilities(second)
    found = distance(first, second)
    assert found.quality == "exact" and found.inputs == len(p)
    assert found.kl.value == pytest.approx(divergence(p, q), rel=1e-9, abs=1e-12)
    assert found.reverse.value == pytest.approx(divergence(q, p), rel=1e-9, abs=1e-12)
    assert found.total_variation.value == pytest.approx(abs(p - q).sum() / 2, rel=1e-9, abs=1e-12)
    rows = oracle.states(first)
    at = int(np.flatnonzero((rows == list(found.gap.state.values())).all(1))[0])
    assert abs(p[at] - q[at]) == pytest.approx(abs(p - q).max(), abs=1e-12)
    assert math.exp(found.gap.first) == pytest.approx(p[at], abs=1e-12)
    assert math.exp(found.gap.second) == pytest.approx(q[at], abs=1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nan_to_num(abs(np.log(p) - np.log(q)), nan=0.0, posinf=np.inf)
    at = int(np.flatnonzero((rows == list(found.ratio.state.values())).all(1))[0])
    assert ratios[at] == pytest.approx(ratios.max(), rel=1e-9, abs=1e-9)


def test_the_two_models_of_figure_3_are_one_distribution():
    for n in (2, 5, 9):
        found = distance(figure3_parity(n), figure3_mixture(n))
        assert found.same and found.kl.value == pytest.approx(0, abs=1e-12)


def test_infinite_divergence():
    even = figure3_parity(3)
    free = circuit(product(*(bernoulli(f"X{i}", 0.5) for i in (1, 2, 3))))
    found = distance(even, free)
    assert found.kl.value == pytest.approx(math.log(2)) and found.reverse.value == math.inf
    assert found.reverse.quality == "exact"
    assert found.total_variation.value == pytest.approx(0.5)
    odd = sum(found.ratio.state.values()) % 2
    assert odd == 1 and found.ratio.first == -math.inf


def test_circuits_that_break_rules_are_normalised_by_their_sum():
    first, second = inconsistent(), unnormalised()
    p, q = probabilities(first), probabilities(second)
    found = distance(first, second)
    assert found.kl.value == pytest.approx(divergence(p, q))
    scaled = first.with_params(first.params.updated({"S": first.params["S"] * 7}))
    assert distance(first, scaled).same


def test_variables_are_aligned_by_name():
    one = circuit(product(bernoulli("A", 0.2), bernoulli("B", 0.7)), ["A", "B"])
    turned = circuit(product(bernoulli("A", 0.2), bernoulli("B", 0.7)), ["B", "A"])
    assert distance(one, turned).same
    other = circuit(product(bernoulli("A", 0.7), bernoulli("B", 0.2)), ["B", "A"])
    assert distance(one, other).gap.state in ({"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})


def test_other_variables_or_values_are_told():
    with pytest.raises(OptionError, match="only the second has Y"):
        distance(figure1_naive_bayes(), figure2_hidden_variable())
    with pytest.raises(OptionError, match="only the first has Y"):
        distance(figure2_hidden_variable(), figure1_naive_bayes())
    two, three = circuit(categorical("C", [0.5, 0.5])), circuit(categorical("C", [0.2, 0.3, 0.5]))
    with pytest.raises(OptionError, match="the values of C are"):
        distance(two, three)
    with pytest.raises(OptionError, match="no variable in common"):
        distance(two, circuit(bernoulli("D", 0.5)), shared=True)


def test_shared_variables_only():
    found = distance(figure1_naive_bayes(), figure2_hidden_variable(), shared=True)
    assert found.same and found.variables == ("X1", "X2") and found.inputs == 4
    wrong = inconsistent()
    single = circuit(bernoulli("X1", 0.5))
    with pytest.raises(PropertyError):
        distance(wrong, single, shared=True)


def test_zero_everywhere_is_told():
    nothing = circuit(product(indicator("A", 0), indicator("A", 1)))
    some = circuit(bernoulli("A", 0.5))
    with pytest.raises(EvidenceError, match="second circuit is zero"):
        distance(some, nothing)


def test_illegal_weights_are_told():
    one = figure1_naive_bayes()
    bad = one.with_params(one.params.updated({"S": torch.tensor([[-1.0, 1.0, 1.0]]).double()}))
    with pytest.raises(PCError, match="negative"):
        distance(one, bad)


def gauss(mean: float, variance: float) -> Circuit:
    return circuit(gaussian("X", mean, variance))


def test_gaussians_against_the_closed_form():
    first, second = gauss(0, 1), gauss(1, 2)
    found = distance(first, second, samples=60_000)
    assert found.quality == "estimate"
    exact = 0.5 * (math.log(2) + (1 + 1) / 2 - 1)
    back = 0.5 * (-math.log(2) + (2 + 1) / 1 - 1)
    assert abs(found.kl.value - exact) < 5 * found.kl.error < 0.05
    assert abs(found.reverse.value - back) < 5 * found.reverse.error < 0.1
    # Total variation of N(0,1) and N(1,1) is 2 Phi(1/2) - 1.
    near = distance(gauss(0, 1), gauss(1, 1), samples=60_000).total_variation
    assert abs(near.value - 0.3829) < 5 * near.error < 0.02


def test_estimates_agree_with_enumeration_within_their_errors(monkeypatch: pytest.MonkeyPatch):
    first, second = random_circuit(3, variables=4), random_circuit(3, variables=4)
    shifted = second.params.map(lambda t: t)
    weights = next(g for g in second.groups if isinstance(g, SumGroup)).parameter
    other = second.with_params(shifted.updated({weights: second.params[weights] ** 2 + 0.1}))
    exact = distance(first, other)
    assert exact.quality == "exact"
    monkeypatch.setattr(sys.modules["pccore.queries.compare.distance"], "STATES", 0)
    guess = distance(first, other, samples=20_000)
    assert guess.quality == "estimate"
    for name in ("kl", "reverse", "total_variation"):
        a, b = getattr(exact, name), getattr(guess, name)
        assert abs(a.value - b.value) <= 5 * b.error + 1e-9, name
    again = distance(first, other, samples=20_000)
    assert again == guess
    assert distance(first, other, samples=20_000, seed=9).kl != guess.kl


def test_a_sample_that_the_other_excludes_proves_infinity(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["pccore.queries.compare.distance"], "STATES", 0)
    free = circuit(product(*(bernoulli(f"X{i}", 0.5) for i in (1, 2, 3))))
    found = distance(free, figure3_parity(3))
    assert found.kl.value == math.inf and found.kl.quality == "exact"
    assert math.isfinite(found.reverse.value) and found.reverse.quality == "estimate"


def test_sampling_needs_a_licence():
    bad = circuit(product(gaussian("X", 0, 1), gaussian("X", 1, 1)))
    with pytest.raises(PropertyError):
        distance(bad, gauss(0, 1))


# -- alignment -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", figures())
def test_a_circuit_is_like_itself(name: str):
    one = figures()[name]()
    found = differences(one, one)
    assert found.identical and found.same == one.num_units
    assert all(a == b for a, b in found.pairs.items())


@given(circuits(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_groups_and_their_names_do_not_matter(one: Circuit, random):
    found = differences(one, reordered(one, random))
    assert found.identical and found.same == one.num_units


def reordered(one: Circuit, random) -> Circuit:
    """The same circuit with its groups in another topological order, under automatic names."""
    import dataclasses

    waiting = list(range(len(one.groups)))
    order: list[int] = []
    while waiting:
        ready = [g for g in waiting if all(i in order for i in one.groups[g].inputs)]
        pick = random.choice(ready)
        order.append(pick)
        waiting.remove(pick)
    new = {g: n for n, g in enumerate(order)}
    groups = []
    for n, g in enumerate(order):
        group = dataclasses.replace(one.groups[g], name=f"g{n}")
        if not isinstance(group, LeafGroup):
            group = dataclasses.replace(group, inputs=tuple(new[i] for i in group.inputs))
        groups.append(group)
    roots = [Unit(new[r.group], r.index) for r in one.roots]
    return Circuit(groups, roots, one.variables, one.params, one.meta)


@given(SEEDS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_one_changed_weight_is_found(seed: int, grouped: bool):
    one = random_circuit(seed, variables=4, grouped=grouped, tied=False)
    sums = [g for g, group in enumerate(one.groups) if isinstance(group, SumGroup)]
    assume(sums)
    rng = np.random.default_rng(seed)
    group = one.groups[int(rng.choice(sums))]
    assert isinstance(group, SumGroup)
    weights = one.params[group.parameter].clone()
    flat = weights.view(-1)
    flat[int(rng.integers(len(flat)))] += 0.7
    other = one.with_params(one.params.updated({group.parameter: weights}))
    found = differences(one, other)
    changed = [d for d in found.units if d.status == "changed"]
    assert len(found.units) == len(changed) == 1
    assert changed[0].first == changed[0].second
    assert one.groups[changed[0].second.group].name == group.name  # type: ignore[union-attr]
    assert [d.status for d in found.edges] == ["changed"]
    before, after = found.edges[0].weights
    assert after == pytest.approx(before + 0.7)  # type: ignore[operator]


def test_fine_tuned_parameters_change_units_but_not_the_alignment():
    one = figure3_mixture(4)
    other = one.with_params(one.params.map(lambda t: t * 1.5 if t.numel() > 1 else t))
    found = differences(one, other)
    assert not found.count("added") and not found.count("removed")
    assert [d.name for d in found.units] == ["S"] and len(found.edges) == 8
    assert all(a == b for a, b in found.pairs.items())


def test_an_added_component_is_found():
    before = figure1_naive_bayes()
    x1, not_x1 = indicator("X1", 1).named("x1"), indicator("X1", 0).named("¬x1")
    x2, not_x2 = indicator("X2", 1).named("x2"), indicator("X2", 0).named("¬x2")
    a = (0.6 * x1 + 0.4 * not_x1).named("A1")
    b = (0.9 * x1 + 0.1 * not_x1).named("B1")
    c = (0.3 * x2 + 0.7 * not_x2).named("A2")
    d = (0.2 * x2 + 0.8 * not_x2).named("B2")
    parts = [a * c, a * d, b * d, b * c]
    for n, part in enumerate(parts, start=1):
        part.named(f"C{n}")
    after = circuit(mix([0.4, 0.2, 0.3, 0.1], parts).named("S"), ["X1", "X2"])
    found = differences(before, after)
    told = {(d.status, d.name): d.what for d in found.units}
    assert set(told) == {("added", "C4"), ("changed", "S")}
    assert told["changed", "S"] == ("weight of C1: 0.5 → 0.4", "child C4 added, weight 0.1")
    assert told["added", "C4"] == ("above B1, A2",)
    back = {(d.status, d.name) for d in differences(after, before).units}
    assert back == {("removed", "C4"), ("changed", "S")}


def test_names_that_were_given_beat_equal_parameters():
    def make(p: float, q: float) -> Circuit:
        a, b = bernoulli("X", p).named("left"), bernoulli("X", q).named("right")
        return circuit((0.4 * a + 0.6 * b).named("S"))

    found = differences(make(0.2, 0.8), make(0.8, 0.2))
    assert {(d.name, d.what) for d in found.units} == {
        ("left", ("parameters 0.2 → 0.8",)),
        ("right", ("parameters 0.8 → 0.2",)),
    }


def test_names_alone_are_no_difference():
    def make(first: str, second: str) -> Circuit:
        a, b = bernoulli("X", 0.2).named(first), bernoulli("X", 0.8).named(second)
        return circuit((0.4 * a + 0.6 * b).named("S"))

    assert differences(make("left", "right"), make("right", "left")).identical


def test_a_unit_whose_scope_changed_keeps_its_name():
    good, bad = figures()["figure3_parity"](), figures()["buried_mistake"]()
    found = differences(good, bad)
    by_name = {d.name: d for d in found.units}
    assert any("X6" in " ".join(d.what) or "X6" in d.scope for d in by_name.values())
    fixed = next(d for d in differences(parity(6), bad).units if d.name == "E2¬x3")
    assert fixed.status == "changed"
    assert "no longer over X2" in fixed.what and "child ¬x1 added" in fixed.what


def parity(n: int) -> Circuit:
    return figure3_parity(n)


def test_different_variables_can_be_compared_as_structures():
    found = differences(figure1_naive_bayes(), figure2_hidden_variable())
    assert found.count("added") == 6 and found.count("removed") == 0
    root = next(d for d in found.units if d.status == "changed")
    assert "now also over Y" in root.what


@given(circuits(), circuits())
@settings(max_examples=40, deadline=None)
def test_alignments_are_one_to_one_and_count_everything(first: Circuit, second: Circuit):
    found = differences(first, second)
    assert len(set(found.pairs.values())) == len(found.pairs)
    for a, b in found.pairs.items():
        assert first.groups[a.group].kind == second.groups[b.group].kind
    assert found.count("removed") + len(found.pairs) == first.num_units
    assert found.count("added") + len(found.pairs) == second.num_units
    assert found.same + found.count("changed") == len(found.pairs)
    edges = [d for d in found.edges if d.status == "removed"]
    kept = first.num_edges - len(edges)
    assert kept == second.num_edges - sum(d.status == "added" for d in found.edges)


def test_large_circuits_are_aligned_group_by_group():
    one = load_model("digits_rat")
    other = one.with_params(one.params.updated({"M(root)": one.params["M(root)"] * 2}))
    found = differences(one, other)
    assert found.level == "group" and [d.name for d in found.units] == ["M(root)"]
    assert found.same == len(one.groups) - 1
    assert differences(one, one).identical


def test_many_units_of_one_scope_do_not_take_quadratic_time():
    def wide(seed: int) -> Circuit:
        generator = torch.Generator().manual_seed(seed)
        groups = [
            LeafGroup("a", 1000, Bernoulli(), (0,), "a"),
            LeafGroup("b", 1000, Bernoulli(), (1,), "b"),
            ProductGroup("p", 900, (0, 1), "hadamard"),
        ]
        groups[0] = LeafGroup("a", 900, Bernoulli(), (0,), "a")
        groups[1] = LeafGroup("b", 900, Bernoulli(), (1,), "b")
        params = {
            name: torch.rand((1, 900), generator=generator, dtype=torch.float64) for name in "ab"
        }
        groups.append(SumGroup("s", 1, (2,), "s"))
        params["s"] = torch.full((1, 900), 1 / 900, dtype=torch.float64)
        return Circuit(groups, [(3, 0)], ["X", "Y"], params)

    import time

    start = time.perf_counter()
    found = differences(wide(0), wide(1))
    assert time.perf_counter() - start < 3
    assert found.level == "unit" and len(found.pairs) == 2701


def test_missing_parameters_do_not_stop_the_alignment():
    one = figure1_naive_bayes()
    found = differences(one, one.with_params({}))
    assert found.count("changed") > 0 and not found.count("added")


def test_every_pair_of_samples_can_be_compared():
    made = [make() for make in figures().values()]
    for first, second in itertools.combinations(made, 2):
        differences(first, second)
        try:
            found = distance(first, second, shared=True, samples=50)
        except PCError as error:
            assert str(error)
        else:
            assert 0 <= found.total_variation.value <= 1 + 1e-9
            assert found.kl.value > -1e-9 or found.quality == "estimate"
