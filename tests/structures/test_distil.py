"""Parameters from clusters: counts of the rows in each region's clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pccore import datasets
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.queries import log_likelihood
from pccore.structures import Grid, Shape, build_structure, shape_of

DIGITS = datasets.load("digits")


def mean(circuit, rows) -> float:
    return float(log_likelihood(circuit, torch.tensor(rows)).mean())


@pytest.mark.parametrize("product", ["kronecker", "hadamard"])
@pytest.mark.parametrize("mixing", ["elementwise", "dense"])
@pytest.mark.parametrize("leaf", ["categorical", "binomial", "gaussian"])
def test_better_than_independent_pixels_without_training(product: str, mixing: str, leaf: str):
    shape = shape_of(DIGITS)
    options = {"units": 8, "product": product, "mixing": mixing, "leaf": leaf}
    options |= {"delta": [2], "min_variance": 0.05}
    found = build_structure("pd", shape, options | {"start": "clusters"})
    assert check(found, ("smooth", "decomposable", "normalized")).violations == ()
    one = build_structure("pd", shape, options | {"start": "clusters", "units": 1})
    assert mean(found, DIGITS.test) > mean(one, DIGITS.test) + 1.0


def test_one_unit_is_the_marginals():
    shape = shape_of(DIGITS)
    circuit = build_structure("factorized", shape, {"start": "clusters", "leaf": "categorical"})
    (leaf,) = (g for g in circuit.groups if g.kind == "leaf")
    table = circuit.params[leaf.parameter]  # [V, 1, C]
    for v in (0, 21, 36):
        counts = np.bincount(DIGITS.train[:, v].astype(int), minlength=17)
        np.testing.assert_allclose(table[v, 0].numpy(), counts / counts.sum(), atol=1e-5)


def test_two_clear_clusters_are_found():
    generator = np.random.default_rng(0)
    which = generator.random(400) < 0.25
    rows = np.where(which[:, None], 5.0, -5.0) + generator.standard_normal((400, 4))
    dataset = datasets.Dataset(
        "two", rows, rows[:0], rows[:0], tuple("abcd"), (Support("real"),) * 4
    )
    options = {"components": 2, "start": "clusters"}
    circuit = build_structure("naive_bayes", shape_of(dataset), options)
    (top,) = (g for g in circuit.groups if g.kind == "sum")
    weights = sorted(circuit.params[top.parameter][0].tolist())
    assert weights == pytest.approx([which.mean(), 1 - which.mean()], abs=0.01)
    means = circuit.params[next(g.parameter for g in circuit.groups if g.kind == "leaf")][..., 0]
    assert sorted(means[0].tolist()) == pytest.approx([-5.0, 5.0], abs=0.4)


def test_missing_values_and_mixed_columns():
    generator = np.random.default_rng(1)
    rows = np.stack(
        [generator.integers(0, 2, 300), generator.integers(0, 40, 300), generator.random(300)], 1
    ).astype(np.float32)
    rows[generator.random(rows.shape) < 0.3] = np.nan
    supports = (Support("finite", 2), Support("finite", 40))
    supports += (Support("real"),)
    dataset = datasets.Dataset("mixed", rows, rows[:0], rows[:0], tuple("abc"), supports)
    circuit = build_structure(
        "rat", shape_of(dataset), {"start": "clusters", "units": 3, "depth": 1, "replicas": 2}
    )
    circuit.validate_params()
    assert np.isfinite(mean(circuit, rows))


def test_the_seed_decides():
    shape = shape_of(DIGITS)
    made = [
        build_structure("pd", shape, {"units": 4, "start": "clusters", "seed": seed})
        for seed in (3, 3, 4)
    ]
    same = [made[0].params.items(), made[1].params.items()]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(*same, strict=True))
    assert mean(made[0], DIGITS.test) != mean(made[2], DIGITS.test)


def test_without_data_it_is_refused():
    with pytest.raises(OptionError, match="training data"):
        build_structure("rat", Shape.of(4), {"start": "clusters"})
    with pytest.raises(OptionError, match="training data"):
        build_structure("rat", Shape.of(4), {"start": "quantiles"})


def test_quantiles_of_gaussian_leaves():
    shape = shape_of(DIGITS)
    circuit = build_structure("pd", shape, {"units": 4, "leaf": "gaussian", "start": "quantiles"})
    group = next(g for g in circuit.groups if g.kind == "leaf")
    values = circuit.params[group.parameter]  # [d, K, 2]
    for d, v in enumerate(group.variables):
        parts = np.array_split(np.sort(DIGITS.train[:, v]), 4)
        expected = [part.mean() for part in parts]
        np.testing.assert_allclose(values[d, :, 0].numpy(), expected, atol=0.1)
        assert float(values[d, 0, 1]) == pytest.approx(
            max(DIGITS.train[:, v].var(), 1e-4), rel=1e-3
        )


def test_training_goes_on_from_clusters():
    circuit = build_structure("pd", shape_of(DIGITS), {"units": 6, "start": "clusters"})
    program = compile_circuit(circuit)
    from pccore.learn import Trainer, TrainOptions

    trainer = Trainer(program, DIGITS.train, None, "em", options=TrainOptions(epochs=3))
    scores = [e.train_log_likelihood for e in trainer.events() if hasattr(e, "best")]
    assert scores[-1] > scores[0]


def test_mirror_images():
    plain, more = DIGITS, datasets.load("digits+mirror")
    assert len(more.train) == 2 * len(plain.train) and len(more.test) == len(plain.test)
    first = more.train[len(plain.train)].reshape(8, 8)
    np.testing.assert_array_equal(first, plain.train[0].reshape(8, 8)[:, ::-1])
    labels, known = more.labels["train"], plain.labels["train"]
    assert labels is not None and known is not None
    np.testing.assert_array_equal(labels, np.concatenate([known, known]))
    with pytest.raises(DataError, match="only images"):
        datasets.load("parity+mirror")


def test_smoothing_spreads_the_weights_of_sums():
    shape = shape_of(DIGITS)
    options = {"units": 6, "start": "clusters"}
    sharp, plain, flat = (
        build_structure("pd", shape, options | {"smoothing": rows}) for rows in (0.01, 0.5, 1e3)
    )

    def largest(circuit: Circuit) -> float:
        found = [
            circuit.params[g.parameter].amax(1).mean()
            for g in circuit.groups
            if g.kind == "sum" and g.edges == "dense"
        ]
        return float(torch.stack(found).mean())

    assert largest(sharp) > largest(plain) > largest(flat)


def test_a_floor_for_variances():
    shape = shape_of(DIGITS)
    options = {"units": 4, "leaf": "gaussian", "start": "clusters"}
    plain = build_structure("pd", shape, options)
    floored = build_structure("pd", shape, options | {"variance_floor": 0.5})
    capped = build_structure("pd", shape, options | {"variance_floor": 1e3, "max_variance": 9.0})
    floor = 0.5 * float(DIGITS.train.var(0).mean())
    for group in plain.groups:
        if group.kind == "leaf":
            before, after = (c.params[group.parameter] for c in (plain, floored))
            assert torch.equal(before[..., 0], after[..., 0])
            torch.testing.assert_close(after[..., 1], before[..., 1].clamp(min=floor))
            assert float(capped.params[group.parameter][..., 1].max()) == 9.0
        elif group.kind == "sum":
            assert torch.equal(plain.params[group.parameter], floored.params[group.parameter])


def test_equal_rows_make_no_clusters_of_their_own():
    rows = np.repeat(np.random.default_rng(0).random((5, 100)), 20, axis=0)
    dataset = datasets.Dataset(
        "few",
        rows,
        rows[:0],
        rows[:0],
        tuple(f"X{v}" for v in range(100)),
        (Support("real"),) * 100,
    )
    circuit = build_structure(
        "naive_bayes", shape_of(dataset), {"components": 9, "start": "clusters"}
    )
    assert np.isfinite(mean(circuit, rows))


def test_context_tells_clusters_apart_by_what_they_say_about_the_rest():
    # The first half is loud; only its quiet column decides what is in the other half.
    generator = np.random.default_rng(0)
    sign = generator.choice([-1.0, 1.0], (600, 1))
    loud = 3.0 * generator.standard_normal((600, 3))
    noise = 0.1 * generator.standard_normal((600, 4))
    rows = np.concatenate([loud, sign, 5.0 * sign + noise], axis=1)
    dataset = datasets.Dataset(
        "halves", rows, rows[:0], rows[:0], tuple("abcdefgh"), (Support("real"),) * 8
    )
    shape = replace(shape_of(dataset), image=Grid(1, 8))
    scores = [
        mean(
            build_structure(
                "pd", shape, {"delta": [4], "units": 2, "start": "clusters", "context": context}
            ),
            rows,
        )
        for context in (0.0, 3.0)
    ]
    assert scores[1] > scores[0] + 1.0
