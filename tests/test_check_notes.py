"""Alternation, dead parts, and the paths of witnesses."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from pccore.build import bernoulli, circuit, indicator, mix, product
from pccore.check import check
from pccore.graph import Circuit, Unit
from pccore.structures.figures import figures
from tests.strategies import SEEDS, circuits, random_broken, random_graph


def units(model: Circuit) -> list[Unit]:
    return [Unit(g, k) for g, group in enumerate(model.groups) for k in range(group.size)]


def below(model: Circuit, usable: bool) -> set[Unit]:
    """Units that some root reaches; usable: by positive weights and positive units only."""
    positive: dict[Unit, bool] = {}
    for unit in units(model):
        edges = model.children(unit)
        kind = model.groups[unit.group].kind
        if kind == "leaf":
            positive[unit] = True
        elif kind == "sum":
            positive[unit] = any(positive[e.child] and (e.weight or 0) > 0 for e in edges)
        else:
            positive[unit] = all(positive[e.child] for e in edges)
    found: set[Unit] = set()
    stack = list(model.roots)
    while stack:
        unit = stack.pop()
        if unit in found:
            continue
        found.add(unit)
        if usable and not positive[unit]:
            continue
        stack += [
            e.child for e in model.children(unit) if not usable or e.weight is None or e.weight > 0
        ]
    return {u for u in found if positive[u]} if usable else found


@settings(max_examples=100)
@given(circuits(variables=3, zero_weights=True, roots=2))
def test_alive_is_what_a_walk_finds(model: Circuit) -> None:
    live = below(model, usable=True)
    groups = {root.group for root in model.roots}
    for position in range(len(model.groups) - 1, -1, -1):
        if position in groups:
            groups.update(model.groups[position].inputs)
    expected = {u for u in units(model) if u.group in groups and u not in live}
    report = check(model, ("alive",))
    assert {w.unit for w in report.of("alive")} == expected
    assert report.holds("alive") == (not expected)


@settings(max_examples=60)
@given(SEEDS)
def test_alternating_is_what_the_edges_say(seed: int) -> None:
    model = random_graph(seed)
    kinds = [group.kind for group in model.groups]
    reached = {u.group for u in below(model, usable=False)}
    expected = {
        u
        for u in units(model)
        if u.group in reached
        and any(kinds[e.child.group] == kinds[u.group] for e in model.children(u))
    }
    assert {w.unit for w in check(model).of("alternating")} == expected


def test_all_zero_weights_are_dead() -> None:
    model = circuit(
        mix(
            [0.5, 0.5],
            [mix([0.0], [bernoulli("A", 0.5).named("a")]).named("zero"), bernoulli("A", 0.1)],
        )
    )
    messages = {model.unit_name(w.unit): w.message for w in check(model).of("alive")}
    assert set(messages) == {"zero", "a"}
    assert "zero everywhere" in messages["zero"] and "never counts" in messages["a"]


def test_alive_is_unknown_while_weights_are_illegal() -> None:
    model = random_broken(2, "weights", variables=2).circuit
    assert check(model, ("alive",)).properties["alive"] == "unknown"


@settings(max_examples=60)
@given(SEEDS)
def test_paths_lead_from_children_to_what_is_shared(seed: int) -> None:
    for clause in ("smooth", "decomposable"):
        model = random_broken(seed, clause, variables=3).circuit
        for witness in check(model).violations:
            assert len(witness.paths) == 2
            variable = witness.variables[0]
            for path in witness.paths:
                assert path[0] in {e.child for e in model.children(witness.unit)}
                for parent, child in itertools.pairwise(path):
                    assert child in {e.child for e in model.children(parent)}
            ends = [variable in model.scopes[path[-1].group] for path in witness.paths]
            assert ends == ([True, False] if witness.property == "smooth" else [True, True])


def test_the_paths_of_a_shared_unit() -> None:
    model = figures()["two_paths"]()
    (witness,) = check(model).of("decomposable")
    names = [[model.unit_name(u) for u in path] for path in witness.paths]
    assert names == [["left", "shared", "x3"], ["right", "shared", "x3"]]


def test_an_indicator_below_a_product_alternates() -> None:
    model = circuit(product(indicator("A", 1), product(bernoulli("B", 0.5)).named("inner")))
    assert [model.unit_name(w.children[0]) for w in check(model).of("alternating")] == ["inner"]
