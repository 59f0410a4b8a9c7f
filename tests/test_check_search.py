import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import Leaf, bernoulli, circuit, gaussian, indicator, product
from pccore.check import Report, check
from pccore.check.vtree import build
from pccore.graph import Circuit, Unit
from pccore.reference import evaluate
from tests.strategies import circuits, random_circuit, random_graph


def x(i: int) -> Leaf:
    return indicator(f"X{i}", 1)


def n(i: int) -> Leaf:
    return indicator(f"X{i}", 0)


def message_of(report: Report, name: str) -> str:
    (witness,) = report.of(name)
    return witness.message


# -- determinism ---------------------------------------------------------------------------


def positive_children(model: Circuit, unit: Unit, rows: np.ndarray) -> np.ndarray:
    trace = evaluate(model, rows)
    alive = [e.child for e in model.children(unit) if e.weight is not None and e.weight > 0]
    return sum((trace.log_value(c) > -np.inf for c in alive), np.zeros(len(rows), dtype=int))


def verify_determinism(model: Circuit, report: Report) -> None:
    domains = [range(model.domain(v).states or 0) for v in range(len(model.variables))]
    rows = np.array(list(itertools.product(*domains)), dtype=float)
    sums = [
        Unit(g, k)
        for g in reachable(model)
        for k in range(model.groups[g].size)
        if model.groups[g].kind == "sum"
    ]
    bad = {u for u in sums if (positive_children(model, u, rows) > 1).any()}
    assert report.properties["deterministic"] == ("no" if bad else "yes"), "small: always decided"
    assert {w.unit for w in report.of("deterministic")} == bad
    for witness in report.of("deterministic"):
        text = witness.message.rpartition(" at ")[2]
        state = {k: float(v) for k, v in (part.split("=") for part in text.split(", "))}
        trace = evaluate(model, state)
        first, second = witness.children
        assert trace.log_value(first)[0] > -math.inf
        assert trace.log_value(second)[0] > -math.inf


def reachable(model: Circuit) -> set[int]:
    live = {r.group for r in model.roots}
    for g in range(len(model.groups) - 1, -1, -1):
        if g in live:
            live.update(model.groups[g].inputs)
    return live


@settings(max_examples=150)
@given(st.integers(0, 2**20))
def test_determinism_equals_enumeration_on_any_graph(seed: int):
    model = random_graph(seed)
    verify_determinism(model, check(model))


@settings(max_examples=60)
@given(circuits(variables=3, max_size=2))
def test_determinism_equals_enumeration(model: Circuit):
    verify_determinism(model, check(model))


@settings(max_examples=40)
@given(circuits(deterministic=True, reals=0))
def test_decisions_are_deterministic(model: Circuit):
    assert check(model).holds("deterministic")


def test_decisions_are_deterministic_with_real_variables_too():
    for seed in range(20):
        model = random_circuit(seed, variables=4, reals=2, deterministic=True)
        assert check(model).holds("deterministic")


def test_mixtures_of_gaussians_are_not():
    report = check(circuit(0.5 * gaussian("G", 0, 1) + 0.5 * gaussian("G", 9, 1)))
    assert report.properties["deterministic"] == "no"
    assert "both positive at G=" in message_of(report, "deterministic")


def test_zero_weights_and_probabilities_count_for_determinism():
    assert check(circuit(1.0 * bernoulli("A", 0.5) + 0.0 * bernoulli("A", 0.4))).holds(
        "deterministic"
    )
    assert check(circuit(0.5 * bernoulli("A", 0.0) + 0.5 * bernoulli("A", 1.0))).holds(
        "deterministic"
    )


def test_no_single_variable_separates_the_children():
    """x1 xor x2 and its complement: only enumeration shows that they are disjoint."""
    differ = 0.5 * (x(1) * n(2)) + 0.5 * (n(1) * x(2))
    equal = 0.5 * (x(1) * x(2)) + 0.5 * (n(1) * n(2))
    assert check(circuit(0.5 * differ.as_sum() + 0.5 * equal.as_sum())).holds("deterministic")


def test_large_circuits_are_left_undecided_rather_than_guessed():
    differ = 0.5 * (x(1) * n(2)) + 0.5 * (n(1) * x(2))
    equal = 0.5 * (x(1) * x(2)) + 0.5 * (n(1) * n(2))
    rest = product(*(bernoulli(f"Y{i}", 0.5) for i in range(40)))
    model = circuit(0.5 * product(differ, rest) + 0.5 * product(equal, rest))
    assert check(model).properties["deterministic"] == "unknown"
    assert not check(model).holds("deterministic")


# -- structured decomposability ------------------------------------------------------------


def trees(variables: tuple[int, ...]) -> list[list[frozenset[int]]]:
    """The clades of every binary tree over the variables."""
    if len(variables) == 1:
        return [[frozenset(variables)]]
    first, *rest = variables
    found: list[list[frozenset[int]]] = []
    for k in range(len(rest)):
        for others in itertools.combinations(rest, k):
            left = (first, *others)
            right = tuple(v for v in rest if v not in others)
            for a, b in itertools.product(trees(left), trees(right)):
                found.append([frozenset(variables), *a, *b])
    return found


def respects(clades: list[frozenset[int]], partition: list[frozenset[int]]) -> bool:
    """Whether every block is a clade of the tree restricted to the partition's scope."""
    scope = frozenset[int]().union(*partition)
    restricted = {clade & scope for clade in clades}
    return all(block in restricted for block in partition)


@settings(max_examples=80)
@given(circuits(variables=4, max_size=2, normalised=True, roots=2), st.booleans())
def test_structure_equals_search_over_all_vtrees(model: Circuit, _: bool):
    partitions = [
        [frozenset(model.scopes[e.child.group]) for e in model.children(Unit(g, k))]
        for g in reachable(model)
        if model.groups[g].kind == "product"
        for k in range(model.groups[g].size)
    ]
    exists = any(
        all(respects(clades, p) for p in partitions)
        for clades in trees(tuple(range(len(model.variables))))
    )
    report = check(model)
    assert report.properties["structured_decomposable"] == ("yes" if exists else "no")
    assert bool(report.of("structured_decomposable")) != exists


@settings(max_examples=100)
@given(st.data())
def test_build_equals_search_on_random_partitions(data: st.DataObject):
    chosen: list[list[frozenset[int]]] = []
    for _ in range(data.draw(st.integers(1, 5))):
        labels = data.draw(st.lists(st.integers(0, 3), min_size=5, max_size=5))
        blocks = [frozenset(v for v in range(5) if labels[v] == k) for k in range(3)]
        blocks = [b for b in blocks if b]
        if len(blocks) > 1:
            chosen.append(blocks)
    exists = any(all(respects(c, p) for p in chosen) for c in trees(tuple(range(5))))
    bits = [tuple(sorted(sum(1 << v for v in b) for b in p)) for p in chosen]
    conflict = build(0b11111, bits)
    assert (conflict is None) == exists
    if conflict is not None:
        assert build(0b11111, conflict), "the conflict alone is unsatisfiable"


def test_structured_circuits_are_recognised():
    for seed in range(30):
        model = random_circuit(seed, variables=6, structured=True, deterministic=seed % 2 == 0)
        assert check(model).holds("structured_decomposable")


def test_the_structure_witness_names_two_products():
    one = product((1.0 * (x(1) * x(2))).as_sum(), x(3)).named("left")
    two = product(x(1), (1.0 * (x(2) * x(3))).as_sum()).named("right")
    message = message_of(check(circuit(0.5 * one + 0.5 * two)), "structured_decomposable")
    assert "left" in message
    assert "right" in message
    assert "{X1, X2}" in message


def test_conflicts_over_different_scopes_are_found_as_well():
    """ab|c, bc|d, cd|a: no two of them speak of one scope, no tree has all three."""

    def split(a: int, b: int, c: int) -> object:
        return product((1.0 * (x(a) * x(b))).as_sum(), x(c))

    parts = [
        product(split(1, 2, 3), x(4)),  # type: ignore[arg-type]
        product(split(2, 3, 4), x(1)),  # type: ignore[arg-type]
    ]
    report = check(circuit(0.5 * parts[0] + 0.5 * parts[1]))
    assert report.properties["structured_decomposable"] == "no"
