"""Steps against the reference and enumeration, the numbers in their texts included."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, indicator, mix, product
from pccore.errors import EvidenceError, OptionError, PropertyError
from pccore.graph import Circuit, Unit
from pccore.queries import mpe, posterior_marginals, unit_values
from pccore.queries.steps import (
    Step,
    derivative_steps,
    em_weights,
    explain,
    flow_steps,
    max_values,
    mpe_steps,
    sample_steps,
    up_steps,
)
from pccore.structures.figures import figures
from tests.strategies import (
    SEEDS,
    circuits_and_evidence,
    random_evidence,
    random_graph,
)
from tests.unit_support import check_tree, random_soft


def figure(name: str) -> Circuit:
    return figures()[name]()


def close(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def evaluated(text: str) -> float:
    """The number that the left side of `0.4·0.06 + 0.6·0.14 = 0.108` makes, read as arithmetic."""
    left = text.rpartition(" = ")[0] or text
    total = 0.0
    for term in left.split(" + "):
        factors = [float(f.strip("()").replace("−", "-")) for f in term.split("·")]
        total += math.prod(factors)
    return total


def at(steps: tuple[Step, ...], unit: Unit) -> Step:
    return next(step for step in steps if step.unit == unit)


# -- texts ------------------------------------------------------------------------------------


def test_the_paper_example_as_it_would_stand_on_the_board() -> None:
    model = figure("figure1_naive_bayes")
    found = unit_values(model, {"X1": 1, "X2": 0})
    last = up_steps(found)[-1]
    assert last.title == "Sum S"
    assert last.equation == "S = 0.5·C1 + 0.2·C2 + 0.3·C3"
    assert last.filled == "0.5·0.42 + 0.2·0.48 + 0.3·0.72 = 0.522"
    logged = up_steps(found, scale="log")[-1]
    assert logged.equation == "log S = log(0.5·C1 + 0.2·C2 + 0.3·C3)"
    assert logged.filled.endswith(") = −0.6501") and logged.filled.startswith("log(exp(−0.6931 −")
    down = derivative_steps(found)
    b2 = at(down, Unit(model.group_index("B2"), 0))
    assert b2.equation == "∂S/∂B2 = ∂S/∂C2·A1 + ∂S/∂C3·B1"
    assert b2.filled == "0.2·0.6 + 0.3·0.9 = 0.39"
    flow = flow_steps(found)[0]
    assert flow.equation == "F(S) = S · ∂S/∂S / S" and flow.result == pytest.approx(1.0)
    assert (
        "EM on this evidence alone would set the weights to 0.4023, 0.1839, 0.4138."
        in flow.notes[0]
    )


@settings(max_examples=40)
@given(circuits_and_evidence(rows=1, grouped=False))
def test_filled_sums_and_products_add_up(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    for step in up_steps(unit_values(model, x)):
        if step.children and "…" not in step.filled:
            assert evaluated(step.filled) == pytest.approx(step.result, rel=5e-3, abs=1e-4)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=1, roots=1, reals=1), SEEDS)
def test_no_text_is_ever_not_a_number(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    model, x = pair
    soft = random_soft(np.random.default_rng(seed), model)
    found = unit_values(model, x, soft=soft)
    for scale in ("linear", "log"):
        steps = [*up_steps(found, scale=scale), *derivative_steps(found, scale=scale)]
        steps += flow_steps(found, scale=scale)
        if found.log_root > -math.inf:
            steps += mpe_steps(found, scale=scale)
            steps += sample_steps(found, seed, scale=scale)
        for step in steps:
            text = " ".join([step.title, step.equation, step.filled, *step.notes])
            assert not re.search(r"nan|undefined|\binf\b|None|np\.", text, re.IGNORECASE), text
            assert not math.isnan(step.result)
            assert not any(math.isnan(part.contribution) for part in step.children)


def test_impossible_evidence_is_written_with_zeros() -> None:
    model = circuit(product(indicator("A", 1).named("a"), bernoulli("B", 0.25).named("b")))
    found = unit_values(model, {"A": 0, "B": 1})
    assert up_steps(found)[-1].filled == "0·0.25 = 0"
    assert up_steps(found, scale="log")[-1].filled == "−∞ − 1.386 = −∞"
    flows = flow_steps(found)
    assert all(step.result == 0 for step in flows) and "nothing flows" in flows[0].equation
    for ask in (mpe_steps, lambda values: sample_steps(values, 1)):
        with pytest.raises(EvidenceError, match="probability zero"):
            ask(found)


# -- numbers ----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(SEEDS, SEEDS)
def test_every_pass_equals_the_reference_on_any_graph(graph: int, seed: int) -> None:
    """Mostly broken circuits, with shared and repeated children."""
    model = random_graph(graph)
    x = random_evidence(np.random.default_rng(seed), model)
    check_passes(model, x)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1, reals=1))
def test_every_pass_equals_the_reference(pair: tuple[Circuit, np.ndarray]) -> None:
    check_passes(*pair)


def check_passes(model: Circuit, x: np.ndarray) -> None:
    found = unit_values(model, x)
    trace = reference.evaluate(model, x)
    down = reference.log_derivatives(model, trace)
    flow = reference.flows(model, trace)
    for step in up_steps(found, scale="log"):
        assert close(step.result, float(trace.log_value(step.unit)[0]))
        own = [part.contribution for part in step.children]
        if step.children:
            kind = model.groups[step.unit.group].kind
            whole = np.logaddexp.reduce(own) if kind == "sum" else np.sum(own)
            assert close(float(whole), step.result)
    gathered: dict[Unit, list[float]] = {}
    order = [step.unit for step in up_steps(found)]
    for step in derivative_steps(found, scale="log"):
        assert close(step.result, float(down[step.unit.group][0, step.unit.index]))
        for part in step.children:
            gathered.setdefault(part.child, []).append(part.contribution)
    for unit, parts in gathered.items():
        total = float(np.logaddexp.reduce(parts))
        if unit != model.root:
            assert close(total, float(down[unit.group][0, unit.index]))
    steps = flow_steps(found)
    assert [step.unit for step in steps] == order[::-1]
    for step in steps:
        assert close(step.result, float(flow[step.unit.group][0, step.unit.index]))
        if model.groups[step.unit.group].kind == "sum":
            shares = sum(part.contribution for part in step.children)
            assert shares == pytest.approx(step.result, abs=1e-9)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1, grouped=False))
def test_em_weights_are_those_of_one_step_on_the_evidence(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    found = unit_values(model, x)
    trace = reference.evaluate(model, x)
    for position in found.planned:
        if model.groups[position].kind != "sum":
            continue
        counts = reference.edge_flows(model, trace, position)[0]
        made = em_weights(found, Unit(position, 0))
        if counts.sum() > 0:
            assert made is not None
            np.testing.assert_allclose(made, counts / counts.sum(), atol=1e-9)
        else:
            assert made is None


# -- most probable explanation ----------------------------------------------------------------


@settings(max_examples=60)
@given(circuits_and_evidence(rows=1, reals=1))
def test_mpe_is_that_of_the_query_and_of_the_reference(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    found = unit_values(model, x)
    assume(found.log_root > -math.inf)
    walk = explain(found)
    expected = reference.max_product(model, x)
    assert walk.log_value == pytest.approx(expected.log_value, abs=1e-9)
    assert walk.log_value == pytest.approx(float(mpe(model, x).log_value[0]), abs=1e-8)
    maxima = max_values(found)
    assert float(maxima[model.root.group][model.root.index]) == pytest.approx(walk.log_value)
    # The completion reaches what the tree promises, and keeps the evidence.
    reached = float(reference.evaluate(model, walk.assignment).root[0, 0])
    assert reached >= walk.log_value - 1e-9
    seen = ~np.isnan(x[0])
    np.testing.assert_array_equal(walk.assignment[seen], x[0][seen])
    check_tree(found, walk.tree.units, walk.tree.edges)


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1, deterministic=True))
def test_mpe_is_the_maximum_on_deterministic_circuits(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    found = unit_values(model, x)
    assume(found.log_root > -math.inf)
    walk = explain(found)
    assert walk.quality == "exact"
    assert walk.log_value == pytest.approx(oracle.mpe(model, x)[1], abs=1e-8)


@settings(max_examples=40)
@given(circuits_and_evidence(rows=1))
def test_winners_margins_and_losers(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    found = unit_values(model, x)
    assume(found.log_root > -math.inf)
    for step in mpe_steps(found, scale="log"):
        if model.groups[step.unit.group].kind != "sum":
            continue
        winners = [part for part in step.children if part.chosen]
        losers = [part for part in step.children if not part.chosen]
        assert len(winners) == 1
        top = winners[0].contribution
        assert top == max(part.contribution for part in step.children)
        assert close(top, step.result)
        if not losers:
            assert winners[0].margin is None
            continue
        for part in losers:
            assert part.margin is not None and part.ratio is not None and part.margin >= 0
            if part.contribution > -math.inf:
                assert part.margin == pytest.approx(top - part.contribution)
                assert part.ratio == pytest.approx(math.exp(part.margin))
        assert winners[0].margin == pytest.approx(min(p.margin or 0.0 for p in losers))


def test_the_trace_says_who_wins_and_by_how_much() -> None:
    model = figure("figure1_naive_bayes")
    steps = mpe_steps(unit_values(model, {"X1": 1}))
    trace = [step for step in steps if step.kind == "trace"]
    assert [step.kind for step in steps].index("trace") == 12
    assert trace[0].filled == "0.3·C3 = 0.216 beats 0.5·C1 = 0.21"
    assert trace[0].notes == ("Margin: ratio 1.029, difference of logs 0.02817.",)
    assert "multiply to 0.3·0.9·0.8·1·1 = 0.216" in trace[-1].notes[-1]
    assert "log(0.3·C3) = −1.532" in next(
        s.filled for s in mpe_steps(unit_values(model, {"X1": 1}), scale="log") if s.kind == "trace"
    )


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1, deterministic=True), SEEDS)
def test_mpe_under_soft_evidence(pair: tuple[Circuit, np.ndarray], seed: int) -> None:
    """The maximum of S(x) prod lambda(x_v), by enumeration."""
    model, x = pair
    soft = random_soft(np.random.default_rng(seed), model)
    found = unit_values(model, x, soft=soft)
    assume(found.log_root > -math.inf)
    table = oracle.log_table(model, x)
    states = oracle.states(model, x)
    with np.errstate(divide="ignore"):
        for name, numbers in soft.items():
            column = states[:, model.variable_index(name)]
            if not np.isnan(column).any():
                table = table + np.log(np.array(numbers))[column.astype(int)]
    assert explain(found).log_value == pytest.approx(float(table.max()), abs=1e-8)


def test_mpe_with_an_observed_hidden_variable() -> None:
    model = figure("figure1_naive_bayes")
    found = unit_values(model, {"X1": 1}, hidden={"S": 0})
    walk = explain(found)
    assert Unit(model.group_index("C1"), 0) in walk.tree.units
    assert math.exp(walk.log_value) == pytest.approx(0.5 * 0.6 * 0.7)


# -- refusals and zooming ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["incomplete", "inconsistent", "squared_gaussian"])
def test_broken_circuits_are_stepped_through_but_give_no_explanation(name: str) -> None:
    found = unit_values(figure(name), {})
    assert up_steps(found) and derivative_steps(found) and flow_steps(found)
    for ask in (mpe_steps, lambda values: sample_steps(values, 1)):
        with pytest.raises(PropertyError) as refused:
            ask(found)
        assert refused.value.witness is not None


def test_large_circuits_ask_to_be_zoomed_into() -> None:
    parts = [product(*[bernoulli(f"X{v}", 0.1 + 0.01 * c) for v in range(6)]) for c in range(80)]
    model = circuit(mix([1 / 80] * 80, parts))
    found = unit_values(model, {"X0": 1})
    assert model.num_units == 561
    for ask in (up_steps, derivative_steps, flow_steps, mpe_steps):
        with pytest.raises(OptionError, match=r"400 units .*zoom into a unit"):
            ask(found)
        one = model.children(model.root)[3].child
        steps = ask(found, one)
        assert {step.unit for step in steps} == {one, *(e.child for e in model.children(one))}
    # The trace alone, and a sample, are small whatever the size of the circuit.
    assert len(explain(found, up=False).steps) == 8 == len(sample_steps(found, 1))


def test_zooming_in_keeps_the_derivatives_of_the_whole() -> None:
    model = figure("figure1_naive_bayes")
    found = unit_values(model, {"X1": 1})
    b2 = Unit(model.group_index("B2"), 0)
    first = derivative_steps(found, b2)[0]
    assert first.unit == b2 and first.filled == "0.2·0.6 + 0.3·0.9 = 0.39"
    assert len(up_steps(found, b2)) == 3
    walk = explain(found, b2)
    assert walk.tree.units[0] == b2 and math.exp(walk.log_value) == pytest.approx(0.8)


def test_units_without_a_value_are_refused() -> None:
    model = figure("dead_parts")
    found = unit_values(model, {})
    dead = [g for g in range(len(model.groups)) if g not in found.planned]
    assert dead
    with pytest.raises(OptionError, match="no root reaches"):
        up_steps(found, Unit(dead[0], 0))
    with pytest.raises(OptionError, match="there is no unit"):
        up_steps(found, Unit(999, 0))


def test_flows_of_leaves_are_the_posterior() -> None:
    """What the flow steps show at indicators is what the list of variables shows."""
    model = figure("figure1_naive_bayes")
    found = unit_values(model, {"X1": 1})
    posterior = posterior_marginals(found).probabilities[1]
    assert posterior is not None
    step = at(flow_steps(found), Unit(model.group_index("¬x2"), 0))
    assert step.result == pytest.approx(posterior[0]) and step.result == pytest.approx(0.522 / 0.69)
