import numpy as np
import pytest

from pccore.build import (
    bernoulli,
    binomial,
    categorical,
    circuit,
    gaussian,
    indicator,
    mix,
    product,
)
from pccore.errors import GraphError, ParameterError
from pccore.reference import evaluate


def test_expressions_become_groups_of_one_unit():
    a, b = bernoulli("A", 0.6), bernoulli("B", 0.3)
    model = circuit(0.4 * (a * b) + 0.6 * (bernoulli("A", 0.9) * b))
    assert [g.kind for g in model.groups].count("leaf") == 3, "b is shared"
    assert all(g.size == 1 for g in model.groups)
    assert model.variables == ("A", "B")
    assert [e.weight for e in model.children(model.root)] == [0.4, 0.6]
    assert np.exp(evaluate(model, {"A": 1, "B": 1}).root[0, 0]) == pytest.approx(
        0.4 * 0.6 * 0.3 + 0.6 * 0.9 * 0.3
    )
    model.validate_params()


def test_weights_are_kept_as_given():
    x, y = indicator("X", 1), indicator("X", 0)
    nested = circuit(2.0 * (3.0 * x + 1.0 * y) + 0.0 * y)
    assert np.exp(evaluate(nested, {"X": 1}).root) == pytest.approx(6.0)
    assert np.exp(evaluate(nested, {}).root) == pytest.approx(8.0)


def test_unnamed_products_are_flattened_and_names_kept():
    a, b, c = (bernoulli(n, 0.5) for n in "ABC")
    flat = circuit(a * b * c)
    assert len(flat.children(flat.root)) == 3
    deep = circuit(product((a * b).named("pair"), c).named("top"))
    assert deep.unit_name(deep.root) == "top"
    assert [deep.unit_name(e.child) for e in deep.children(deep.root)] == ["pair", "x3"]


def test_sums_multiply_and_mix():
    a, b = bernoulli("A", 0.2), bernoulli("A", 0.4)
    model = circuit((0.5 * a + 0.5 * b) * bernoulli("B", 0.5))
    assert model.groups[model.root.group].kind == "product"
    both = circuit(mix([0.25, 0.75], [a, 0.5 * a + 0.5 * b]))
    assert np.exp(evaluate(both, {"A": 1}).root) == pytest.approx(0.25 * 0.2 + 0.75 * 0.3)
    with pytest.raises(GraphError, match="2 weights for 1"):
        mix([0.5, 0.5], [a])


def test_several_roots_share_structure():
    a, b = bernoulli("A", 0.2), bernoulli("A", 0.4)
    model = circuit([0.5 * a + 0.5 * b, 0.1 * a + 0.9 * b, a])
    assert len(model.roots) == 3
    assert len(model.groups) == 4
    assert np.exp(evaluate(model, [1.0]).root) == pytest.approx(np.array([[0.3, 0.38, 0.2]]))


def test_every_leaf_kind():
    model = circuit(
        categorical("C", [0.2, 0.3, 0.5]) * gaussian("G", 1.0, 4.0) * binomial("N", 3, 0.5)
    )
    model.validate_params()
    expected = 0.3 * 0.375 / np.sqrt(2 * np.pi * 4.0)
    assert np.exp(evaluate(model, {"C": 1, "G": 1.0, "N": 1}).root) == pytest.approx(expected)


def test_variables_may_be_ordered():
    model = circuit(bernoulli("A", 0.2) * bernoulli("B", 0.4), variables=["B", "A", "Z"])
    assert np.exp(evaluate(model, [1.0, 1.0, np.nan]).root) == pytest.approx(0.08)
    with pytest.raises(GraphError, match="not a variable"):
        circuit(bernoulli("A", 0.2), variables=["B"])


def test_bad_parameters_are_refused_where_they_are_written():
    with pytest.raises(ParameterError, match="A"):
        bernoulli("A", 1.5)
    with pytest.raises(ParameterError):
        categorical("A", [0.5, 0.6])
    with pytest.raises(ParameterError):
        gaussian("A", 0.0, -1.0)
    with pytest.raises(ParameterError):
        indicator("A", 2)
    with pytest.raises(ParameterError):
        binomial("A", 0, 0.5)


def test_deep_expressions_need_no_recursion():
    e = bernoulli("X0", 0.5)
    chain = product(e)
    for v in range(1, 3000):
        chain = product((1.0 * chain).as_sum(), bernoulli(f"X{v}", 0.5))
    assert circuit(chain).depth > 2999
