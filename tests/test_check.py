import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import Leaf, bernoulli, categorical, circuit, gaussian, indicator, product
from pccore.check import PROPERTIES, Report, check
from pccore.check.report import MAX_WITNESSES
from pccore.errors import NotFoundError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.reference import evaluate
from tests.strategies import (
    Broken,
    broken_circuits,
    circuits,
    random_broken,
    random_circuit,
    random_graph,
)

HALF = 0.5


def x(i: int) -> Leaf:
    return indicator(f"X{i}", 1)


def n(i: int) -> Leaf:
    return indicator(f"X{i}", 0)


def all_evidence(model: Circuit) -> list[list[float]]:
    """Every partial assignment of finite variables."""
    domains = [model.domain(v).states or 0 for v in range(len(model.variables))]
    return [list(row) for row in itertools.product(*([math.nan, *range(d)] for d in domains))]


def is_valid_by_enumeration(model: Circuit) -> bool:
    """S(e) = sum of S(x) over x in e, for all e (definition 2 of the SPN paper)."""
    values, sums = both_sides(model)
    return bool(np.allclose(values, sums, rtol=1e-9))


def both_sides(model: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """S(e) and the sum of S(x) over x in e, for all evidence e."""
    evidence = np.array(all_evidence(model))
    states, table = oracle.states(model), np.exp(oracle.log_table(model))
    agree = [(np.isnan(row) | (states == row)).all(axis=1) for row in evidence]
    return np.exp(evaluate(model, evidence).root[:, 0]), np.array([table[a].sum() for a in agree])


def message_of(report: Report, name: str) -> str:
    (witness,) = report.of(name)
    return witness.message


# -- the examples of the SPN paper, sec. 2 ---------------------------------------------------


def test_incomplete_and_inconsistent_yet_valid():
    model = circuit(HALF * (x(1) * x(2) * n(2)) + HALF * x(1))
    report = check(model)
    assert not report.valid
    assert report.properties["smooth"] == report.properties["consistent"] == "no"
    assert is_valid_by_enumeration(model)


def test_x_times_x_is_consistent_but_not_decomposable():
    model = circuit(x(1) * x(1))
    report = check(model)
    assert report.valid
    assert report.holds("consistent")
    assert not report.holds("decomposable")
    assert report.properties["structured_decomposable"] == "no"
    assert is_valid_by_enumeration(model)
    shared = x(1)
    twice = check(circuit(shared * shared))
    assert twice.holds("consistent")
    assert "twice" in message_of(twice, "decomposable")


def test_an_inconsistent_product_overcounts():
    model = circuit((0.3 * x(1) + 0.7 * n(1)) * (0.6 * x(1) + 0.4 * n(1)))
    assert check(model).properties["consistent"] == "no"
    values, sums = both_sides(model)
    assert (values >= sums - 1e-12).all()
    assert not is_valid_by_enumeration(model)


def test_an_incomplete_sum_undercounts():
    model = circuit(0.3 * x(1) + 0.7 * (x(1) * x(2)))
    assert check(model).properties["smooth"] == "no"
    values, sums = both_sides(model)
    assert (values <= sums + 1e-12).all()
    assert not is_valid_by_enumeration(model)


# -- each clause ---------------------------------------------------------------------------


def test_the_smoothness_witness():
    model = circuit(0.5 * (x(1) * x(2)).named("p") + 0.5 * x(1).named("lone"))
    (witness,) = check(model).of("smooth")
    assert witness.unit == model.root
    assert [model.unit_name(c) for c in witness.children] == ["lone"]
    assert [model.variables[v] for v in witness.variables] == ["X2"]
    assert witness.message == (
        "sum s1 is not smooth (complete): its child lone lacks X2 (which arrives by p → x2)"
    )


def test_the_decomposability_witness_shows_both_paths():
    left = (0.5 * (x(2).named("x4") * x(3)).named("p1") + 0.5 * (n(2) * n(3))).named("s3")
    right = (0.5 * x(2).named("x9") + 0.5 * n(2)).named("s5")
    model = circuit(product(left, right).named("p7"))
    assert message_of(check(model), "decomposable") == (
        "product p7 is not decomposable: its children s3 and s5 both contain X2 "
        "(by s3 → p1 → x4 and by s5 → x9)"
    )
    assert message_of(check(model), "consistent") == (
        "product p7 is not consistent: X2 appears in its children s3 and s5 "
        "with the states {0, 1} and {0, 1} (by s3 → p1 → x4 and by s5 → x9)"
    )


@pytest.mark.parametrize(
    ("first", "second", "consistent"),
    [
        (x(1), x(1), True),
        (x(1), n(1), False),
        (x(1), bernoulli("X1", 1.0), True),
        (x(1), bernoulli("X1", 0.5), False),
        (n(1), bernoulli("X1", 0.0), True),
        (categorical("X1", [0, 1, 0]), indicator("X1", 1, 3), True),
        (categorical("X1", [0.5, 0.5, 0]), indicator("X1", 1, 3), False),
        (gaussian("X1", 0, 1), gaussian("X1", 0, 1), False),
        (gaussian("X1", 0, 1), x(1), False),
    ],
)
def test_consistency_goes_by_states(first: Leaf, second: Leaf, consistent: bool):
    assert check(circuit(first * second)).holds("consistent") == consistent
    above = circuit(product(1.0 * first, x(2)) * product(1.0 * second, x(3)))
    assert check(above).holds("consistent") == consistent


@pytest.mark.parametrize("clause", ["smooth", "decomposable", "weights", "normalized", "reachable"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_broken_clause_is_found_where_it_is(clause: str, data: st.DataObject):
    broken: Broken = data.draw(broken_circuits(clause))
    report = check(broken.circuit)
    assert report.properties[clause] == "no"
    found = report.of(clause)
    assert broken.group in {w.unit.group for w in found}
    for witness in found:
        assert broken.circuit.unit_name(witness.unit).split("[")[0] in witness.message
        if clause == "decomposable":
            assert broken.variable in witness.variables
    # Everything else still holds.
    assert all(report.holds(other) for other in {"smooth", "decomposable", "weights"} - {clause})
    assert report.valid == (clause in ("normalized", "reachable"))


@settings(max_examples=60)
@given(circuits())
def test_valid_circuits_pass_and_are_valid(model: Circuit):
    report = check(model)
    assert report.valid
    assert not report.violations
    assert report.holds("decomposable")
    assert report.holds("consistent")
    if math.prod(1 + (model.domain(v).states or 0) for v in range(len(model.variables))) < 300:
        assert is_valid_by_enumeration(model)


@settings(max_examples=40)
@given(broken_circuits("smooth", variables=3), broken_circuits("decomposable", variables=3))
def test_monotone_broken_circuits_err_on_one_side(smooth: Broken, overlapping: Broken):
    values, sums = both_sides(smooth.circuit)
    assert (values <= sums + 1e-9).all()
    values, sums = both_sides(overlapping.circuit)
    assert (values >= sums - 1e-9).all()


@settings(max_examples=150)
@given(st.integers(0, 2**20))
def test_smooth_and_consistent_imply_valid_on_any_graph(seed: int):
    """Random sums and products of indicators, mostly broken: theorem 1 has no exception."""
    model = random_graph(seed)
    report = check(model)
    if report.valid:
        assert is_valid_by_enumeration(model)
    if report.holds("decomposable"):
        assert report.holds("consistent")


# -- reports and robustness ----------------------------------------------------------------


def test_reports_are_json():
    report = check(circuit(0.5 * (x(1) * x(2)) + 0.6 * x(1)))
    found = report.to_dict()
    assert found["valid"] is False
    assert set(report.properties) == set(PROPERTIES)
    (violation,) = found["violations"]  # type: ignore[misc]
    assert violation["property"] == "smooth"
    assert violation["children"] == ["x3"]
    assert violation["variables"] == ["X2"]
    assert {note["property"] for note in found["notes"]} == {"normalized", "deterministic"}  # type: ignore[union-attr]


def test_some_properties_alone():
    report = check(circuit(x(1) * n(1)), ["smooth"])
    assert dict(report.properties) == {"smooth": "yes"}
    assert report.witnesses == ()
    assert not report.valid, "what was not asked is not known"
    with pytest.raises(NotFoundError, match="'nice'"):
        check(circuit(x(1)), ["nice"])


def test_missing_and_misshaped_parameters_are_witnesses():
    model = random_circuit(5, variables=3)
    empty = check(model.with_params({}))
    assert empty.properties["weights"] == "no"
    assert empty.properties["deterministic"] == "unknown"
    assert empty.properties["smooth"] == "yes"
    wrong = check(model.with_params(model.params.map(lambda t: t[None])))
    assert all("shape" in w.message for w in wrong.of("weights"))
    whole = check(model.with_params(model.params.map(lambda t: t.long())))
    assert all("floating" in w.message for w in whole.of("weights"))
    broken = random_broken(1, "decomposable", variables=3).circuit
    assert check(broken.with_params({})).properties["consistent"] == "no"


def test_illegal_leaves_are_named():
    model = circuit(bernoulli("A", 0.5).named("a") * bernoulli("B", 0.5).named("b"))
    changed = model.with_params(model.params.updated({"b": torch.tensor([[1.5]])}))
    (witness,) = check(changed).of("weights")
    assert changed.unit_name(witness.unit) == "b"
    assert "over B" in witness.message
    assert "1.5" in witness.message


def test_dead_groups_do_not_make_a_circuit_invalid():
    model = circuit([bernoulli("A", 0.5), (x(1) * n(1)).named("dead")], variables=["A", "X1"])
    alone = Circuit(model.groups, model.roots[:1], model.variables, model.params)
    report = check(alone)
    assert report.valid
    assert len(report.of("reachable")) == 3


def test_witnesses_are_limited_and_counted():
    size = 3 * MAX_WITNESSES
    groups: list[Group] = [
        LeafGroup("a", size, Bernoulli(), (0,), "a"),
        LeafGroup("b", size, Bernoulli(), (0,), "a"),
        ProductGroup("p", size, (0, 1)),
        SumGroup("s", 1, (2,), "s"),
    ]
    params = {"a": torch.full((1, size), 0.5), "s": torch.full((1, size), 1 / size)}
    report = check(Circuit(groups, [(3, 0)], ["A"], params))
    for name in ("decomposable", "consistent"):
        assert len(report.of(name)) == MAX_WITNESSES
        assert report.truncated[name] == size - MAX_WITNESSES


def test_sparse_products_are_checked_unit_by_unit():
    groups: list[Group] = [
        LeafGroup("a", 2, Bernoulli(), (0,), "a"),
        LeafGroup("b", 2, Bernoulli(), (1,), "a"),
    ]
    params = {"a": torch.full((1, 2), 0.5)}

    def with_edges(rows: list[list[int]]) -> Report:
        offsets = np.cumsum([0, *map(len, rows)])
        edges = SparseEdges(offsets, np.array([c for row in rows for c in row]))
        last = ProductGroup("p", len(rows), (0, 1), edges)
        return check(Circuit([*groups, last], [(2, 0)], ["A", "B"], params))

    assert with_edges([[0, 2], [1, 3]]).holds("decomposable")
    report = with_edges([[0, 2], [0, 1, 3], [3, 2, 0], [1, 2]])
    assert [w.unit.index for w in report.of("decomposable")] == [1, 2]
    assert [w.unit.index for w in report.of("consistent")] == [1, 2]


def test_sparse_sums_are_checked_unit_by_unit():
    groups: list[Group] = [
        LeafGroup("a", 2, Bernoulli(), (0, 1), "a"),
        LeafGroup("b", 2, Bernoulli(), (1,), "b"),
    ]
    edges = SparseEdges(np.array([0, 2, 4]), np.array([0, 1, 0, 3]))
    params = {
        "a": torch.full((2, 2), 0.5),
        "b": torch.full((1, 2), 0.5),
        "s": torch.full((4,), 0.5),
    }
    model = Circuit([*groups, SumGroup("s", 2, (0, 1), "s", edges)], [(2, 0)], ["A", "B"], params)
    (witness,) = check(model).of("smooth")
    assert (witness.unit.index, witness.children) == (1, (Unit(1, 1),))
    assert witness.variables == (0,)


def test_long_paths_are_shortened():
    left = product(x(1))
    for v in range(2, 30):
        left = product((1.0 * left).as_sum(), x(v))
    message = message_of(check(circuit(product(left.named("deep"), x(1)))), "decomposable")
    assert "…" in message
    assert len(message) < 200


def einet(variables: int, depth: int, replicas: int, size: int) -> Circuit:
    """Replicas of random binary trees, dense sums over kronecker products."""
    rng = np.random.default_rng(0)
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}

    def add(group: Group, shape: tuple[int, ...] | None = None) -> int:
        if shape is not None:
            values = torch.rand(shape) + 0.1
            leaf = group.kind == "leaf"
            params[group.name] = values / 2 if leaf else values / values.sum(1, keepdim=True)
        groups.append(group)
        return len(groups) - 1

    tops: list[int] = []
    for _ in range(replicas):
        level: list[int] = []
        for block in np.array_split(rng.permutation(variables), 2**depth):
            name = f"x{len(groups)}"
            group = LeafGroup(name, size, Bernoulli(), tuple(block.tolist()), name)
            level.append(add(group, (len(block), size)))
        while len(level) > 1:
            pairs = list(zip(level[::2], level[1::2], strict=True))
            level = []
            for pair in pairs:
                p = add(ProductGroup(f"p{len(groups)}", size * size, pair, "kronecker"))
                name, k = f"s{len(groups)}", 1 if len(pairs) == 1 else size
                level.append(add(SumGroup(name, k, (p,), name), (k, size * size)))
        tops.append(level[0])
    name = "root"
    add(SumGroup(name, 1, tuple(tops), name), (1, replicas))
    return Circuit(groups, [(len(groups) - 1, 0)], [f"X{v}" for v in range(variables)], params)


def test_a_million_edges_take_no_time():
    model = einet(variables=512, depth=8, replicas=13, size=6)
    assert (len(model.groups), model.num_edges) > (9_900, 900_000)
    started = time.perf_counter()
    report = check(model, ["smooth", "decomposable", "consistent", "structured_decomposable"])
    structural = time.perf_counter() - started
    assert report.holds("smooth")
    assert report.properties["structured_decomposable"] == "no"
    assert check(model).properties["deterministic"] == "no"
    assert structural < 5, "about 0.1 s on an idle machine"


def test_deep_circuits_need_no_recursion():
    chain = product(x(0))
    for v in range(1, 1500):
        chain = product((1.0 * chain).as_sum(), x(v))
    report = check(circuit(chain))
    assert report.valid
    assert report.holds("structured_decomposable")
    assert report.holds("deterministic")


def test_reports_are_values():
    report = check(circuit(x(1)))
    assert replace(report, witnesses=()).valid
