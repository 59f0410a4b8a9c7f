"""Circuits joined as a mixture, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from pccore import oracle
from pccore.build import bernoulli, circuit, product
from pccore.check import check
from pccore.errors import GraphError, ParameterError
from pccore.graph import Circuit
from pccore.reference import evaluate
from pccore.structures import Shape, build_structure
from pccore.transform import join
from tests.strategies import random_circuit


def table(model: Circuit) -> np.ndarray:
    return np.exp(oracle.log_table(model))


def bits(seed: int, **options: object) -> Circuit:
    """A random circuit over three binary variables."""
    return random_circuit(seed, variables=3, max_states=2, **options)


@pytest.mark.parametrize("seed", range(10))
def test_the_mixture_is_the_weighted_sum(seed: int) -> None:
    parts = [bits(3 * seed + i, tied=True) for i in range(3)]
    made = join(parts, [0.5, 0.2, 0.3])
    expected = sum(w * table(p) for w, p in zip((0.5, 0.2, 0.3), parts, strict=True))
    np.testing.assert_allclose(table(made), expected, rtol=1e-12)
    for wanted in ("smooth", "decomposable"):
        assert check(made).holds(wanted)


def test_a_circuit_may_come_twice_and_each_has_its_names() -> None:
    part = bits(1)
    made = join([part, part], [0.25, 0.75], {"title": "twice"})
    np.testing.assert_allclose(table(made), table(part))
    assert made.meta["title"] == "twice"
    assert {g.name.partition(".")[0] for g in made.groups} == {"c0", "c1", "mixture"}


def test_several_roots_are_mixed_one_by_one() -> None:
    options = {"roots": 3, "depth": 1, "units": 2, "replicas": 1}
    parts = [build_structure("rat", Shape.of(4), {**options, "seed": s}) for s in (0, 1)]
    made = join(parts, [0.4, 0.6])
    assert len(made.roots) == 3
    x = np.array([[0, 1, np.nan, 1]])
    values = [np.exp(evaluate(p, x).root) for p in (*parts, made)]
    np.testing.assert_allclose(values[2], 0.4 * values[0] + 0.6 * values[1], rtol=1e-6)


def test_one_circuit_stays_as_it_is() -> None:
    part = bits(1)
    assert join([part], [1.0]) is part
    assert join([part], [1.0], {"title": "x"}).groups is part.groups


def test_refusals() -> None:
    one = circuit(product(bernoulli("A", 0.5), bernoulli("B", 0.5)))
    other = circuit(product(bernoulli("A", 0.5), bernoulli("C", 0.5)))
    with pytest.raises(GraphError, match="different variables"):
        join([one, other], [0.5, 0.5])
    with pytest.raises(GraphError, match="numbers of roots"):
        join([one, one.with_roots([one.root, one.root])], [0.5, 0.5])
    with pytest.raises(GraphError, match="1 weights for 2"):
        join([one, one], [1.0])
    with pytest.raises(GraphError, match="0 weights for 0"):
        join([], [])
    for bad in (-0.5, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="weight"):
            join([one, one], [0.5, bad])
