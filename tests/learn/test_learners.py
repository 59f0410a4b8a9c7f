"""Learners: EM is monotone, its parts equal their definitions, gradients equal differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import reference
from pccore.compile import Program, compile_circuit
from pccore.compile.edge_bank import EdgeBank
from pccore.compile.weight_bank import WeightBank
from pccore.errors import NotFoundError
from pccore.graph import Circuit, LeafGroup
from pccore.learn.base import method_named, methods
from pccore.learn.em import EMOptions, FullEM, OnlineEM, OnlineEMOptions
from pccore.learn.gradient import AdamLearner, AdamOptions
from pccore.queries import log_likelihood, sample
from tests.strategies import random_circuit

METHODS = tuple(sorted(methods()))
#: The methods that have a prior which can be taken away.
WITH_PRIOR = ("em", "online-em", "hard-em")


def without_prior(method: str) -> object:
    """Options of a method, with nothing added to what the data say."""
    options = method_named(method).options
    return options(pseudocount=0.0) if method in WITH_PRIOR else options()


def data_for(model: Circuit, seed: int, rows: int = 40, missing: float = 0.2) -> np.ndarray:
    """Samples of a related model, with holes."""
    x = sample(model, rows, seed=seed).numpy().copy()
    x[np.random.default_rng(seed).random(x.shape) < missing] = np.nan
    return x


def likelihood(program: Program, x: np.ndarray) -> float:
    return float(log_likelihood(program, x).sum())


@pytest.mark.parametrize("bank", [WeightBank, EdgeBank])
def test_a_weight_that_is_rounded_to_nothing_has_a_gradient(bank: type) -> None:
    raw = torch.tensor([1.0, -200.0], requires_grad=True)
    weights = torch.softmax(raw, 0)
    assert float(weights.detach()[1]) == 0
    bank.expected_log(None, weights, torch.tensor([3.0, 0.0])).backward()
    assert raw.grad is not None and raw.grad.tolist() == [0.0, 0.0]


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_full_batch_em_never_lowers_the_likelihood(seed: int) -> None:
    model = random_circuit(seed, variables=4, tied=seed % 2 == 0, reals=seed % 3 % 2)
    x = data_for(random_circuit(seed, variables=4, tied=seed % 2 == 0, reals=seed % 3 % 2), seed)
    program = compile_circuit(model, dtype=torch.float64)
    learner = FullEM(program, len(x), EMOptions(pseudocount=0.0))
    before = likelihood(program, x)
    for _ in range(8):
        learner.batch(torch.tensor(x))
        learner.end_epoch()
        after = likelihood(program, x)
        # The variance floor of Gaussians is a constraint, which keeps EM monotone.
        assert after >= before - 1e-8 * max(1.0, abs(before))
        before = after
    program.circuit.with_params(program.params).validate_params()


def test_em_on_a_mixture_equals_the_textbook_update() -> None:
    from pccore.build import bernoulli, circuit, mix

    x = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=float)
    p = np.array([[0.6, 0.2], [0.3, 0.7]])
    weights = np.array([0.4, 0.6])
    model = circuit(mix(weights, [bernoulli("A", a) * bernoulli("B", b) for a, b in p]))
    joint = weights * np.prod(np.where(x[:, None] == 1, p, 1 - p), -1)
    r = joint / joint.sum(1, keepdims=True)
    program = compile_circuit(model, dtype=torch.float64)
    learner = FullEM(program, len(x), EMOptions(pseudocount=0.0))
    learner.batch(torch.tensor(x))
    learner.end_epoch()
    found = program.params
    np.testing.assert_allclose(found["s1"][0], r.sum(0) / len(x))
    expected = (r.T @ x) / r.sum(0)[:, None]
    leaves = [float(found[f"x{i}"].squeeze()) for i in (1, 2, 3, 4)]
    np.testing.assert_allclose(leaves, expected.flatten())


def test_online_em_with_step_one_on_all_data_is_full_em() -> None:
    model = random_circuit(4, variables=4, reals=1)
    x = torch.tensor(data_for(model, 1))
    one, other = (compile_circuit(model, dtype=torch.float64) for _ in range(2))
    full = FullEM(one, len(x), EMOptions(pseudocount=0.3))
    full.batch(x)
    full.end_epoch()
    OnlineEM(other, len(x), OnlineEMOptions(step=1.0, pseudocount=0.3)).batch(x)
    for key, tensor in one.params.items():
        torch.testing.assert_close(other.params[key], tensor)


def test_annealed_steps_shrink_from_epoch_to_epoch_and_survive_a_checkpoint() -> None:
    model = random_circuit(4, variables=4, reals=1)
    x = torch.tensor(data_for(model, 1))
    # By hand: two epochs with the steps 0.4 and 0.2.
    by_hand = compile_circuit(model, dtype=torch.float64)
    for step in (0.4, 0.2):
        OnlineEM(by_hand, len(x), OnlineEMOptions(step=step)).batch(x)
    annealed = compile_circuit(model, dtype=torch.float64)
    options = OnlineEMOptions(step=0.4, annealing=0.5)
    first = OnlineEM(annealed, len(x), options)
    first.batch(x)
    first.end_epoch()
    second = OnlineEM(annealed, len(x), options)
    second.restore(first.state())
    second.batch(x)
    for key, tensor in by_hand.params.items():
        torch.testing.assert_close(annealed.params[key], tensor)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_improves_the_likelihood(method: str) -> None:
    truth = random_circuit(11, variables=5, reals=1)
    x = data_for(truth, 3, rows=300)
    program = compile_circuit(random_circuit(12, variables=5, reals=1))
    if program.circuit.variables != truth.variables:
        pytest.skip("the two random circuits have different variables")
    x = _inside(program.circuit, x)
    chosen = method_named(method)
    learner = chosen.make(program, len(x), chosen.options())
    before = likelihood(program, x)
    for _ in range(20):
        for rows in torch.tensor(x).split(50 if learner.mini_batch else 1000):
            learner.batch(rows.float())
        learner.end_epoch()
    assert likelihood(program, x) > before + 1
    program.circuit.with_params(program.params).validate_params()


def _inside(model: Circuit, x: np.ndarray) -> np.ndarray:
    """Values outside the model's domains become missing."""
    x = x.copy()
    for v in range(x.shape[1]):
        legal = model.domain(v).contains(torch.tensor(x[:, v])).numpy()
        x[~legal, v] = np.nan
    return x


def test_the_gradient_equals_finite_differences() -> None:
    """d log-likelihood / d raw, through weights and every leaf family."""
    model = random_circuit(21, variables=4, reals=1, zero_weights=False)
    x = data_for(model, 5, rows=10)
    program = compile_circuit(model, dtype=torch.float64)
    learner = AdamLearner(program, len(x), AdamOptions())
    start = program.params
    captured: list[torch.Tensor] = []
    learner._optimiser.step = lambda *_: captured.extend(r.grad.clone() for r in learner._raw)  # type: ignore
    learner.batch(torch.tensor(x))
    for n, raw, gradient in zip(learner._banks, learner._raw, captured, strict=True):
        bank = program.banks[n]
        flat = raw.detach().reshape(-1)
        for position in {0, flat.numel() // 2, flat.numel() - 1}:
            values: list[float] = []
            for sign in (1, -1):
                moved = raw.detach().clone(memory_format=torch.contiguous_format)
                moved.view(-1)[position] += sign * 1e-5
                program.load(start)
                bank.set(bank.constrain(moved).contiguous())
                values.append(float(program(x).mean()))
            slope = -(values[0] - values[1]) / 2e-5
            assert float(gradient.reshape(-1)[position]) == pytest.approx(slope, abs=1e-5)
            program.load(start)


def test_rows_of_probability_zero_are_counted_and_teach_nothing() -> None:
    from pccore.build import bernoulli, circuit, indicator, mix

    model = circuit(mix([0.5, 0.5], [indicator("A", 1) * bernoulli("B", p) for p in (0.2, 0.8)]))
    program = compile_circuit(model)
    learner = FullEM(program, 3, EMOptions(pseudocount=0.0))
    result = learner.batch(torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]))
    learner.end_epoch()
    assert result.impossible == 1 and result.rows == 3
    assert np.isfinite(result.log_likelihood)
    np.testing.assert_allclose(program.params["s1"][0], [0.2, 0.8], atol=1e-6)


def test_indicators_and_unreached_units_keep_their_parameters() -> None:
    from pccore.build import bernoulli, circuit, indicator, mix

    unreached = bernoulli("B", 0.37).named("unreached")
    model = circuit(
        mix([0.5, 0.5], [indicator("A", 1) * bernoulli("B", 0.2), indicator("A", 0) * unreached])
    )
    program = compile_circuit(model)
    learner = FullEM(program, 2, EMOptions(pseudocount=0.1))
    learner.batch(torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    learner.end_epoch()
    after = program.params
    for group in model.groups:
        if isinstance(group, LeafGroup) and not group.family.trainable:
            assert torch.equal(after[group.parameter], model.params[group.parameter])
    assert float(after["unreached"]) == pytest.approx(0.37)


def test_methods_are_found_by_themselves() -> None:
    assert {"em", "online-em", "adam", "hard-em", "gradient"} <= set(methods())
    with pytest.raises(NotFoundError, match="known are"):
        method_named("magic")


def test_counts_follow_the_reference_edge_flows() -> None:
    model = random_circuit(2, variables=4)
    x = data_for(model, 2, rows=15)
    program = compile_circuit(model, dtype=torch.float64)
    statistics = program.zero_statistics()
    program.flows(program.evaluate(x, keep=True), statistics)
    trace = reference.evaluate(model, x)
    flows = reference.flows(model, trace)
    root = model.root.group
    spec = next(layer for layer in program.plan.layers if root in layer.groups)
    assert spec.parameters is not None
    row = spec.rows[spec.groups.index(root)]
    counts = program.banks[spec.parameters].counts(statistics[spec.parameters])
    width = program.circuit.params[program.circuit.groups[root].parameter].numel()  # type: ignore
    total = counts[row] if counts.ndim == 3 else counts[row : row + width]
    np.testing.assert_allclose(float(total.sum()), flows[root].sum(), atol=1e-8)


def test_counts_of_many_rows_are_not_lost_in_float32() -> None:
    """A rare state among a million rows, counted by a leaf that is looked up in a table."""
    from pccore.build import categorical, circuit, mix

    count, states = 600_000, 40
    x = np.zeros((count, 1), dtype=np.float32)
    x[::1000, 0] = 39
    uniform = [1 / states] * states
    model = circuit(mix([0.999, 0.001], [categorical("X", uniform), categorical("X", uniform)]))
    program = compile_circuit(model)
    learner = FullEM(program, count, EMOptions(pseudocount=0.0))
    for tile in torch.tensor(x).split(50_000):
        learner.batch(tile)
    learner.end_epoch()
    for name in ("x1", "x2"):
        assert float(program.params[name][0, 0, 39]) == pytest.approx(0.001, rel=2e-3)
    np.testing.assert_allclose(program.params["s1"][0], [0.999, 0.001], rtol=1e-3)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_normalising_keeps_the_distribution_and_makes_z_one(seed: int) -> None:
    from pccore.learn.normalise import normalise
    from pccore.queries import log_partition

    model = random_circuit(seed, variables=4, normalised=False, reals=seed % 2)
    x = data_for(model, seed)
    program = compile_circuit(model, dtype=torch.float64)
    expected = log_likelihood(program, x)
    normalise(program)
    torch.testing.assert_close(log_likelihood(program, x), expected)
    assert float(log_partition(program)) == pytest.approx(0, abs=1e-9)
    after = program.params
    assert not normalise(program)
    assert program.params.equal(after)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "hyper"])  # has its own weights
def test_training_an_unnormalised_circuit_reports_normalised_likelihoods(method: str) -> None:
    from pccore.learn import Epoch, Trainer, TrainOptions

    model = random_circuit(6, variables=4, normalised=False)
    x = data_for(model, 1)
    expected = likelihood(compile_circuit(model, dtype=torch.float64), x) / len(x)
    program = compile_circuit(model, dtype=torch.float64)
    options_of_run = TrainOptions(epochs=5, batch_size=len(x), patience=0)
    trainer = Trainer(program, x, None, method, without_prior(method), options_of_run)
    told: list[float] = []
    for event in trainer.events():
        if isinstance(event, Epoch):
            told.append(event.train_log_likelihood)
            if event.epoch == 1:  # what was seen in epoch 1 is the untrained model
                assert event.train_log_likelihood == pytest.approx(expected, abs=1e-6)
    assert told[0] == pytest.approx(expected, abs=1e-9)
    assert told[-1] == pytest.approx(
        likelihood(program, x) / len(x), abs=0.2 if method != "em" else 0.05
    )
    if method == "em":
        assert all(after >= before - 1e-9 for before, after in itertools.pairwise(told))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["real", "binary", "small", "large", "count"])
@pytest.mark.parametrize("holes", ["half", "rows", "column", "everything", "one row", "constant"])
def test_every_learner_copes_with_poor_data(method: str, kind: str, holes: str) -> None:
    """Missing values, one row, constant columns; a family of every kind of layer."""
    from pccore.learn import Epoch, Trainer, TrainOptions
    from pccore.leaves.base import Support
    from pccore.structures import build_structure
    from pccore.structures.base import Shape

    rng = np.random.default_rng(0)
    states = {"binary": 2, "small": 5, "large": 60, "count": 17}.get(kind)
    shape = Shape.of(4, Support("real") if states is None else Support("finite", states))
    x = rng.normal(100, 3, (30, 4)) if states is None else rng.integers(0, states, (30, 4)) * 1.0
    if holes == "half":
        x[rng.random(x.shape) < 0.5] = np.nan
    elif holes == "rows":
        x[3:9] = np.nan
    elif holes == "column":
        x[:, 1] = np.nan
    elif holes == "everything":
        x[:] = np.nan
    elif holes == "one row":
        x = x[:1]
    else:
        x[:, 2] = x[0, 2]
    options = {"depth": 1, "replicas": 2, "units": 3}
    if kind == "count":
        options["leaf"] = "binomial"
    model = build_structure("rat", shape, options)
    program = compile_circuit(model)
    run = TrainOptions(epochs=4, batch_size=7, patience=0)
    events = list(Trainer(program, x, None, method, without_prior(method), run).events())
    told = [event.train_log_likelihood for event in events if isinstance(event, Epoch)]
    assert np.isfinite(told).all()
    if method == "em":
        tolerance = 1e-4 * max(1, abs(told[0]))
        assert all(b >= a - tolerance for a, b in itertools.pairwise(told))
    model.with_params(program.params).validate_params()
