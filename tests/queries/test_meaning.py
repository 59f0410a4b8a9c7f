"""What a unit means, against enumeration over the unit as a circuit of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pccore import oracle, reference
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator, mix, product
from pccore.compile import compile_circuit
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries import meaning, unit_values
from pccore.queries.meaning import formula_of
from pccore.structures.figures import figures
from tests.strategies import SEEDS, circuits_and_evidence, random_circuit


def units(model: Circuit) -> list[Unit]:
    return [Unit(g, k) for g, group in enumerate(model.groups) for k in range(group.size)]


@settings(max_examples=30)
@given(circuits_and_evidence(rows=1, normalised=False))
def test_pictures_tables_and_shares_equal_enumeration(pair: tuple[Circuit, np.ndarray]) -> None:
    model, x = pair
    values = unit_values(model, x)
    flows = reference.flows(model, reference.evaluate(model, x))
    for unit in units(model)[::3]:
        found = meaning(model, unit, values=values)
        scope = list(model.scopes[unit.group])
        assert found.scope == tuple(model.variables[v] for v in scope)
        assert found.name == model.unit_name(unit)
        if values.log_root > -math.inf and unit.group in values.planned:
            assert found.flow_share == pytest.approx(flows[unit.group][0, unit.index], abs=1e-9)
        else:
            assert math.isnan(found.flow_share)
        own = model.with_roots([unit])
        log_z = oracle.log_partition(own)
        if log_z == -math.inf:
            assert found.reason == "the unit is zero on every state"
            continue
        assert found.log_partition == pytest.approx(log_z, abs=1e-9)
        if len(scope) > 2:
            assert found.kind is None and found.table is None
            assert found.reason == f"it depends on {len(scope)} variables"
            expected = oracle.marginals(own)
            for top, v in zip(found.top, scope, strict=True):
                assert top.probability == pytest.approx(float(expected[v].max()), abs=1e-9)
                assert expected[v][top.state] == pytest.approx(expected[v].max(), abs=1e-9)
        else:
            assert found.kind == ("bar" if len(scope) == 1 else "heat")
            assert found.table is not None and not found.reason
            joint = np.exp(oracle.log_table(own) - log_z).reshape(found.table.shape)
            np.testing.assert_allclose(found.table, joint, atol=1e-9)
            for axis, v, size in zip(found.axes, scope, found.table.shape, strict=True):
                assert axis.variable == model.variables[v]
                np.testing.assert_array_equal(axis.values, np.arange(size))


@settings(max_examples=20)
@given(SEEDS)
def test_densities_on_grids(seed: int) -> None:
    model = random_circuit(seed, variables=3, reals=2)
    for unit in units(model):
        scope = list(model.scopes[unit.group])
        found = meaning(model, unit)
        if scope in ([1], [2]):
            assert found.kind == "line" and found.table is not None
            x = found.axes[0].values
            assert np.trapezoid(found.table, x) == pytest.approx(1.0, abs=1e-3)
            rows = np.full((len(x), 3), np.nan)
            rows[:, scope[0]] = x
            logs = reference.evaluate(model, rows).log_value(unit) - found.log_partition
            np.testing.assert_allclose(found.table, np.exp(logs), atol=1e-9)
        elif scope == [1, 2]:
            assert found.kind == "contour" and found.table is not None
            assert found.table.shape == (61, 61)
            inner = np.trapezoid(found.table, found.axes[1].values, axis=1)
            assert np.trapezoid(inner, found.axes[0].values) == pytest.approx(1.0, abs=2e-2)
        elif scope == [0, 1]:
            assert found.kind == "heat" and found.table is not None
            assert np.trapezoid(found.table, found.axes[1].values, axis=1).sum() == (
                pytest.approx(1.0, abs=1e-2)
            )


def test_images_show_the_mean_of_each_pixel_in_the_scope() -> None:
    leaves = LeafGroup("x", 2, Bernoulli(), (0, 1, 2, 3), "x")
    part = LeafGroup("part", 1, Bernoulli(), (1, 3), "y")
    params = {
        "x": torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]], dtype=torch.float64),
        "y": torch.tensor([[0.25], [0.75]], dtype=torch.float64),
    }
    names = ["a", "b", "c", "d"]
    notes = {"image": {"height": 2, "width": 2, "channels": 1}}
    model = Circuit([leaves, part], [(0, 0)], names, params, notes)
    found = meaning(model, Unit(0, 0))
    assert found.kind == "image" and found.table is not None
    np.testing.assert_allclose(found.table, [[0.1, 0.2], [0.3, 0.4]])
    partial = meaning(model, Unit(1, 0))
    assert partial.kind == "image" and partial.table is not None
    np.testing.assert_allclose(partial.table, [[np.nan, 0.25], [np.nan, 0.75]])
    colour = model.with_meta({"image": {"height": 2, "width": 2, "channels": 3}})
    assert meaning(colour, Unit(0, 0)).kind is None  # the notes do not fit four variables


def test_broken_units_say_what_they_lack() -> None:
    model = figures()["incomplete"]()
    found = meaning(model, model.root, {"X1": 1})
    assert found.kind is None and found.table is None and math.isnan(found.log_partition)
    assert "needs a circuit that is smooth" in found.reason
    assert found.flow_share == pytest.approx(1.0)
    # A part that is sound has a picture even inside a broken circuit.
    leaf = next(u for u in units(model) if model.groups[u.group].kind == "leaf")
    assert meaning(model, leaf).kind == "bar"


def test_a_unit_that_no_root_reaches_has_a_picture_and_no_share() -> None:
    base = circuit(bernoulli("A", 0.3).named("a"))
    dead = LeafGroup("dead", 1, Bernoulli(), (0,), "dead")
    params = base.params.updated({"dead": torch.full((1, 1), 0.5, dtype=torch.float64)})
    model = Circuit([*base.groups, dead], base.roots, base.variables, params)
    found = meaning(model, Unit(1, 0))
    assert found.kind == "bar" and math.isnan(found.flow_share)


def test_many_states_and_zero_units_and_impossible_evidence() -> None:
    wide = circuit(categorical("A", [1 / 300] * 300))
    found = meaning(wide, wide.root)
    assert found.kind is None and "300 states" in found.reason
    zero = circuit(mix([0.0], [indicator("A", 1)]))
    assert meaning(zero, zero.root).reason == "the unit is zero on every state"
    fine = circuit(indicator("A", 1))
    assert math.isnan(meaning(fine, fine.root, {"A": 0}).flow_share)


def test_evidence_of_all_kinds_changes_the_share() -> None:
    model = figures()["figure1_naive_bayes"]()
    program = compile_circuit(model, dtype=torch.float64)
    c1 = Unit(model.group_index("C1"), 0)
    assert meaning(program, c1).flow_share == pytest.approx(0.5)
    assert meaning(program, c1, {"X1": 1}).flow_share == pytest.approx(0.3 / 0.69)
    assert meaning(program, c1, soft={"X1": [0, 5]}).flow_share == pytest.approx(0.3 / 0.69)
    assert meaning(program, c1, hidden={"S": 1}).flow_share == 0.0


def test_formulas() -> None:
    model = figures()["figure1_naive_bayes"]()

    def text(name: str) -> str:
        return formula_of(model, Unit(model.group_index(name), 0))

    assert text("S") == "S = 0.5·C1 + 0.2·C2 + 0.3·C3"
    assert text("C1") == "C1 = A1 · A2"
    assert text("x1") == "x1 = [X1 = 1]"
    other = circuit(product(gaussian("X", 0, 2).named("g"), bernoulli("B", 0.3).named("b")))
    assert formula_of(other, Unit(0, 0)) == "g = N(X; 0, 2)"
    assert formula_of(other, Unit(1, 0)) == "b = bernoulli(B; 0.3)"
    many = circuit(mix([0.1] * 10, [bernoulli("A", 0.5) for _ in range(10)]).named("m"))
    assert formula_of(many, many.root).endswith("+ … (4 more)")
    factorised = LeafGroup("f", 1, Bernoulli(), (0, 1), "f")
    pair = Circuit([factorised], [(0, 0)], ["A", "B"], {"f": torch.full((2, 1), 0.5)})
    assert formula_of(pair, Unit(0, 0)) == "f = product of 2 bernoulli distributions"


def test_unknown_units_are_refused() -> None:
    model = figures()["figure1_naive_bayes"]()
    for unit in (Unit(99, 0), Unit(0, 5), Unit(-1, 0)):
        with pytest.raises(OptionError, match="no unit"):
            meaning(model, unit)
