"""Pictures in the field's convention: what is drawn, where, and how texts are written."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, categorical, circuit, gaussian, indicator
from pccore.drawing import MAX_UNITS, Picture, picture
from pccore.drawing.picture import RADIUS, describe
from pccore.drawing.texts import Run, leaf_lines, literal, number, plain, shortened, variable
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.structures.figures import figure1_naive_bayes, figure3_parity, figures
from tests.strategies import broken_circuits, circuits


def consistent(drawn: Picture) -> None:
    """Inside the frame, no two nodes on each other, arcs from rim to rim."""
    for node in drawn.nodes:
        assert RADIUS <= node.x <= drawn.width - RADIUS
        assert RADIUS <= node.y <= drawn.height - RADIUS
    places = {(round(n.x, 3), round(n.y, 3)) for n in drawn.nodes}
    assert len(places) == len(drawn.nodes)
    for arc in drawn.arcs:
        for number_, point in ((arc.parent, arc.points[0]), (arc.child, arc.points[-1])):
            node = drawn.nodes[number_]
            assert math.dist((node.x, node.y), point) == pytest.approx(RADIUS)
        assert drawn.nodes[arc.parent].y < drawn.nodes[arc.child].y


def test_figure_1_as_in_the_paper():
    drawn = picture(figure1_naive_bayes())
    consistent(drawn)
    assert len(drawn.nodes) == 12 and len(drawn.arcs) == 17
    root = next(node for node in drawn.nodes if node.root)
    assert root.kind == "sum" and root.y == min(node.y for node in drawn.nodes)
    leaves = [node for node in drawn.nodes if node.kind == "leaf"]
    assert {node.y for node in leaves} == {max(node.y for node in drawn.nodes)}
    written = sorted(plain(line) for node in leaves for line in node.below)
    assert written == ["x1", "x2", "¬x1", "¬x2"]
    top = {arc.weight for arc in drawn.arcs if drawn.nodes[arc.parent].root}
    assert top == {"0.5", "0.2", "0.3"}
    assert not any(arc.weight for arc in drawn.arcs if drawn.nodes[arc.parent].kind == "product")


def test_values_weights_and_names_are_optional():
    one = figure1_naive_bayes()
    bare = picture(one, weights=False)
    assert not any(arc.weight for arc in bare.arcs)
    assert not any(node.value or node.name for node in bare.nodes)
    full = picture(one, values={one.root: 0.522, Unit(0, 0): "one"}, names=True)
    shown = {node.unit: node.value for node in full.nodes if node.value}
    assert shown == {one.root: "0.522", Unit(0, 0): "one"}
    assert {node.name for node in full.nodes if node.kind != "leaf"} >= {"S", "C1", "A2"}


def test_a_part_of_a_circuit():
    one = figure1_naive_bayes()
    inner = next(Unit(g, 0) for g, group in enumerate(one.groups) if group.name == "C1")
    drawn = picture(one, units=[inner, *(edge.child for edge in one.children(inner))])
    assert len(drawn.nodes) == 3 and len(drawn.arcs) == 2
    with pytest.raises(OptionError, match="no units"):
        picture(one, units=[])


def wide(units: int) -> Circuit:
    groups = [LeafGroup("x", units, Bernoulli(), (0,), "x"), SumGroup("s", 1, (0,), "s")]
    params = {"x": torch.full((1, units), 0.5), "s": torch.ones(1, units)}
    return Circuit(groups, [(1, 0)], ["V"], params)


def test_what_nobody_could_read_is_refused():
    assert len(picture(wide(MAX_UNITS - 1)).nodes) == MAX_UNITS
    with pytest.raises(OptionError, match="2,001 units"):
        picture(wide(MAX_UNITS))
    groups = [
        LeafGroup("x", 200, Bernoulli(), (0,), "x"),
        SumGroup("s", 200, (0,), "s"),
        SumGroup("r", 1, (1,), "r"),
    ]
    params = {"x": torch.full((1, 200), 0.5), "s": torch.ones(200, 200), "r": torch.ones(1, 200)}
    with pytest.raises(OptionError, match="edges"):
        picture(Circuit(groups, [(2, 0)], ["V"], params))


@pytest.mark.parametrize("params", [{}, {"S": torch.ones(7)}])
def test_broken_parameters_are_drawn_without_numbers(params: dict[str, torch.Tensor]):
    one = figure1_naive_bayes()
    drawn = picture(one.with_params(params))
    consistent(drawn)
    assert not any(arc.weight for arc in drawn.arcs if drawn.nodes[arc.parent].root)


def test_illegal_weights_are_shown_as_they_are():
    one = figure1_naive_bayes()
    weights = torch.tensor([[-0.5, math.nan, math.inf]], dtype=torch.float64)
    drawn = picture(one.with_params(one.params.updated({"S": weights})))
    top = {arc.weight for arc in drawn.arcs if drawn.nodes[arc.parent].root}
    assert top == {"−0.5", "NaN", "∞"}


@given(circuits())
@settings(max_examples=25, deadline=None)
def test_random_circuits_are_drawn_whole(one: Circuit):
    drawn = picture(one)
    consistent(drawn)
    assert len(drawn.nodes) == one.num_units and len(drawn.arcs) == one.num_edges


@given(broken_circuits())
@settings(max_examples=15, deadline=None)
def test_random_broken_circuits_are_drawn_whole(broken):
    drawn = picture(broken.circuit)
    assert len(drawn.nodes) == broken.circuit.num_units


@pytest.mark.parametrize("name", figures())
def test_weights_of_the_figures_do_not_cover_each_other(name: str):
    drawn = picture(figures()[name]())
    spots = [arc.label for arc in drawn.arcs if arc.weight]
    close = sum(
        abs(a[0] - b[0]) < 12 and abs(a[1] - b[1]) < 7
        for i, a in enumerate(spots)
        for b in spots[:i]
    )
    assert close == 0


def test_long_edges_run_beside_the_units():
    drawn = picture(figure3_parity(6))
    consistent(drawn)
    assert any(len(arc.points) > 2 for arc in drawn.arcs)


def test_texts():
    assert literal("X1", 0, 2) == (Run("x", over=True), Run("1", sub=True))
    assert literal("X1", 1, 2) == (Run("x"), Run("1", sub=True))
    assert plain(literal("Weather", 2, 3)) == "Weather=2"
    assert plain(literal("X", 0.5, 2)) == "X=0.5"
    assert variable("X_12") == (Run("X"), Run("12", sub=True))
    assert number(-1.25) == "−1.25" and number(math.nan) == "NaN" and number(12.0) == "12"
    assert number(1e-9) == "1e−09"
    assert shortened("a\nb\t\ud800c" + "x" * 90) == "a b cxxxxxxxxxxxx…"


@pytest.mark.parametrize(
    ("leaf", "lines"),
    [
        (indicator("X1", 0), ["¬x1"]),
        (bernoulli("rain", 0.25), ["rain", "B(0.25)"]),
        (gaussian("X2", -1.5, 2), ["X2", "N(−1.5, 2)"]),
        (categorical("C", [0.5, 0.25, 0.25]), ["C", "Cat(0.5, 0.25, 0.25)"]),
        (categorical("C", [0.25] * 4), ["C", "Cat"]),
    ],
)
def test_what_is_written_below_a_leaf(leaf, lines: list[str]):
    one = circuit(leaf)
    assert [plain(line) for line in leaf_lines(one, one.root)] == lines


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_name_can_be_drawn(name: str, title: str):
    drawn = picture(circuit(bernoulli(name, 0.5).named(name), meta={"title": title}), names=True)
    assert drawn.width < 400
    assert all(c.isprintable() for c in drawn.title + describe(drawn))
