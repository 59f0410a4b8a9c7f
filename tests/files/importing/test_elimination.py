"""Networks compiled by variable elimination, against the product of their tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore.check import check
from pccore.errors import FileError
from pccore.files import Limits
from pccore.files.importing.elimination import Factor, compile_factors, elimination_order
from tests.files.importing.samples import values

LIMITS = Limits()


@given(st.integers(0, 10_000))
def test_a_random_network_is_the_product_of_its_tables(seed: int):
    dice = np.random.default_rng(seed)
    cards = dice.integers(1, 4, dice.integers(1, 6)).tolist()
    factors = []
    for _ in range(dice.integers(1, 6)):
        scope = dice.permutation(len(cards))[: dice.integers(0, min(4, len(cards) + 1))]
        table = dice.random([cards[v] for v in scope])
        table[dice.random(table.shape) < 0.2] = 0
        factors.append(Factor(tuple(scope.tolist()), table))
    circuit = compile_factors(factors, cards, [f"X{v}" for v in range(len(cards))], {}, LIMITS)
    rows = list(itertools.product(*(range(card) for card in cards)))
    expected = [
        math.prod(float(f.table[tuple(row[v] for v in f.scope)]) for f in factors) for row in rows
    ]
    np.testing.assert_allclose(values(circuit, rows).numpy(), expected, rtol=1e-9, atol=1e-300)
    none = [[math.nan] * len(cards)]
    assert float(values(circuit, none)[0]) == pytest.approx(math.fsum(expected), rel=1e-9)
    report = check(circuit)
    assert report.valid and report.properties["decomposable"] == "yes"
    assert report.properties["deterministic"] == "yes"


def test_a_chain_of_a_thousand_variables_stays_small():
    count, step = 1000, np.array([[0.9, 0.1], [0.2, 0.8]])
    factors = [Factor((0,), np.array([0.5, 0.5]))]
    factors += [Factor((v, v + 1), step) for v in range(count - 1)]
    circuit = compile_factors(factors, [2] * count, [f"X{v}" for v in range(count)], {}, LIMITS)
    assert circuit.num_edges < 20 * count
    row = torch.full((1, count), math.nan)
    row[0, 0], row[0, 2] = 1, 0
    expected = 0.5 * (step @ step)[1, 0]
    assert float(values(circuit, row)[0]) == pytest.approx(expected)


def test_the_order_eliminates_leaves_of_a_tree_first():
    scopes = [(0, v) for v in range(1, 6)]
    assert elimination_order(scopes, [2] * 6)[-1] in (0, 5)
    assert elimination_order(scopes, [2] * 6)[0] != 0


def test_a_treewidth_that_is_too_large_is_refused():
    pairs = [(a, b) for a in range(40) for b in range(a)]
    factors = [Factor(pair, np.ones((2, 2))) for pair in pairs]
    with pytest.raises(FileError, match=r"treewidth|dense"):
        compile_factors(factors, [2] * 40, [f"X{v}" for v in range(40)], {}, LIMITS)
