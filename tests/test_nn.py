"""The circuit as a module: gradients, state, company of other modules."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import Tensor

from pccore import queries
from pccore.build import bernoulli, categorical, circuit, gaussian, poisson
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import DataError, OptionError, PropertyError
from pccore.files import load_model
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.nn import CircuitModule, log_likelihood
from pccore.structures import Shape, build_structure
from tests.learn.support import by_parameter, log_values
from tests.random_circuits import random_circuit
from tests.strategies import random_evidence


def mixed() -> Circuit:
    first = gaussian("a", 1.0, 0.5) * poisson("b", 3.0) * categorical("c", [0.2, 0.3, 0.5])
    second = gaussian("a", -1.0, 2.0) * poisson("b", 0.5) * categorical("c", [0.6, 0.3, 0.1])
    return circuit(0.3 * first + 0.7 * second)


@pytest.mark.parametrize("seed", range(12))
def test_gradients_equal_those_of_the_reference(seed: int) -> None:
    """Of parameters and of the data, in float64, by automatic differentiation."""
    model = mixed() if seed == 0 else random_circuit(seed, reals=seed % 3, tied=seed % 2 == 1)
    model = model.with_roots(model.roots[:1])
    x = torch.tensor(random_evidence(np.random.default_rng(seed), model, 8))
    program = compile_circuit(model, dtype=torch.float64)
    banks = [bank for bank in program.banks if bank.trainable]
    values = [bank.values.clone().requires_grad_() for bank in banks]
    data = x.clone().requires_grad_()
    logs = log_likelihood(program, data, values)
    weights = torch.linspace(-1, 2, len(logs), dtype=torch.float64)
    possible = logs > -torch.inf
    (logs[possible] * weights[possible]).sum().backward()

    params = {k: t.clone().requires_grad_() for k, t in model.params.items()}
    other = x.clone().requires_grad_()
    expected = log_values(model, other, params)
    torch.testing.assert_close(logs[possible], expected)
    (expected * weights[possible]).sum().backward()
    for bank, value in zip(banks, values, strict=True):
        assert value.grad is not None
        for name, gradient in by_parameter(program, bank, value.grad).items():
            want = params[name].grad
            torch.testing.assert_close(
                gradient, torch.zeros_like(gradient) if want is None else want
            )
    assert data.grad is not None
    real = [model.domain(v).kind == "real" for v in range(len(model.variables))]
    slopes = torch.zeros_like(x) if other.grad is None else other.grad.nan_to_num(0.0)
    torch.testing.assert_close(data.grad[:, real], slopes[:, real])
    assert not data.grad[:, [not one for one in real]].any()


def test_gradients_of_the_module_equal_finite_differences() -> None:
    module = CircuitModule(mixed(), dtype=torch.float64)
    x = torch.tensor(
        [[0.3, 2.0, 1.0], [torch.nan, 0.0, 2.0], [-2.0, torch.nan, torch.nan]]
    ).double()

    def value(reals: Tensor, *raw: Tensor) -> Tensor:
        state = {f"raw.{number}": tensor for number, tensor in enumerate(raw)}
        rows = torch.cat([reals[:, None], x[:, 1:]], 1)
        return torch.func.functional_call(module, state, (rows,))

    reals = torch.tensor([0.3, 1.5, -2.0], dtype=torch.float64, requires_grad=True)
    raw = [tensor.detach().clone().requires_grad_() for tensor in module.raw]
    assert torch.autograd.gradcheck(value, (reals, *raw))


def test_narrow_gaussians_far_from_zero() -> None:
    """Units that need a shift each, in single precision."""
    model = circuit(0.5 * gaussian("x", 1e4, 1e-2) + 0.5 * gaussian("x", -1e4, 1e-2))
    x = torch.tensor([[1e4 + 0.25], [-1e4]], requires_grad=True)
    CircuitModule(model)(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[-25.0], [0.0]]), rtol=1e-3, atol=1e-3)


def test_large_batches_go_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_circuit(3, reals=2)
    x = torch.tensor(random_evidence(np.random.default_rng(0), model, 20))

    def gradients() -> list[Tensor]:
        module = CircuitModule(model, dtype=torch.float64)
        data = x.clone().requires_grad_()
        module(data).sum().backward()
        return [t.grad for t in (data, *module.raw) if t.grad is not None]

    whole = gradients()
    monkeypatch.setattr("pccore.nn._tile", lambda _: 3)
    for one, other in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_a_module_like_any_other() -> None:
    torch.manual_seed(0)
    module = CircuitModule(random_circuit(5, reals=1))
    x = torch.tensor(random_evidence(np.random.default_rng(0), module.circuit, 6)).float()
    before = module(x).detach()
    with torch.no_grad():
        for raw in module.raw:
            raw += torch.randn_like(raw)
    after = module(x).detach()
    assert not torch.allclose(before, after)

    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    stream.seek(0)
    fresh = CircuitModule(module.circuit)
    fresh.load_state_dict(torch.load(stream, weights_only=True))
    torch.testing.assert_close(fresh(x), module(x))
    torch.testing.assert_close(copy.deepcopy(module)(x), after)
    torch.testing.assert_close(CircuitModule(module.circuit)(x), after, rtol=1e-4, atol=1e-4)

    double = copy.deepcopy(module).double()
    assert double(x).dtype == torch.float64
    torch.testing.assert_close(double(x).float(), after, rtol=1e-4, atol=1e-4)
    assert "Circuit(" in repr(module)


def test_the_samples_of_a_batch_do_not_mix_with_the_next() -> None:
    """Two forward passes, then two backward passes, twice over the first."""
    module = CircuitModule(mixed(), dtype=torch.float64)
    rows = torch.tensor([[0.0, 1, 1], [2, 0, 0]], dtype=torch.float64)
    one, two = module(rows[:1]), module(rows[1:])
    two.sum().backward()
    one.sum().backward(retain_graph=True)
    both = [raw.grad.clone() for raw in module.raw if raw.grad is not None]
    module.zero_grad()
    module(rows).sum().backward()
    for a, b in zip(both, module.raw, strict=True):
        torch.testing.assert_close(a, b.grad)
    with torch.no_grad():
        module.raw[0] += 1  # the parameters of that pass were derived from these, not these
    one.sum().backward()


def test_frozen_parameters_stay() -> None:
    model = mixed()
    names = [group.parameter for group in model.groups if group.kind == "leaf"]
    module = CircuitModule(model, frozen=names, dtype=torch.float64)
    assert len(list(module.parameters())) == 1
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    (-module(torch.tensor([[0.0, 1, 1]])).sum()).backward()
    optimiser.step()
    now = module.circuit.params
    assert all(torch.equal(now[name], model.params[name]) for name in names)
    (weights,) = {group.parameter for group in model.groups if group.kind == "sum"}
    assert not torch.allclose(now[weights], model.params[weights])


def test_a_net_and_a_circuit_learn_together() -> None:
    """Digits through a linear map of four outputs: both parts get better, and help each other."""
    torch.manual_seed(1)
    data = torch.tensor(load("digits").train[:300]) / 16
    shape = Shape.of(4, Support("real"))
    density = CircuitModule(build_structure("rat", shape, {"units": 4, "depth": 1, "replicas": 2}))
    # An invertible map, whose volume counts: a flow of one layer before the circuit.
    keep = torch.linalg.svd(data - data.mean(0), full_matrices=False).Vh[:4].T
    net = torch.nn.Linear(4, 4)
    optimiser = torch.optim.Adam([*net.parameters(), *density.parameters()], lr=0.05)
    low = (data - data.mean(0)) @ keep
    losses: list[float] = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = -(density(net(low)) + torch.linalg.slogdet(net.weight).logabsdet).mean()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert losses[-1] < losses[0] - 0.5


def test_parameters_from_a_network() -> None:
    """Weights that another network makes get their gradients through `log_likelihood`."""
    program = compile_circuit(mixed(), dtype=torch.float64)
    banks = [bank for bank in program.banks if bank.trainable]
    context = torch.ones(1, 3, dtype=torch.float64)
    heads = [torch.nn.Linear(3, bank.values.numel()).double() for bank in banks]
    values = [
        bank.constrain(head(context).reshape(bank.values.shape))
        for bank, head in zip(banks, heads, strict=True)
    ]
    log_likelihood(program, torch.tensor([[0.0, 1, 1]]), values).sum().backward()
    assert all(head.weight.grad is not None for head in heads)
    with pytest.raises(OptionError, match="tensors of parameters"):
        log_likelihood(program, torch.tensor([[0.0, 1, 1]]), values[:1])
    with pytest.raises(OptionError, match="parameters of the shape"):
        log_likelihood(program, torch.tensor([[0.0, 1, 1]]), [v[:0] for v in values])


def test_what_cannot_be_a_module_is_refused() -> None:
    with pytest.raises(PropertyError):
        CircuitModule(load_model("incomplete"))
    module = CircuitModule(circuit(bernoulli("a", 0.2) * bernoulli("b", 0.5)))
    with pytest.raises(DataError, match="do not fit"):
        module(torch.zeros(2, 3))
    with pytest.raises(DataError, match="column b"):
        module(torch.tensor([[0.0, 2.0]]))


def test_an_unnormalised_circuit_keeps_its_distribution() -> None:
    model = load_model("unnormalised")
    module = CircuitModule(model, dtype=torch.float64)
    x = torch.tensor(random_evidence(np.random.default_rng(0), model, 5))
    torch.testing.assert_close(module(x).detach(), queries.log_likelihood(model, x))


@pytest.mark.gpu
def test_on_a_device() -> None:
    module = CircuitModule(random_circuit(5, reals=1))
    x = torch.tensor(random_evidence(np.random.default_rng(0), module.circuit, 64)).float()
    data = x.clone().requires_grad_()
    module(data).sum().backward()
    want = [tensor.grad for tensor in (data, *module.raw)]
    there = copy.deepcopy(module).to("cuda")
    there.zero_grad()
    data = x.cuda().requires_grad_()
    there(data).sum().backward()
    for one, other in zip((data, *there.raw), want, strict=True):
        assert one.grad is not None and other is not None
        torch.testing.assert_close(one.grad.cpu(), other, rtol=1e-3, atol=1e-3)
