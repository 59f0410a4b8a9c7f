"""LearnSPN on data whose structure is known, and on the bundled digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pccore import oracle
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import Support
from pccore.queries import log_likelihood
from pccore.structures import Shape, build_structure, learnspn, shape_of

NAN = np.nan


def shape(data: np.ndarray, supports: list[Support] | None = None) -> Shape:
    width = data.shape[1]
    given = supports or [Support("finite", 2)] * width
    names = tuple(f"X{v}" for v in range(width))
    return Shape(names, tuple(given), data=data.astype(np.float32))


def blocks(rows: int = 3000, seed: int = 0) -> np.ndarray:
    """Two independent pairs of bits that are mostly equal, and one bit for itself."""
    random = np.random.default_rng(seed)
    a, b, c = (random.integers(0, 2, rows) for _ in range(3))
    flip = random.random((rows, 2)) < 0.1
    return np.stack([a, b, a ^ flip[:, 0], b ^ flip[:, 1], c], 1).astype(np.float32)


def mean_score(circuit: Circuit, rows: np.ndarray) -> float:
    return float(log_likelihood(circuit, rows).mean())


def test_blocks_become_factors() -> None:
    data = blocks()
    circuit = build_structure("learnspn", shape(data))
    top = circuit.groups[circuit.root.group]
    assert isinstance(top, ProductGroup)
    parts = sorted(tuple(circuit.scopes[i]) for i in top.inputs)
    assert parts == [(0, 2), (1, 3), (4,)]
    table = np.exp(oracle.log_table(circuit))
    assert table.sum() == pytest.approx(1)
    index = data.astype(int) @ (16, 8, 4, 2, 1)
    seen = np.bincount(index, minlength=32) / len(data)
    assert np.abs(table - seen).max() < 0.01


@pytest.mark.parametrize("clustering", ["kmeans", "em"])
def test_no_sum_below_a_sum_and_shares_as_weights(clustering: str) -> None:
    random = np.random.default_rng(4)
    truth = random.choice(3, 2000, p=[0.5, 0.3, 0.2])
    chances = np.array([[0.1] * 6, [0.9] * 3 + [0.1] * 3, [0.9] * 6])
    data = (random.random((2000, 6)) < chances[truth]).astype(np.float32)
    circuit = build_structure("learnspn", shape(data), {"clustering": clustering})
    for group in circuit.groups:
        if isinstance(group, SumGroup):
            assert not any(isinstance(circuit.groups[i], SumGroup) for i in group.inputs)
    score = mean_score(circuit, data)
    alone = mean_score(build_structure("learnspn", shape(data), {"min_rows": 10_000}), data)
    log_p = np.log(np.where(data[:, None] == 1, chances, 1 - chances)).sum(2)
    best = np.log(np.exp(log_p) @ [0.5, 0.3, 0.2]).mean()
    assert score > alone + 0.5 * (best - alone)
    assert score < best + 0.1


def test_few_rows_become_smoothed_marginals() -> None:
    data = np.array([[0, 1], [1, 1], [1, 1]], dtype=np.float32)
    circuit = build_structure("learnspn", shape(data), {"smoothing": 2.0})
    (leaf,) = circuit.groups
    assert isinstance(leaf, LeafGroup)
    # Three rows, and two of the mean of these three and half a row of either state.
    expected = [(2 + 2 * 2.5 / 4) / 5, (3 + 2 * 3.5 / 4) / 5]
    np.testing.assert_allclose(circuit.params[leaf.parameter][:, 0], expected, rtol=1e-6)


def test_unseen_states_stay_possible() -> None:
    data = blocks().copy()
    circuit = build_structure("learnspn", shape(data, [Support("finite", 3)] * 5))
    assert np.isfinite(oracle.log_table(circuit)).all()


def test_missing_values_and_mixed_columns() -> None:
    random = np.random.default_rng(5)
    kind = random.integers(0, 2, 1500)
    height = 1e3 + 5 * kind + random.normal(size=1500)
    data = np.stack([kind, height, random.normal(size=1500), kind + 2 * (height > 1003)], 1)
    data[random.random(data.shape) < 0.1] = NAN
    supports = [Support("finite", 2), Support("real"), Support("real"), Support("finite", 4)]
    circuit = build_structure("learnspn", shape(data, supports))
    top = circuit.groups[circuit.root.group]
    assert isinstance(top, ProductGroup)
    assert sorted(tuple(circuit.scopes[i]) for i in top.inputs) == [(0, 1, 3), (2,)]
    for wanted in ("smooth", "decomposable", "normalized"):
        assert check(circuit).properties[wanted] == "yes"
    # The height tells the kind.
    rows = np.array([[0, 1000, NAN, NAN], [1, 1000, NAN, NAN]])
    low = log_likelihood(circuit, rows)
    assert float(low[0] - low[1]) > 2


def test_digits_are_learned_and_the_seed_counts() -> None:
    data = load("digits")
    about = shape_of(data)
    circuit = build_structure("learnspn", about, {"min_rows": 50})
    program = compile_circuit(circuit)
    alone = build_structure("factorized", about, {"leaf": "categorical"})
    test = torch.tensor(data.test)
    better = mean_score(circuit, data.test) - float(log_likelihood(alone, test).mean())
    assert better > 20
    assert not bool(torch.isneginf(log_likelihood(program, test)).any())
    other = build_structure("learnspn", about, {"min_rows": 50, "seed": 1})
    assert not other.params.equal(circuit.params)
    again = build_structure("learnspn", about, {"min_rows": 50})
    assert again.params.equal(circuit.params)


def test_equal_rows_end_in_leaves() -> None:
    random = np.random.default_rng(6)
    bit = random.integers(0, 2, 400)
    circuit = build_structure("learnspn", shape(np.stack([bit] * 3, 1)), {"min_rows": 2})
    assert [g.kind for g in circuit.groups].count("sum") == 1
    table = np.exp(oracle.log_table(circuit))
    assert table[0] + table[-1] > 0.97


def test_too_many_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learnspn, "MAX_UNITS", 3)
    with pytest.raises(OptionError, match="min_rows"):
        build_structure("learnspn", shape(blocks()))
