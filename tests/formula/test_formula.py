"""The notation: what it means, what it refuses and where, and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.errors import OptionError, SourceError
from pccore.formula import format_formula, parse_formula
from pccore.formula.lexer import MAX_LENGTH
from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.leaves.indicator import Indicator
from pccore.params import Params
from pccore.reference import evaluate
from pccore.structures.figures import figures
from tests.strategies import SEEDS, circuits, random_graph

FIGURE_1 = (
    "0.5*(0.6*x1 + 0.4*!x1)*(0.3*x2 + 0.7*!x2) + 0.2*(0.6*x1 + 0.4*!x1)*(0.2*x2 + 0.8*!x2)"
    " + 0.3*(0.9*x1 + 0.1*!x1)*(0.2*x2 + 0.8*!x2)"
)


def value(model: Circuit, rows: object) -> np.ndarray:
    return np.exp(evaluate(model, rows).root[:, 0])  # type: ignore[arg-type]


def test_figure_1_is_what_the_paper_says() -> None:
    model = parse_formula(FIGURE_1)
    assert model.variables == ("x1", "x2")
    made = figures()["figure1_naive_bayes"]()
    rows = oracle.states(made)
    np.testing.assert_allclose(value(model, rows), value(made, rows))
    assert value(model, [[1, 0]])[0] == pytest.approx(
        0.5 * 0.6 * 0.7 + 0.2 * 0.6 * 0.8 + 0.3 * 0.9 * 0.8
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0.6 x + 0.4 x̄", "0.6*x + 0.4*!x"),
        ("0.6x ⊕ 0.4¬x", "0.6*x + 0.4*!x"),
        ("0.6·x + 0.4×!x", "0.6*x + 0.4*!x"),
        ("x^2", "x*x"),
        ("1/4 x + 3/4 !x", "0.25*x + 0.75*!x"),
        ("2*3*x + x/4", "6*x + 0.25*x"),
        ("[X=1] y", "X*y"),
        ("(x + !x)(y + !y)", "(x + !x)*(y + !y)"),
        ("0.5*x*y +\n  0.5*!x*y # and so on", "0.5*x*y + 0.5*!x*y"),
        ("0.5*x*y\n  + 0.5*!x*y", "0.5*x*y + 0.5*!x*y"),
        ("a = x + !x\na*y", "(x + !x)*y"),
        ("variables: x, y; b = a*y; a = x + !x; roots: b", "(x + !x)*y"),
        ("X in {0..3}\n[X=1]", "[X=1] + 0*[X=3]"),
        ("`my var` + !`my var`", "x + !x"),
    ],
)
def test_ways_to_write_the_same(text: str, same: str) -> None:
    one, other = parse_formula(text), parse_formula(same)
    rows = oracle.states(one)
    np.testing.assert_allclose(value(one, rows), value(other, rows))


def test_names_share() -> None:
    model = parse_formula("a = 0.2*x + 0.8*!x\nS = 0.5*a*y + 0.5*a*!y")
    assert [g.name for g in model.groups if g.kind == "sum"] == ["a", "S"]
    assert sum(g.name == "a" for g in model.groups) == 1
    assert model.unit_name(model.root) == "S"


def test_leaves() -> None:
    model = parse_formula(
        "N(Y; -1, 1/2)*Bern(A; 0.3)*Cat(C; 0.2, 0.3, 0.5)*Binom(K; 4, 0.5)*Pois(P; 2)"
    )
    row = [[-1.0, 1, 2, 2, 3]]
    expected = 1 / math.sqrt(math.pi) * 0.3 * 0.5 * 6 / 16 * 8 / 6 * math.exp(-2)
    assert value(model, row)[0] == pytest.approx(expected)
    assert model.variables == ("Y", "A", "C", "K", "P")
    again = parse_formula(format_formula(model))
    np.testing.assert_allclose(evaluate(again, row).root, evaluate(model, row).root)


def test_roots_notes_variables_and_dead_parts() -> None:
    model = parse_formula(
        "# title: Two roots\n# story: told\nvariables: b, a\n"
        "x = a + !a\ndead = b\nroots: x, y\ny = x*b"
    )
    assert model.variables == ("b", "a")
    assert [model.unit_name(root) for root in model.roots] == ["x", "y"]
    assert model.meta == {"title": "Two roots", "story": "told"}
    model = parse_formula("dead = 0.5*a + 0.5*!a\nS = b*c\nroots: S")
    assert "dead" in {g.name for g in model.groups}
    assert model.roots == (Unit(model.group_index("S"), 0),)


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("", "", "no expression"),
        ("x*", "*", "nothing after"),
        ("+ x", "+", "nothing before"),
        ("0.5 + x", "0.5", "a weight needs a unit"),
        ("x + 0.5", "x + 0.5", "a weight needs a unit"),
        ("(0.5)*x", "(0.5)", "a weight needs a unit"),
        ("x * (y + z", "(", "never closed"),
        ("x)", ")", "unexpected"),
        ("()", "()", "expected a unit"),
        ("x - y", "-", "not negative"),
        ("x $ y", "$", "means nothing"),
        ("`x", "`", "no partner"),
        ("a = b*x\nb = a", "a", "defined by itself"),
        ("a = x\na = y", "a", "defined twice"),
        ("a = x*y\n!a", "!a", "only variables are negated"),
        ("[X=2]*!X", "!X", "3 states"),
        ("[X=1.5]", "1.5", "whole number"),
        ("X in {0..1}\n[X=2]", "[X=2]", "states 0 to 1"),
        ("X in {1..2}\nX", "1", "numbered from 0"),
        ("variables: x\ny", "y", "not among"),
        ("variables: a\na = x", "x", "not among"),
        ("roots: q\nx", "q", "not defined"),
        ("N(x; 0)", "N(x; 0)", "a mean and a variance"),
        ("N(x; 0, -1)", "N(x; 0, -1)", "variance"),
        ("Cat(x; 0.5, 0.6)", "Cat(x; 0.5, 0.6)", "sum"),
        ("x^99", "99", "power"),
        ("x/0", "0", "other than 0"),
        ("1e999 x", "1e999", "too large"),
        ("Binom(x; 2.5, 0.5)", "Binom(x; 2.5, 0.5)", "trials"),
    ],
)
def test_refusals_say_where(text: str, marked: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        parse_formula(text)
    error = caught.value
    assert text[error.start : error.end] == marked
    assert error.line == text.count("\n", 0, error.start) + 1
    assert error.column >= 1


@settings(max_examples=300)
@given(st.text(alphabet="x1y ab()[]{}+*/^!¬=;:,.\n-0259`#N…̄", max_size=40))
def test_no_text_is_answered_with_anything_else(text: str) -> None:
    try:
        model = parse_formula(text)
    except SourceError as error:
        assert 0 <= error.start <= error.end <= len(text)
    else:
        assert format_formula(model)


def test_long_and_deep_texts() -> None:
    with pytest.raises(SourceError, match="more than"):
        parse_formula("x" * (MAX_LENGTH + 1))
    deep = "(" * 5000 + "x" + ")" * 5000
    assert parse_formula(deep).num_units == 1
    model = parse_formula("x*(" * 1000 + "y" + ")" * 1000)
    assert model.depth == 1000
    rows = oracle.states(model)
    again = parse_formula(format_formula(model))
    np.testing.assert_array_equal(value(again, rows), value(model, rows))


# -- the way back ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        FIGURE_1,
        "x*y",
        "2*x",
        "1*x",
        "x",
        "1*(x*y)",
        "0.5*(2*x) + 0.5*((x + !x)*y)",
        "(x*y)*z",
        "(x + y) + z",
        "[X=2] + [X=0]*y",
    ],
)
def test_small_formulas_come_back_as_they_were(text: str) -> None:
    again = format_formula(parse_formula(text))
    first, second = parse_formula(text), parse_formula(again)
    assert [(g.kind, g.inputs) for g in first.groups] == [(g.kind, g.inputs) for g in second.groups]
    assert first.params.equal(second.params)


def test_figure_1_prints_as_it_was_written() -> None:
    assert format_formula(parse_formula(FIGURE_1)).replace("\n   ", "").strip() == FIGURE_1


@settings(max_examples=100)
@given(circuits(normalised=False, tied=True, zero_weights=True, roots=2))
def test_valid_circuits_come_back(model: Circuit) -> None:
    assert_same(model, parse_formula(format_formula(model)))


def test_a_literal_that_nothing_uses_still_says_the_states() -> None:
    unused = LeafGroup("x2", 1, Indicator(3), (0,), "x2")
    leaves = [LeafGroup(f"x{k}", 1, Indicator(3), (0,), f"x{k}") for k in range(2)]
    mixed = SumGroup("s", 1, (0, 1), "s")
    params = {f"x{k}": torch.tensor([[float(k)]], dtype=torch.float64) for k in range(3)}
    params["s"] = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    model = Circuit([*leaves, mixed, unused], [(2, 0)], ["X"], Params(params))
    assert_same(model, parse_formula(format_formula(model)))


@settings(max_examples=100)
@given(SEEDS)
def test_any_graph_comes_back(seed: int) -> None:
    assert_same(random_graph(seed), parse_formula(format_formula(random_graph(seed))))


@pytest.mark.parametrize("name", sorted(figures()))
def test_figures_come_back_with_their_names(name: str) -> None:
    model = figures()[name]()
    try:
        model.validate_params()
    except ValueError:
        return
    again = parse_formula(format_formula(model))
    assert_same(model, again)
    inner = {g.name for g in model.groups if g.kind != "leaf"}
    assert inner <= {g.name for g in again.groups}
    assert again.meta["title"] == model.meta["title"]


def assert_same(model: Circuit, again: Circuit) -> None:
    assert again.variables == model.variables
    assert len(again.roots) == len(model.roots)
    rows = np.concatenate([oracle.states(model), np.full((1, len(model.variables)), np.nan)])
    np.testing.assert_allclose(
        np.exp(evaluate(again, rows).root), np.exp(evaluate(model, rows).root), rtol=1e-6
    )


def test_large_circuits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pccore.formula.printer.MAX_UNITS", 2)
    with pytest.raises(OptionError, match="too many for a formula"):
        format_formula(parse_formula(FIGURE_1))
