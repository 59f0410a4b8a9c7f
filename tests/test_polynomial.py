"""The expansion monomial by monomial against enumeration of states and of induced trees."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings

from pccore import oracle, polynomial, reference
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator, mix, product
from pccore.errors import NotFoundError, OptionError, ParameterError
from pccore.graph import Circuit, Unit
from pccore.polynomial import Density, Literal, as_evidence, network_polynomial
from pccore.structures.figures import figure3_mixture, figures
from tests.strategies import (
    SEEDS,
    circuits,
    circuits_and_evidence,
    random_broken,
    random_circuit,
    random_evidence,
    random_graph,
)

Tree = tuple[float, tuple[tuple[int, int], ...]]


def induced_trees(model: Circuit, unit: Unit) -> list[Tree]:
    """Every induced tree of indicators one by one: weight, and its literals with repetitions."""
    group = model.groups[unit.group]
    if group.kind == "leaf":
        state = int(model.params[group.parameter][0, unit.index])
        return [(1.0, ((group.variables[0], state),))]
    below = [(edge.weight, induced_trees(model, edge.child)) for edge in model.children(unit)]
    if group.kind == "sum":
        return [(w * c, literals) for w, trees in below if w for c, literals in trees]
    return [
        (math.prod(c for c, _ in pick), tuple(sorted(x for _, part in pick for x in part)))
        for pick in itertools.product(*(trees for _, trees in below))
    ]


@settings(max_examples=100)
@given(SEEDS)
def test_monomials_are_the_induced_trees_added_up(seed: int) -> None:
    model = random_graph(seed)
    trees = induced_trees(model, model.root)
    assume(len(trees) <= 3000)
    found = network_polynomial(model)
    coefficients: dict[tuple[tuple[int, int], ...], float] = {}
    counts: Counter[tuple[tuple[int, int], ...]] = Counter()
    for weight, literals in trees:
        coefficients[literals] = coefficients.get(literals, 0.0) + weight
        counts[literals] += 1
    assert found.trees == len(trees)
    mine = {
        tuple(sorted(tuple(x) for x, n in m.literals for _ in range(n))): m for m in found.monomials
    }
    assert mine.keys() == coefficients.keys()
    for literals, monomial in mine.items():
        assert monomial.coefficient == pytest.approx(coefficients[literals])
        assert monomial.trees == counts[literals]
        states = {v: {c for w, c in literals if w == v} for v, _ in literals}
        if any(len(values) > 1 for values in states.values()):
            assert monomial.flag == "contradiction" and monomial.state is None
        else:
            assert monomial.flag == (
                "squared" if len(set(literals)) < len(literals) else "multilinear"
            )
            assert monomial.state == {v: min(values) for v, values in states.items()}
        assert monomial.degree == len(literals)


@settings(max_examples=60)
@given(SEEDS)
def test_values_are_those_of_the_circuit_on_all_evidence(seed: int) -> None:
    model = random_graph(seed)
    try:
        found = network_polynomial(model)
    except OptionError:
        assume(False)
        return
    options = [(math.nan, 0.0, 1.0)] * len(model.variables)
    rows = np.array(list(itertools.product(*options)))
    values = reference.evaluate(model, rows).root[:, 0]
    simple = found.simplified()
    for row, value in zip(rows, values, strict=True):
        assert found.log_value(row) == pytest.approx(float(value), abs=1e-9)
        covering = found.covering(row)
        assert bool(covering) == (value > -math.inf)
        total = sum(found.monomials[i].coefficient for i in covering)
        assert total == pytest.approx(math.exp(value))
        if not np.isnan(row).any():  # on complete states x·x = x and x·¬x = 0
            assert simple.log_value(row) == pytest.approx(float(value), abs=1e-9)
    assert simple.multilinear


@settings(max_examples=60)
@given(circuits(variables=3, normalised=False))
def test_valid_circuits_have_one_monomial_for_each_possible_state(model: Circuit) -> None:
    found = network_polynomial(model)
    assert found.multilinear
    table = {
        tuple(state.astype(int)): value
        for state, value in zip(oracle.states(model), np.exp(oracle.log_table(model)), strict=True)
        if value > 0
    }
    mine = {tuple(m.state[v] for v in found.scope): m for m in found.monomials if m.state}
    assert mine.keys() == table.keys() and len(mine) == len(found.monomials)
    for state, monomial in mine.items():
        assert monomial.coefficient == pytest.approx(table[state], rel=1e-9)
        assert found.is_complete(monomial)
    assert found.simplified() == found


@settings(max_examples=40)
@given(circuits_and_evidence(rows=2, variables=3, reals=2, max_size=2))
def test_densities_stay_as_factors(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    found = network_polynomial(model)
    for row, value in zip(x, reference.evaluate(model, x).root[:, 0], strict=True):
        assert found.log_value(row) == pytest.approx(float(value), abs=1e-8)
    assert found.multilinear
    assert all(len(m.densities) == 2 for m in found.monomials)


@settings(max_examples=30)
@given(SEEDS, SEEDS)
def test_broken_circuits_of_all_leaf_families(seed: int, other: int) -> None:
    for clause in ("smooth", "decomposable", "reachable"):
        model = random_broken(seed, clause, variables=3).circuit
        x = random_evidence(np.random.default_rng(other), model, 3)
        found = network_polynomial(model)
        for row, value in zip(x, reference.evaluate(model, x).root[:, 0], strict=True):
            # The added leaf's probabilities add up to 1 in single precision only.
            assert found.log_value(row) == pytest.approx(float(value), abs=1e-6)


def test_the_paper_expansion() -> None:
    found = network_polynomial(figures()["figure1_naive_bayes"]())
    assert found.text() == "0.168·X1·X2 + 0.522·X1·¬X2 + 0.082·¬X1·X2 + 0.228·¬X1·¬X2"
    assert [m.trees for m in found.monomials] == [3, 3, 3, 3]
    assert found.covering({"X1": 1}) == (0, 1)
    assert found.text(1) == "0.168·X1·X2 + … (3 more)"
    assert math.exp(found.log_value({"X1": 1})) == pytest.approx(0.69)


def test_what_is_not_multilinear_is_kept_and_flagged() -> None:
    found = network_polynomial(figures()["inconsistent"]())
    flags = {found.monomial_text(m): m.flag for m in found.monomials}
    assert flags["0.15·X1·¬X1·X2"] == "contradiction"
    assert flags["0.09·X1·X2"] == "multilinear"
    assert not found.multilinear
    # With nothing observed the contradictions count as well: S(*) is more than the truth.
    assert math.exp(found.log_value({})) > math.exp(found.simplified().log_value({})) + 0.4
    square = network_polynomial(figures()["consistent_not_decomposable"]())
    assert [m.flag for m in square.monomials].count("squared") == 2
    assert square.monomial_text(square.monomials[0]) == "0.12·X1²·X2"
    assert square.simplified().text().startswith("0.12·X1·X2")
    gaussians = network_polynomial(figures()["squared_gaussian"]())
    assert gaussians.text() == "N(X1; 0, 1)·N(X1; 1, 1)·N(X2; 0, 1)"
    assert gaussians.monomials[0].flag == "squared"
    twice = gaussian("X", 0.5, 2.0)
    assert network_polynomial(circuit(product(twice, twice))).text() == "N(X; 0.5, 2)²"


def test_an_incomplete_circuit_has_monomials_of_partial_states() -> None:
    found = network_polynomial(figures()["incomplete"]())
    partial = [m for m in found.monomials if not found.is_complete(m)]
    assert [found.monomial_text(m) for m in partial] == ["0.08·X1", "0.32·¬X1"]
    assert [dict(m.state or {}) for m in partial] == [{0: 1}, {0: 0}]


def test_several_states_and_shared_variables() -> None:
    model = circuit(product(categorical("A", [0.5, 0.0, 0.5]), bernoulli("B", 1.0)))
    found = network_polynomial(model)
    assert found.text() == "0.5·[A=0]·B + 0.5·[A=2]·B"
    assert found.monomials[0].literals == ((Literal(0, 0), 1), (Literal(1, 1), 1))
    constant = network_polynomial(circuit(indicator("A", 1)))
    assert constant.text() == "A"
    nothing = network_polynomial(circuit(mix([0.0], [indicator("A", 1)])))
    assert nothing.text() == "0" and nothing.log_value({}) == -math.inf
    assert isinstance(
        network_polynomial(circuit(gaussian("X", 0, 1))).monomials[0].densities[0][0], Density
    )


def test_every_root_can_be_expanded() -> None:
    model = circuit([bernoulli("A", 0.25), bernoulli("B", 0.5)])
    assert network_polynomial(model, 1).text() == "0.5·B + 0.5·¬B"
    assert network_polynomial(model, 1).scope == (1,)
    with pytest.raises(NotFoundError, match="no root 2"):
        network_polynomial(model, 2)


def test_evidence_in_every_form() -> None:
    model = figures()["figure1_naive_bayes"]()
    found = network_polynomial(model)
    row = as_evidence(model, {"X2": 0})
    assert found.covering(row) == found.covering({"X2": 0}) == (1, 3)
    with pytest.raises(OptionError, match="no variable 'Z'"):
        found.log_value({"Z": 1})


def test_large_circuits_are_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="more than 100 monomials"):
        network_polynomial(figure3_mixture(9), limit=100)
    with pytest.raises(OptionError, match="at most 0"):
        network_polynomial(figure3_mixture(3), limit=0)
    wide = product(*[bernoulli(f"X{i}", 0.5) for i in range(60)])
    with pytest.raises(OptionError, match="monomials"):
        network_polynomial(circuit(wide))
    power = indicator("A", 1)
    for level in range(40):  # A to the power 2^40 is one monomial
        power = product(power, power).named(f"p{level}")
    with pytest.raises(OptionError, match="degree above"):
        network_polynomial(circuit(power))
    monkeypatch.setattr(polynomial, "WORK", 10)
    monkeypatch.setattr(polynomial, "MAX_EDGES", 5)
    with pytest.raises(OptionError, match="edges, more than 5"):
        network_polynomial(figure3_mixture(3))


def test_illegal_parameters_are_refused() -> None:
    model = random_circuit(3)
    name = next(g.parameter for g in model.groups if g.kind == "sum")
    spoiled = model.with_params(model.params.updated({name: -model.params[name] - 1}))
    with pytest.raises(ParameterError, match="negative"):
        network_polynomial(spoiled)
