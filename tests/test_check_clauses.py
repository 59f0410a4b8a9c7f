"""Every clause of every checker: its definition, unit by unit, on random valid and broken circuits,
and one circuit that breaks it and nothing else of its kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import check
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from tests.strategies import (
    CLAUSES,
    SEEDS,
    broken_circuits,
    circuits,
    random_broken,
    random_circuit,
    random_graph,
)

# -- the definitions -------------------------------------------------------------------------


@dataclass(frozen=True)
class Below:
    """What is below one unit: its variables, and the states with which each occurs."""

    scope: frozenset[int]
    states: frozenset[tuple[int, float]]


def units(model: Circuit) -> list[Unit]:
    return [Unit(g, k) for g, group in enumerate(model.groups) for k in range(group.size)]


def reached(model: Circuit) -> set[int]:
    """Groups that a root depends on: those of a unit that a walk meets, whole."""
    found: set[int] = set()
    stack = [root.group for root in model.roots]
    while stack:
        group = stack.pop()
        if group not in found:
            found.add(group)
            stack += model.groups[group].inputs
    return found


def facts(model: Circuit) -> dict[Unit, Below]:
    known: dict[Unit, Below] = {}
    for unit in units(model):
        group = model.groups[unit.group]
        if isinstance(group, LeafGroup):
            pairs: set[tuple[int, float]] = set()
            params = model.params[group.parameter]
            for j, v in enumerate(group.variables):
                for state in range(group.family.support.states or 0):
                    x = torch.tensor(float(state), dtype=params.dtype)
                    if float(group.family.log_prob(x, params[j, unit.index])) > -np.inf:
                        pairs.add((v, float(state)))
            known[unit] = Below(frozenset(group.variables), frozenset(pairs))
            continue
        parts = [known[edge.child] for edge in model.children(unit)]
        known[unit] = Below(
            frozenset[int]().union(*(p.scope for p in parts)),
            frozenset[tuple[int, float]]().union(*(p.states for p in parts)),
        )
    return known


def contradict(one: Below, two: Below) -> bool:
    """Whether some variable of both does not have the same single state in both."""
    for v in one.scope & two.scope:
        mine, other = ({s for w, s in part.states if w == v} for part in (one, two))
        if len(mine) != 1 or mine != other:
            return True
    return False


def expected(model: Circuit) -> dict[str, set[Unit]]:
    """The offenders against each definition of Poon & Domingos 2011, sec. 2, and ours."""
    known, alive = facts(model), reached(model)
    found: dict[str, set[Unit]] = {
        name: set()
        for name in ("smooth", "decomposable", "consistent", "normalized", "alternating")
    }
    for unit in units(model):
        if unit.group not in alive:
            continue
        group = model.groups[unit.group]
        below = [known[edge.child] for edge in model.children(unit)]
        if group.kind == "sum":
            if len({part.scope for part in below}) > 1:
                found["smooth"].add(unit)
            if abs(sum(edge.weight or 0.0 for edge in model.children(unit)) - 1) > 1e-4:
                found["normalized"].add(unit)
        if group.kind == "product":
            pairs = list(itertools.combinations(below, 2))
            if any(one.scope & two.scope for one, two in pairs):
                found["decomposable"].add(unit)
            if any(contradict(one, two) for one, two in pairs):
                found["consistent"].add(unit)
        if group.kind != "leaf":
            kinds = {model.groups[edge.child.group].kind for edge in model.children(unit)}
            if group.kind in kinds:
                found["alternating"].add(unit)
    return found


def agrees(model: Circuit) -> None:
    report = check(model)
    for name, offenders in expected(model).items():
        assert {w.unit for w in report.of(name)} == offenders, name
        assert report.properties[name] == ("no" if offenders else "yes")
    dead = set(range(len(model.groups))) - reached(model)
    assert {w.unit.group for w in report.of("reachable")} == dead


@settings(max_examples=120)
@given(SEEDS)
def test_definitions_on_any_graph(seed: int) -> None:
    agrees(random_graph(seed))


@settings(max_examples=50)
@given(circuits(variables=3))
def test_definitions_on_valid_circuits(model: Circuit) -> None:
    agrees(model)


@settings(max_examples=80)
@given(broken_circuits(variables=3), st.booleans())
def test_definitions_on_broken_circuits(broken: object, twice: bool) -> None:
    model: Circuit = broken.circuit  # type: ignore[attr-defined]
    if check(model, ("weights",)).holds("weights"):
        agrees(model)


@settings(max_examples=40)
@given(SEEDS, st.sampled_from([c for c in CLAUSES if c != "weights"]))
def test_only_what_was_broken_is_reported(seed: int, clause: str) -> None:
    broken = random_broken(seed, clause, variables=3, tied=False)
    for witness in check(broken.circuit, (clause,)).witnesses:
        assert witness.unit.group == broken.group


# -- one circuit for each clause ---------------------------------------------------------------


def two_leaves(second: tuple[int, ...], last: Group, **params: torch.Tensor) -> Circuit:
    """Two groups of two leaves, the first over A and B, below `last`."""
    groups: list[Group] = [
        LeafGroup("one", 2, Bernoulli(), (0, 1), "one"),
        LeafGroup("two", 2, Bernoulli(), second, "two"),
        last,
    ]
    store = {
        "one": torch.full((2, 2), 0.5),
        "two": torch.full((len(second), 2), 0.5),
        **params,
    }
    return Circuit(groups, [(2, 0)], ["A", "B", "C"], store)


def sparse(*rows: list[int]) -> SparseEdges:
    offsets = np.cumsum([0, *map(len, rows)])
    return SparseEdges(offsets, np.array([child for row in rows for child in row]))


HALF, QUARTER = torch.full((2, 2), 0.5), torch.full((2, 4), 0.25)


@pytest.mark.parametrize(
    ("edges", "weights", "at"),
    [
        ("dense", QUARTER, {0, 1}),
        ("elementwise", HALF, {0, 1}),
        (sparse([0, 1], [0, 3]), torch.full((4,), 0.5), {1}),
    ],
)
def test_a_sum_is_not_smooth_whatever_its_edges(
    edges: object, weights: torch.Tensor, at: set[int]
) -> None:
    last = SumGroup("s", 2, (0, 1), "s", edges)  # type: ignore[arg-type]
    model = two_leaves((0,), last, s=weights)
    report = check(model)
    assert {w.unit for w in report.of("smooth")} == {Unit(2, k) for k in at}
    for witness in report.of("smooth"):
        assert [model.variables[v] for v in witness.variables] == ["B"]
        assert all(child.group == 1 for child in witness.children)
    mended = two_leaves((1, 0), last, s=weights)
    assert check(mended).holds("smooth")


@pytest.mark.parametrize(
    ("size", "edges", "at"),
    [
        (2, "hadamard", {0, 1}),
        (4, "kronecker", {0, 1, 2, 3}),
        (2, sparse([0, 2], [0, 1]), {0, 1}),
        (2, sparse([0, 0], [3, 1]), {0, 1}),
    ],
)
def test_a_product_is_not_decomposable_whatever_its_edges(
    size: int, edges: object, at: set[int]
) -> None:
    last = ProductGroup("p", size, (0, 1), edges)  # type: ignore[arg-type]
    report = check(two_leaves((0, 1), last))
    assert {w.unit.index for w in report.of("decomposable")} == at
    assert {w.unit.index for w in report.of("consistent")} == at
    if not isinstance(edges, SparseEdges):
        assert check(two_leaves((2,), last)).holds("decomposable")


@pytest.mark.parametrize(
    ("parts", "consistent"),
    [
        (lambda: [indicator("A", 1), indicator("A", 1), indicator("A", 1)], True),
        (lambda: [indicator("A", 1), indicator("A", 1), indicator("A", 0)], False),
        (lambda: [indicator("A", 1), bernoulli("B", 0.5), indicator("A", 0)], False),
        (lambda: [indicator("A", 1, 3), indicator("B", 0), indicator("A", 2, 3)], False),
        (lambda: [gaussian("A", 0, 1), indicator("B", 1), gaussian("A", 0, 1)], False),
        (lambda: [bernoulli("A", 1.0), indicator("B", 1), indicator("A", 1)], True),
        (lambda: [bernoulli("A", 0.5), bernoulli("A", 0.5)], False),
        # B agrees in the first two, A contradicts in the third: not the first shared variable.
        (
            lambda: [
                product(indicator("B", 1), indicator("A", 1)).named("u"),
                product(indicator("C", 1), indicator("B", 1)).named("v"),
                product(indicator("B", 1), indicator("A", 0)).named("w"),
            ],
            False,
        ),
    ],
)
def test_consistency_looks_at_every_pair(parts: Callable[[], list[object]], consistent: bool):
    model = circuit(product(*parts()))  # type: ignore[arg-type]
    assert check(model).holds("consistent") == consistent
    agrees_on = expected(model)["consistent"]
    if all(model.domain(v).states for v in range(len(model.variables))):
        assert bool(agrees_on) != consistent


@pytest.mark.parametrize(
    ("edges", "weights", "at"),
    [
        ("dense", torch.tensor([[0.25] * 4, [0.25, 0.25, 0.25, 0.3]]), {1}),
        ("dense", torch.tensor([[0.2] * 4, [0.25] * 4]), {0}),
        ("elementwise", torch.tensor([[0.5, 0.6], [0.5, 0.5]]), {0}),
        (sparse([0, 2, 3], [1]), torch.tensor([0.3, 0.3, 0.4, 0.9]), {1}),
        ("dense", torch.tensor([[0.0] * 4, [0.25] * 4]), {0}),
    ],
)
def test_weights_that_do_not_add_up(edges: object, weights: torch.Tensor, at: set[int]) -> None:
    last = SumGroup("s", 2, (0, 1), "s", edges)  # type: ignore[arg-type]
    report = check(two_leaves((0, 1), last, s=weights))
    assert {w.unit.index for w in report.of("normalized")} == at
    assert report.valid, "a note, no fault"


@pytest.mark.parametrize("wrong", [-0.1, -0.0001, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("edges", ["dense", "elementwise", "sparse"])
def test_one_illegal_weight_is_named(wrong: float, edges: str) -> None:
    kinds = {"dense": QUARTER, "elementwise": HALF, "sparse": torch.full((4,), 0.5)}
    weights = kinds[edges].clone()
    weights.view(-1)[-1] = wrong
    how = sparse([0, 1], [0, 3]) if edges == "sparse" else edges
    last = SumGroup("s", 2, (0, 1), "s", how)  # type: ignore[arg-type]
    model = two_leaves((0, 1), last, s=weights)
    report = check(model)
    (witness,) = report.of("weights")
    assert (witness.unit, witness.children) == (Unit(2, 1), (Unit(1, 1),))
    assert not report.valid
    assert report.properties["alive"] == report.properties["deterministic"] == "unknown"


def test_a_unit_that_nothing_uses_is_dead_within_a_group_that_is_used() -> None:
    last = ProductGroup("p", 2, (0, 1))
    model = two_leaves((2,), last)  # the root is unit 0 of the products
    report = check(model)
    assert report.holds("reachable"), "every group is used"
    assert {w.unit for w in report.of("alive")} == {Unit(2, 1), Unit(0, 1), Unit(1, 1)}
    both = model.with_roots([(2, 0), (2, 1)])
    assert check(both).holds("alive")


def test_a_factor_that_is_zero_everywhere_kills_what_is_above() -> None:
    zero = mix([0.0], [bernoulli("A", 0.5)]).named("zero")
    dead = product(zero, bernoulli("B", 0.5).named("b")).named("dead")
    model = circuit(mix([0.4, 0.6], [dead, product(bernoulli("A", 0.1), bernoulli("B", 0.2))]))
    named = {model.unit_name(w.unit): w.message for w in check(model).of("alive")}
    assert {"zero", "dead", "b"} <= set(named)
    assert "zero everywhere" in named["dead"] and "never counts" in named["b"]
    assert check(model).valid


def test_notes_are_not_faults() -> None:
    model = circuit(mix([1.0, 0.0], [mix([0.5], [bernoulli("A", 0.5)]), bernoulli("A", 0.2)]))
    report = check(model)
    broken = {"alternating", "alive", "normalized"}
    assert {name for name in broken if report.properties[name] == "no"} == broken
    assert report.valid and not report.violations
    notes = report.to_dict()["notes"]
    assert broken <= {note["property"] for note in notes}  # type: ignore[union-attr]


@settings(max_examples=30)
@given(SEEDS)
def test_an_opposite_literal_breaks_consistency_and_one_alike_does_not(seed: int) -> None:
    """A factor [X = 1] beside the root: consistent only where X = 1 is all that is below."""
    model = random_circuit(seed, variables=3, max_states=2, zero_probabilities=True)
    states = {(v, s) for v, s in facts(model)[model.root].states if v == 0}
    extra = LeafGroup("extra", 1, Bernoulli(), (0,), "extra")
    pick = SumGroup("pick", 1, (model.root.group,), "one", sparse([model.root.index]))
    top = len(model.groups)
    groups = [*model.groups, extra, pick, ProductGroup("top", 1, (top, top + 1))]
    params = model.params.updated({"extra": torch.ones(1, 1), "one": torch.ones(1)})
    wider = Circuit(groups, [(top + 2, 0)], model.variables, params)
    assert check(wider).holds("consistent") == (states == {(0, 1.0)})
    assert not check(wider).holds("decomposable")
    agrees(wider)


def test_reports_do_not_depend_on_the_order_of_the_groups() -> None:
    """The dead part first or last: the same verdicts."""
    broken = random_broken(3, "reachable", variables=3).circuit
    moved: list[Group] = [broken.groups[-1]]
    for group in broken.groups[:-1]:
        if isinstance(group, LeafGroup):
            moved.append(group)
        else:
            moved.append(replace(group, inputs=tuple(i + 1 for i in group.inputs)))
    roots = [(r.group + 1, r.index) for r in broken.roots]
    other = Circuit(moved, roots, broken.variables, broken.params)
    assert dict(check(other).properties) == dict(check(broken).properties)


def test_many_children_over_one_variable_are_checked_in_one_pass() -> None:
    """A million edges of consistent overlaps: comparing pairs would be 500 times as many."""
    size = 1000
    edges = SparseEdges(np.arange(size + 1) * size, np.tile(np.arange(size), size))
    groups: list[Group] = [
        LeafGroup("a", size, Bernoulli(), (0,), "a"),
        ProductGroup("p", size, (0,), edges),
    ]
    model = Circuit(groups, [(1, 0)], ["A"], {"a": torch.ones(1, size)})
    report = check(model, ("smooth", "consistent", "decomposable"))
    assert report.holds("consistent") and not report.holds("decomposable")
