"""Projected and S(x)/Z gradients: nearest simplex points, autograd, zeros by L1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit, mix
from pccore.compile import compile_circuit
from pccore.compile.banks import EdgeBank, LeafBank, WeightBank
from pccore.datasets import load
from pccore.learn import Epoch, Finished, Trainer, TrainOptions
from pccore.learn.projected import GradientOptions, ProjectedGradient
from pccore.queries import log_partition
from pccore.structures import build_structure
from pccore.structures.base import shape_of
from tests.learn.support import by_parameter, log_values
from tests.strategies import random_circuit, random_evidence


def nearest(values: np.ndarray) -> np.ndarray:
    """The nearest point of the simplex by sorting (Duchi et al. 2008, fig. 1)."""
    falling = np.sort(values)[::-1]
    excess = np.cumsum(falling) - 1.0
    rho = np.flatnonzero(falling - excess / np.arange(1, len(values) + 1) > 0)[-1]
    return np.maximum(values - excess[rho] / (rho + 1), 0.0)


def spread(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of very different sizes, ties and negative ones among them."""
    values = rng.normal(0, 10.0 ** rng.integers(-3, 3), count)
    if rng.random() < 0.3:
        values[: count // 2] = values[0]
    return values + rng.choice([0.0, 5.0, -5.0])


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_dense_weights_are_projected_to_the_nearest_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, size, inputs = (int(n) for n in rng.integers(1, 9, 3))
    stored = [torch.full((size, inputs), 1.0 / inputs, dtype=torch.float64) for _ in range(rows)]
    ids = tuple(f"w{i}" for i in range(rows))
    bank = WeightBank(ids, stored, torch.device("cpu"), torch.float64)
    values = np.stack([[spread(rng, inputs) for _ in range(size)] for _ in range(rows)])
    found = bank.project(torch.tensor(values)).numpy()
    expected = np.apply_along_axis(nearest, 2, values)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(2), 1.0, atol=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_edge_weights_are_projected_sum_by_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = [rng.integers(1, 9, int(rng.integers(1, 5))) for _ in range(2)]
    stored = [torch.ones(int(c.sum()), dtype=torch.float64) for c in counts]
    bank = EdgeBank(("a", "b"), stored, counts, torch.device("cpu"), torch.float64)
    parts = [spread(rng, int(n)) for c in counts for n in c]
    found = bank.project(torch.tensor(np.concatenate(parts))).numpy()
    np.testing.assert_allclose(found, np.concatenate([nearest(p) for p in parts]), atol=1e-9)


def test_float32_weights_still_add_up_to_one() -> None:
    values = torch.tensor([[[1e4, 1e4 - 0.25, -3.0], [1e-6, 0.0, 0.0]]], dtype=torch.float32)
    bank = WeightBank(("w",), [values[0]], torch.device("cpu"), torch.float32)
    torch.testing.assert_close(bank.project(values).sum(2), torch.ones(1, 2))


@pytest.mark.parametrize("weights", ["simplex", "free"])
@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_gradients_are_those_of_the_reference(weights: str, seed: int) -> None:
    """One step is the learning rate times the gradient of mean log S(x), or log S(x) - log Z."""
    options = {"reals": seed % 2, "tied": seed % 3 == 0, "normalised": weights == "simplex"}
    model = random_circuit(seed, variables=4, **options)
    x = torch.tensor(random_evidence(np.random.default_rng(seed), model, rows=5, missing=0.2))
    own = {name: t.double().clone().requires_grad_() for name, t in model.params.items()}
    values = log_values(model, x, own)
    if not len(values) or not values.requires_grad:
        return  # impossible rows only; a circuit of indicators
    mean = values.sum() / len(x)
    if weights == "free":
        everything = torch.full((1, x.shape[1]), torch.nan, dtype=torch.float64)
        mean = mean - len(values) / len(x) * log_values(model, everything, own)[0]
    mean.backward()
    program = compile_circuit(model, dtype=torch.float64)
    learner = ProjectedGradient(program, len(x), GradientOptions(weights=weights))  # type: ignore[arg-type]
    _, found = learner.gradients(x)
    for bank, gradient in zip(program.banks, found, strict=True):
        if isinstance(bank, LeafBank) or gradient is None:
            continue  # leaves have their own parameters: see below
        for name, part in by_parameter(program, bank, gradient).items():
            grad = own[name].grad
            expected = torch.zeros_like(own[name]) if grad is None else grad
            torch.testing.assert_close(part, expected, rtol=1e-7, atol=1e-9, msg=name)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_leaves_follow_the_gradient_of_their_unconstrained_parameters(seed: int) -> None:
    model = random_circuit(seed, variables=3, reals=seed % 2)
    x = torch.tensor(random_evidence(np.random.default_rng(seed), model, rows=5, missing=0.2))
    program = compile_circuit(model, dtype=torch.float64)
    learner = ProjectedGradient(program, len(x), GradientOptions())
    _, found = learner.gradients(x)
    for bank, gradient in zip(program.banks, found, strict=True):
        if not isinstance(bank, LeafBank) or gradient is None:
            continue
        raw = bank.unconstrain().clone().requires_grad_()
        params: dict[str, torch.Tensor] = dict(model.params)
        params |= dict(zip(bank.ids, bank.constrain(raw), strict=True))
        values = log_values(model, x, params)
        if not len(values) or not values.requires_grad:
            return
        (values.sum() / len(x)).backward()
        assert raw.grad is not None
        torch.testing.assert_close(gradient, raw.grad, rtol=1e-6, atol=1e-8)


def test_a_step_of_free_weights_raises_the_likelihood_and_z_is_divided_out() -> None:
    parts = [bernoulli("A", 0.8) * bernoulli("B", 0.7), bernoulli("A", 0.1) * bernoulli("B", 0.4)]
    model = circuit(mix([0.5, 0.5], parts))
    x = torch.tensor([[1.0, 1.0]] * 9 + [[0.0, 0.0]]).double()
    program = compile_circuit(model, dtype=torch.float64)
    learner = ProjectedGradient(program, len(x), GradientOptions(0.1, "free"))
    told: list[float] = []
    for _ in range(30):
        value = float((program(x) - log_partition(program)).sum())
        result = learner.batch(x)
        assert result.log_likelihood == pytest.approx(value, abs=1e-9)
        told.append(value)
    assert told[-1] > told[0] + 1 and all(np.diff(told) > 0)


@pytest.mark.parametrize("weights", ["simplex", "free"])
def test_gradients_learn_the_digits(weights: str) -> None:
    data = load("digits")
    model = build_structure("rat", shape_of(data), {"depth": 2, "replicas": 2, "units": 3})
    options = TrainOptions(epochs=4, batch_size=100)
    own = GradientOptions(weights=weights)  # type: ignore[arg-type]
    trainer = Trainer(compile_circuit(model), data.train, data.valid, "gradient", own, options)
    epochs = [event for event in trainer.events() if isinstance(event, Epoch)]
    first, last = epochs[0].valid_log_likelihood, epochs[-1].valid_log_likelihood
    assert first is not None and last is not None and last > first + 5
    model.with_params(trainer.program.params).validate_params()


def test_l1_makes_zeros() -> None:
    """Five components for data of one: with the pull more of them go."""
    rng = np.random.default_rng(0)
    x = (rng.random((200, 4)) < 0.9).astype(np.float64)
    ps = (0.9, 0.88, 0.86, 0.84, 0.6)
    parts = [bernoulli("A", p) * bernoulli("B", p) * bernoulli("C", p) * bernoulli("D", p)
             for p in ps]  # fmt: skip
    model = circuit(mix([0.2] * 5, parts))
    zeros: list[int] = []
    for l1 in (0.0, 0.5):
        program = compile_circuit(model, dtype=torch.float64)
        learner = ProjectedGradient(program, len(x), GradientOptions(0.02, "free", l1))
        for _ in range(60):
            learner.batch(torch.tensor(x))
        zeros.append(int((program.params["s1"] == 0).sum()))
        assert np.isfinite(float(log_partition(program)))
    assert zeros[0] < zeros[1] < 5


def test_an_l1_pull_that_is_too_strong_leaves_a_circuit() -> None:
    model = circuit(mix([0.5, 0.5], [bernoulli("A", 0.8), bernoulli("A", 0.1)]))
    program = compile_circuit(model, dtype=torch.float64)
    learner = ProjectedGradient(program, 2, GradientOptions(10.0, "free", 10.0))
    learner.batch(torch.tensor([[1.0], [0.0]]).double())
    assert float(program.params["s1"].sum()) > 0
    model.with_params(program.params).validate_params()


def test_small_gains_end_a_run() -> None:
    data = load("parity")
    model = build_structure("naive_bayes", shape_of(data), {"components": 2})
    options = TrainOptions(epochs=200, patience=0, threshold=0.05)
    trainer = Trainer(compile_circuit(model), data.train, data.valid, "em", options=options)
    events = list(trainer.events())
    assert isinstance(events[-1], Finished) and events[-1].reason == "converged"
    told = [event.train_log_likelihood for event in events if isinstance(event, Epoch)]
    gains = np.diff(told)
    assert gains[-1] < 0.05 and (gains[1:-1] >= 0.05).all()
    assert 2 <= events[-1].epochs < 200
