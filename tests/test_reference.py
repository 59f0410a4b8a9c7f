import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator
from pccore.errors import EvidenceError
from pccore.evidence import evidence_rows, parse_evidence
from pccore.graph import Circuit, Unit
from pccore.reference import edge_flows, edge_rows, evaluate, flows, log_derivatives, max_product
from tests.strategies import SEEDS, circuits, circuits_and_evidence, random_circuit, random_evidence


def figure_1() -> Circuit:
    """The naive Bayes mixture of the SPN paper's figure 1."""
    x1, not_x1, x2, not_x2 = (indicator(v, s) for v in ("X1", "X2") for s in (1, 0))
    a = (0.6 * x1 + 0.4 * not_x1).as_sum()
    b = (0.9 * x1 + 0.1 * not_x1).as_sum()
    c = (0.3 * x2 + 0.7 * not_x2).as_sum()
    d = (0.2 * x2 + 0.8 * not_x2).as_sum()
    return circuit(0.5 * (a * c) + 0.2 * (a * d) + 0.3 * (b * d), variables=["X1", "X2"])


@pytest.mark.parametrize(
    ("evidence", "value"),
    [
        ({"X1": 1, "X2": 0}, 0.522),
        ({"X1": 1, "X2": 1}, 0.168),
        ({"X1": 1}, 0.69),
        ({"X2": 0}, 0.75),
        ({}, 1.0),
    ],
)
def test_the_naive_bayes_mixture_of_figure_1(evidence: dict[str, float], value: float):
    assert math.exp(evaluate(figure_1(), evidence).root[0, 0]) == pytest.approx(value)
    assert math.exp(oracle.log_measure(figure_1(), evidence)) == pytest.approx(value)


def test_marginals_of_figure_1_from_derivatives():
    """P(X_s = t | e) is proportional to dS/dS_i of the indicator, P(Y_k = i | e) to w dS/dS_k."""
    spn = figure_1()
    trace = evaluate(spn, {"X2": 0})
    down = log_derivatives(spn, trace)
    x1 = spn.variable_index("X1")
    share = {}
    for position, group in enumerate(spn.groups):
        if group.kind == "leaf" and group.variables == (x1,):
            share[int(spn.params[group.parameter])] = math.exp(down[position][0, 0])
    expected = oracle.marginals(spn, {"X2": 0})[x1]
    assert share[1] / (share[0] + share[1]) == pytest.approx(expected[1])
    assert share[0] + share[1] == pytest.approx(0.75), "not divided by the evidence"
    hidden = edge_flows(spn, trace, spn.root.group)[0]
    assert hidden == pytest.approx(np.array([0.5 * 0.7, 0.2 * 0.8, 0.3 * 0.8]) / 0.75)


@settings(max_examples=60)
@given(circuits_and_evidence(roots=2))
def test_every_root_equals_enumeration(case: tuple[Circuit, np.ndarray]):
    model, evidence = case
    trace = evaluate(model, evidence)
    assert trace.root.shape == (3, 2)
    for b, row in enumerate(evidence):
        for r, root in enumerate(model.roots):
            assert trace.root[b, r] == pytest.approx(oracle.log_measure(model, row, root), abs=1e-9)


@settings(max_examples=15)
@given(circuits_and_evidence(variables=3, reals=1, max_states=2))
def test_real_variables_equal_quadrature(case: tuple[Circuit, np.ndarray]):
    model, evidence = case
    trace = evaluate(model, evidence)
    for value, row in zip(trace.root[:, 0], evidence, strict=True):
        assert value == pytest.approx(oracle.log_measure(model, row), abs=1e-9)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1), st.data())
def test_derivatives_equal_differences(case: tuple[Circuit, np.ndarray], data: st.DataObject):
    """Adding eps to the value of one unit moves the root by eps times the derivative."""
    model, evidence = case
    position = data.draw(st.integers(0, len(model.groups) - 1))
    index = data.draw(st.integers(0, model.groups[position].size - 1))
    trace = evaluate(model, evidence)
    found = np.exp(log_derivatives(model, trace)[position][0, index])
    eps = 1e-4  # the root is a polynomial in one unit's value
    plus, minus = (_perturbed(model, trace.log_values, position, index, e) for e in (eps, -eps))
    assert found == pytest.approx((plus - minus) / (2 * eps), rel=1e-5, abs=1e-9)


def _perturbed(
    model: Circuit, logs: tuple[np.ndarray, ...], position: int, index: int, eps: float
) -> float:
    values = [np.exp(v[0]) for v in logs]
    values[position][index] += eps
    for above in range(position + 1, len(model.groups)):
        group = model.groups[above]
        if group.kind == "leaf":
            continue
        for k in range(group.size):
            edges = model.children(Unit(above, k))
            below = [values[e.child.group][e.child.index] for e in edges]
            if group.kind == "sum":
                weights = [0.0 if e.weight is None else e.weight for e in edges]
                values[above][k] = float(np.dot(below, weights))
            else:
                values[above][k] = float(np.prod(below))
    return float(values[model.root.group][model.root.index])


def test_a_zero_child_has_a_derivative():
    a, b = indicator("A", 1), indicator("B", 1)
    model = circuit(a * b)
    down = log_derivatives(model, evaluate(model, {"A": 0, "B": 1}))
    assert [float(d[0, 0]) for d in down] == [0.0, -math.inf, 0.0]
    down = log_derivatives(model, evaluate(model, {"A": 0, "B": 0}))
    assert [float(d[0, 0]) for d in down] == [-math.inf, -math.inf, 0.0]


def test_a_square_has_the_derivative_two_x():
    leaf = bernoulli("A", 0.3)
    model = circuit(leaf * leaf)
    down = log_derivatives(model, evaluate(model, {"A": 1}))
    assert math.exp(down[0][0, 0]) == pytest.approx(0.6)


@settings(max_examples=40)
@given(circuits_and_evidence())
def test_flow_is_conserved(case: tuple[Circuit, np.ndarray]):
    """Each variable's leaves receive the flow of the root, and a sum passes on what it gets."""
    model, evidence = case
    trace = evaluate(model, evidence)
    found = flows(model, trace)
    alive = ~np.isneginf(trace.root[:, 0])
    assert np.all(found[model.root.group][alive, model.root.index] > 1 - 1e-9)
    for v in model.scopes[model.root.group]:
        total = np.zeros(len(evidence))
        for position, group in enumerate(model.groups):
            if group.kind == "leaf" and v in group.variables:
                total += found[position].sum(axis=1)
        assert total == pytest.approx(alive.astype(float))
    for position, group in enumerate(model.groups):
        if group.kind == "sum":
            offsets = edge_rows(model, group).offsets[:-1]
            passed = np.add.reduceat(edge_flows(model, trace, position), offsets, axis=1)
            assert passed == pytest.approx(found[position])


def test_flows_of_impossible_evidence_are_zero():
    model = circuit(0.5 * indicator("A", 1) + 0.5 * indicator("A", 1))
    trace = evaluate(model, {"A": 0})
    assert all(not f.any() for f in flows(model, trace))


def test_long_chains_stay_finite():
    weights = [bernoulli(f"X{v}", 1e-3) for v in range(1000)]
    product = weights[0]
    for leaf in weights[1:]:
        product = product * leaf
    model = circuit(product)
    trace = evaluate(model, np.ones(1000))
    assert trace.root[0, 0] == pytest.approx(1000 * math.log(1e-3))
    assert all(np.isfinite(d).all() for d in log_derivatives(model, trace))


# -- max-product -------------------------------------------------------------------------


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1, deterministic=True, tied=False))
def test_max_product_is_exact_on_deterministic_circuits(case: tuple[Circuit, np.ndarray]):
    model, evidence = case
    answer = max_product(model, evidence)
    best, log_value = oracle.mpe(model, evidence)
    assert answer.log_value == pytest.approx(log_value)
    if log_value > -math.inf:
        assert evaluate(model, answer.assignment).root[0, 0] == pytest.approx(log_value)
        known = ~np.isnan(evidence[0])
        assert (answer.assignment[known] == evidence[0][known]).all()
        assert not np.isnan(answer.assignment).any()
        assert best.shape == answer.assignment.shape


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1))
def test_max_product_is_a_lower_bound_elsewhere(case: tuple[Circuit, np.ndarray]):
    model, evidence = case
    answer = max_product(model, evidence)
    if answer.log_value > -math.inf:
        reached = evaluate(model, answer.assignment).root[0, 0]
        assert answer.log_value <= reached + 1e-9
        assert reached <= oracle.mpe(model, evidence)[1] + 1e-9


@settings(max_examples=40)
@given(circuits_and_evidence(rows=1))
def test_the_induced_tree_has_the_value(case: tuple[Circuit, np.ndarray]):
    model, evidence = case
    answer = max_product(model, evidence)
    if answer.log_value == -math.inf:
        return
    assert answer.units[0] == model.root
    # In a decomposable circuit nothing is reached twice: the units form a tree.
    assert len(answer.edges) == len(answer.units) - 1 == len(set(answer.edges))
    values = evaluate(model, answer.assignment)
    leaves = [u for u in answer.units if model.groups[u.group].kind == "leaf"]
    total = sum(float(values.log_value(u)[0]) for u in leaves)
    for parent, child in answer.edges:
        if model.groups[parent.group].kind == "sum":
            options = [e.weight for e in model.children(parent) if e.child == child]
            total += math.log(max(w for w in options if w is not None))
    assert total == pytest.approx(answer.log_value)


def test_gaussian_modes_fill_the_gaps():
    model = circuit(0.3 * gaussian("G", -1.0, 1.0) + 0.7 * gaussian("G", 5.0, 1.0))
    assert max_product(model, {}).assignment.tolist() == [5.0]
    with pytest.raises(EvidenceError, match="one row"):
        max_product(model, [[1.0], [2.0]])


# -- evidence ------------------------------------------------------------------------------


def three() -> Circuit:
    return circuit(bernoulli("A", 0.5) * categorical("B", [0.2, 0.3, 0.5]) * gaussian("C", 0, 1))


@pytest.mark.parametrize(
    "evidence",
    [
        {"A": 1, "C": -0.5},
        {"A": True, "B": None, "C": np.float32(-0.5)},
        [1, None, -0.5],
        np.array([1, np.nan, -0.5]),
        np.array([[1, np.nan, -0.5]], dtype=np.float32),
        torch.tensor([1.0, math.nan, -0.5]),
    ],
)
def test_evidence_in_every_form(evidence: object):
    rows = evidence_rows(three(), evidence)  # type: ignore[arg-type]
    assert rows.dtype == torch.float64
    assert np.array_equal(rows.numpy(), [[1.0, np.nan, -0.5]], equal_nan=True)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"Z": 1}, "no variable 'Z'"),
        ({"A": 2}, "A: the value 2 is not an integer from 0 to 1"),
        ({"A": 0.5}, "the value 0.5"),
        ({"B": -1}, "the value -1"),
        ({"C": math.inf}, "the value inf is not a finite number"),
        ({"A": "1"}, "text"),
        ({"A": [1, 2]}, "not a number"),
        ([1.0, 2.0], r"shape \[1, 2\]"),
        (np.zeros((2, 2, 3)), "shape"),
        (np.float64(1.0), "shape"),
        (["1", "0", "0"], "not numbers"),
        ([1, "x", None], "not numbers"),
        ([[1, 0, 0], [1, 0]], "not an array of numbers"),
        ([[0, 0, 0], [0, 7, 0]], "row 1, variable B: the value 7"),
        (torch.zeros(3, dtype=torch.complex64), "complex"),
    ],
)
def test_bad_evidence_is_named(evidence: object, message: str):
    with pytest.raises(EvidenceError, match=message):
        evidence_rows(three(), evidence)  # type: ignore[arg-type]


def test_evidence_is_copied():
    given_rows = np.array([[1.0, 0.0, 0.0]])
    evidence_rows(three(), given_rows)[0, 0] = 0.0
    tensor = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    evidence_rows(three(), tensor)[0, 0] = 0.0
    assert given_rows[0, 0] == 1.0
    assert tensor[0, 0] == 1.0


def test_evidence_is_parsed_from_text():
    assert parse_evidence(" A=1, C = -2.5 ", three()) == {"A": 1.0, "C": -2.5}
    assert parse_evidence("", three()) == {}
    assert math.isnan(parse_evidence("B=?", three())["B"])


@pytest.mark.parametrize(
    "text", ["A", "A=x", "=1", "Z=1", "A=1,A=0", "A=7", "A==1", "A=__import__('os')"]
)
def test_bad_evidence_text_is_refused(text: str):
    with pytest.raises(EvidenceError):
        parse_evidence(text, three())


@settings(max_examples=20)
@given(circuits(grouped=True), SEEDS)
def test_parameters_in_float32_agree(model: Circuit, seed: int):
    half = model.with_params(model.params.map(lambda t: t.float()))
    x = random_evidence(np.random.default_rng(seed), model, 2)
    assert evaluate(half, x).root == pytest.approx(evaluate(model, x).root, abs=1e-4)


def test_batches_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch):
    model = random_circuit(3, variables=5)
    x = random_evidence(np.random.default_rng(0), model, 7)
    trace = evaluate(model, x)
    down = log_derivatives(model, trace)
    monkeypatch.setattr("pccore.reference._CHUNK", 1)
    assert np.array_equal(evaluate(model, x).root, trace.root)
    again = log_derivatives(model, trace)
    assert all(np.array_equal(a, b) for a, b in zip(again, down, strict=True))
