"""The Triton kernels against plain formulas in float64.

Without a GPU they run in Triton's interpreter, which has to be chosen before Triton is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pccore import oracle
from pccore.compile import compile_circuit
from pccore.learn.em import OnlineEM, OnlineEMOptions
from tests.strategies import random_circuit, random_evidence

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
INTERPRET = "TRITON_INTERPRET"

outside = os.environ.get(INTERPRET)
if not ON_GPU:
    os.environ.setdefault(INTERPRET, "1")
try:
    triton = pytest.importorskip("triton")
    from pccore.compile.kernels.triton_leaves import categorical_flow, categorical_up
    from pccore.compile.kernels.triton_sums import dense_flow, dense_up, einsum_flow, einsum_up
finally:
    if outside is None:
        os.environ.pop(INTERPRET, None)
if not ON_GPU:
    from triton.runtime import interpreter

    if not isinstance(triton.language.max, interpreter.InterpretedFunction):
        pytest.skip("Triton was imported before, not for interpreting", allow_module_level=True)

DTYPES = (torch.float32, torch.float64)
KINDS = ("ordinary", "impossible", "underflow", "far")
#: G, inputs, O, B: one of each; nothing a power of two; more than a tile of inputs and of sums
#: (not fused); samples dealt out to several programs, which has a last one that is short.
DENSE = ((1, 1, 1, 1), (2, 10, 10, 7), (1, 66, 65, 4), (2, 20, 3, 150))
#: G, left, right, O, B: with more right than a tile, and with sides that change places.
EINSUM = ((1,) * 5, (2, 10, 10, 7, 7), (1, 20, 2, 3, 33), (1, 2, 66, 65, 3), (1, 3, 4, 2, 150))


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Triton's interpreter, for a test only; no other test sees the variable."""
    if ON_GPU:
        yield
        return
    monkeypatch.setenv(INTERPRET, "1")
    original = interpreter._patch_lang_tensor

    def patched(tensor: Any, *scope: Any) -> None:
        # Triton 3.6 takes int() of an array of one number, which NumPy 2.4 refuses.
        original(tensor, *scope)
        if scope:
            scope[0].set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    monkeypatch.setattr(interpreter, "_patch_lang_tensor", patched)
    yield


def values(
    rows: int, groups: int, samples: int, kind: str, dtype: torch.dtype, seed: int
) -> Tensor:
    """Log-values [G, rows, B] of children."""
    generator = torch.Generator().manual_seed(seed)
    shape = (groups, rows, samples)
    result = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    if kind != "ordinary":
        result[torch.rand(shape, generator=generator) < 0.2] = -torch.inf
    if kind == "underflow":
        result[:, 0] += 150  # see `weights`
    if kind == "far":
        # Each sample at another height; one in which nothing is possible.
        result += torch.linspace(-150, 50, samples, dtype=torch.float64)
        result[:, :, samples // 2] = -torch.inf
    return result.to(dtype).to(DEVICE)


def weights(
    groups: int, sums: int, sizes: tuple[int, ...], kind: str, dtype: torch.dtype, seed: int
) -> Tensor:
    """Linear weights [G, O, sizes...], some 0; in `underflow` those of the largest child."""
    generator = torch.Generator().manual_seed(seed)
    result = torch.rand((groups, sums, *sizes), generator=generator, dtype=torch.float64)
    if kind != "ordinary":
        result[torch.rand(result.shape, generator=generator) < 0.2] = 0
    if kind == "underflow" and min(sizes) > 1:
        for dim in range(len(sizes)):
            # The last sum keeps its weight, and with it a sum in the linear domain.
            result[:, : max(1, sums - 1)].select(2 + dim, 0).zero_()
    return result.to(dtype).to(DEVICE).contiguous()


def plain(children: Tensor, weight: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log-sums [G, O, B], flows of children [G, I, B] and counts [G, O, I], by autograd."""
    logs = weight.double().log().requires_grad_()
    inputs = children.double().requires_grad_()
    terms = inputs[:, None] + logs[..., None]
    possible = terms.detach().isfinite().any(2)
    out = torch.logsumexp(torch.where(possible[:, :, None], terms, 0.0), 2)
    passed = torch.autograd.grad((out * flow.double() * possible).sum(), (inputs, logs))
    return torch.where(possible, out.detach(), -torch.inf), *passed


def close(actual: Tensor, expected: Tensor) -> None:
    tolerance = 1e-4 if actual.dtype == torch.float32 else 1e-9
    torch.testing.assert_close(
        actual.double(), expected.double(), rtol=tolerance, atol=tolerance / 100
    )


def random_flow(groups: int, sums: int, samples: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    flow = torch.rand((groups, sums, samples), generator=generator, dtype=torch.float64)
    flow[flow < 0.1] = 0
    return flow.to(dtype).to(DEVICE)


def nothing(*shape: int, dtype: torch.dtype) -> Tensor:
    """What has to be written whole."""
    return torch.full(shape, torch.nan, dtype=dtype, device=DEVICE)


def check_dense(children: Tensor, weight: Tensor) -> None:
    """Sums, flows and gradients, with and without the gradient, against the plain formulas."""
    (groups, sums, inputs), samples, dtype = weight.shape, children.shape[2], children.dtype
    flow = random_flow(groups, sums, samples, dtype)
    expected, expected_flow, expected_counts = plain(children, weight, flow)
    out = nothing(groups, sums, samples, dtype=dtype)
    dense_up(children, weight, out)
    close(out, expected)
    child_flow = nothing(groups, inputs, samples, dtype=dtype)
    grad = torch.full_like(weight, 0.5)
    dense_flow(children, weight, out, flow, child_flow, grad)
    close(child_flow, expected_flow)
    close(weight * grad, expected_counts + 0.5 * weight)
    child_flow = nothing(groups, inputs, samples, dtype=dtype)
    dense_flow(children, weight, out, flow, child_flow, None)
    close(child_flow, expected_flow)


def check_einsum(left: Tensor, right: Tensor, weight: Tensor) -> None:
    """The same for pairs; weight: [G, O, K1, K2]."""
    groups, sums, size_left, size_right = weight.shape
    samples, dtype = left.shape[2], left.dtype
    flow = random_flow(groups, sums, samples, dtype)
    flat = weight.flatten(2)
    both = (left.double()[:, :, None] + right.double()[:, None]).flatten(1, 2)
    expected, expected_flow, expected_counts = plain(both, flat, flow)
    expected_flow = expected_flow.unflatten(1, (size_left, size_right))
    out = nothing(groups, sums, samples, dtype=dtype)
    einsum_up(left, right, flat, out)
    close(out, expected)
    left_flow = nothing(groups, size_left, samples, dtype=dtype)
    right_flow = nothing(groups, size_right, samples, dtype=dtype)
    grad = torch.full_like(flat, 0.5)
    einsum_flow(left, right, flat, out, flow, left_flow, right_flow, grad)
    close(left_flow, expected_flow.sum(2))
    close(right_flow, expected_flow.sum(1))
    close(flat * grad, expected_counts + 0.5 * flat)
    again = nothing(groups, size_left, samples, dtype=dtype)
    einsum_flow(left, right, flat, out, flow, again, right_flow, None)
    assert torch.equal(again, left_flow)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", DENSE)
def test_dense(shape: tuple[int, int, int, int], kind: str, dtype: torch.dtype) -> None:
    groups, inputs, sums, samples = shape
    check_dense(
        values(inputs, groups, samples, kind, dtype, 1),
        weights(groups, sums, (inputs,), kind, dtype, 2),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", EINSUM)
def test_einsum(shape: tuple[int, int, int, int, int], kind: str, dtype: torch.dtype) -> None:
    groups, left, right, sums, samples = shape
    check_einsum(
        values(left, groups, samples, kind, dtype, 1),
        values(right, groups, samples, kind, dtype, 2),
        weights(groups, sums, (left, right), kind, dtype, 3),
    )


def test_values_in_strides() -> None:
    """Units from within a larger buffer, one group's units for all groups, every second unit."""
    buffer = values(40, 3, 6, "impossible", torch.float32, 1)
    weight = weights(3, 4, (10,), "impossible", torch.float32, 2)
    check_dense(buffer[:, 5:15], weight)
    check_dense(buffer[1:2, 5:15].expand(3, 10, 6), weight)
    check_dense(buffer[:, 3:23:2], weight)
    pairs = weights(3, 4, (10, 2), "impossible", torch.float32, 2)
    check_einsum(buffer[:, 5:15], buffer[0:1, 20:22].expand(3, 2, 6), pairs)
    out = torch.full((3, 8, 6), torch.nan, device=DEVICE)
    dense_up(buffer[:, 5:15], weight, out[:, 2:6])
    close(out[:, 2:6], plain(buffer[:, 5:15], weight, torch.zeros(3, 4, 6, device=DEVICE))[0])
    assert out[:, :2].isnan().all()
    assert out[:, 6:].isnan().all()


def test_high_and_low_logs_stay_themselves() -> None:
    children = torch.tensor([-1e30, -1e5, -300.0, 0.0, 300.0, 1e5], device=DEVICE)
    children = children.expand(1, 3, 6).contiguous()
    out = nothing(1, 2, 6, dtype=torch.float32)
    weight = torch.tensor([[[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]]], device=DEVICE)
    dense_up(children, weight, out)
    torch.testing.assert_close(out, children[:, :2], rtol=1e-6, atol=1e-6)


def test_a_zero_weight_far_above_the_sum_has_a_finite_gradient() -> None:
    """Its derivative is e^300; the count, zero times the gradient, must not become NaN."""
    children = torch.tensor([[[300.0], [0.0]]], device=DEVICE)
    weight = torch.tensor([[[0.0, 1.0]]], device=DEVICE)
    out, child_flow = nothing(1, 1, 1, dtype=torch.float32), torch.empty_like(children)
    dense_up(children, weight, out)
    assert out.item() == 0
    grad = torch.zeros_like(weight)
    dense_flow(children, weight, out, torch.ones_like(out), child_flow, grad)
    assert child_flow.flatten().tolist() == [0, 1]
    assert (weight * grad).flatten().tolist() == [0, 1]
    zero = torch.zeros_like(children)
    grad = torch.zeros_like(weight)
    left_flow, right_flow = torch.empty_like(zero[:, :1]), torch.empty_like(zero)
    einsum_flow(
        zero[:, :1], children, weight, out, torch.ones_like(out), left_flow, right_flow, grad
    )
    assert left_flow.item() == 1
    assert right_flow.flatten().tolist() == [0, 1]
    assert (weight * grad).flatten().tolist() == [0, 1]


@pytest.mark.parametrize("states_dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (3, 2, 5, 10, 7), (1, 3, 70, 68, 33)])
def test_categorical(
    shape: tuple[int, int, int, int, int], dtype: torch.dtype, states_dtype: torch.dtype
) -> None:
    groups, variables, states, units, samples = shape
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(-1, states, (groups, variables, samples), generator=generator)
    table = torch.rand((groups, variables, states, units), generator=generator, dtype=dtype).log()
    table[torch.rand(table.shape, generator=generator) < 0.1] = -torch.inf
    flow = torch.rand((groups, units, samples), generator=generator, dtype=dtype)
    one_hot = torch.nn.functional.one_hot(x + 1, states + 1)[..., 1:]
    picked = table.double()[:, :, None] * one_hot[..., None]
    expected = picked.where(one_hot[..., None] > 0, 0.0).sum((1, 3)).transpose(1, 2)
    counts = torch.einsum("gdbc,gkb->gdck", one_hot.double(), flow.double())

    x, table, flow = x.to(DEVICE, states_dtype), table.to(DEVICE), flow.to(DEVICE)
    out = nothing(groups, units, samples, dtype=dtype)
    categorical_up(x, table, out)
    close(out, expected.to(DEVICE))
    added = torch.full_like(table, 0.5)
    categorical_flow(x, flow, added)
    close(added, counts.to(DEVICE) + 0.5)


def test_a_state_beyond_the_table_is_impossible_and_not_counted() -> None:
    x = torch.tensor([[[0, 1, 2, -1], [0, 0, 0, -1]]], device=DEVICE)
    table = torch.zeros(1, 2, 2, 1, device=DEVICE)
    out = nothing(1, 1, 4, dtype=torch.float32)
    categorical_up(x, table, out)
    assert out.flatten().tolist() == [0, 0, -torch.inf, 0]
    counts = torch.zeros_like(table)
    categorical_flow(x, torch.ones_like(out), counts)
    assert counts.flatten().tolist() == [1, 1, 3, 0]


def test_no_samples_and_wrong_layouts() -> None:
    weight = torch.ones(2, 3, 4, device=DEVICE)
    dense_up(torch.ones(2, 4, 0, device=DEVICE), weight, torch.ones(2, 3, 0, device=DEVICE))
    children, out = torch.ones(2, 5, 4, device=DEVICE), torch.ones(2, 3, 5, device=DEVICE)
    with pytest.raises(ValueError, match="samples contiguous"):
        dense_up(children.transpose(1, 2), weight, out)
    children = children.transpose(1, 2).contiguous()
    with pytest.raises(ValueError, match="have to be contiguous"):
        dense_up(children, torch.ones(2, 4, 3, device=DEVICE).transpose(1, 2), out)
    with pytest.raises(ValueError, match="have to be contiguous"):
        dense_flow(children, weight, out, out, children, weight.transpose(0, 1))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [16, 32, 64, 100, 256])
def test_dense_at_real_sizes(size: int, kind: str) -> None:
    check_dense(
        values(size, 7, 1000, kind, torch.float32, 1),
        weights(7, size, (size,), kind, torch.float32, 2),
    )


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [10, 16, 32, 64, 100])
def test_einsum_at_real_sizes(size: int, kind: str) -> None:
    check_einsum(
        values(size, 3, 200, kind, torch.float32, 1),
        values(size, 3, 200, kind, torch.float32, 2),
        weights(3, min(size, 70), (size, size), kind, torch.float32, 3),
    )


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["ordinary", "underflow"])
def test_a_captured_graph_repeats_to_the_last_bit(kind: str) -> None:
    children = values(40, 3, 600, kind, torch.float32, 1)
    weight = weights(3, 40, (40,), kind, torch.float32, 2)
    pairs = weights(3, 5, (40, 40), kind, torch.float32, 3).flatten(2)
    flow, out = random_flow(3, 40, 600, torch.float32), nothing(3, 40, 600, dtype=torch.float32)
    few, few_flow = nothing(3, 5, 600, dtype=torch.float32), flow[:, :5]
    flows = [torch.empty_like(children) for _ in range(3)]
    grad, pair_grad = torch.zeros_like(weight), torch.zeros_like(pairs)

    def step() -> None:
        grad.zero_()
        pair_grad.zero_()
        dense_up(children, weight, out)
        dense_flow(children, weight, out, flow, flows[0], grad)
        einsum_up(children, out, pairs, few)
        einsum_flow(children, out, pairs, few, few_flow, flows[1], flows[2], pair_grad)

    step()
    torch.cuda.synchronize()
    first = [tensor.clone() for tensor in (out, few, grad, pair_grad, *flows)]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for tensor in (out, few, *flows):
        tensor.fill_(torch.nan)
    graph.replay()
    torch.cuda.synchronize()
    for tensor, kept in zip((out, few, grad, pair_grad, *flows), first, strict=True):
        assert torch.equal(tensor, kept)


@pytest.mark.parametrize("seed", range(6))
def test_programs_with_fused_kernels_equal_plain_ones(seed: int) -> None:
    """Every value, flow and count of a random circuit, ties and zero weights included."""
    model = random_circuit(seed, variables=4, tied=seed % 2 == 0, zero_weights=True, grouped=True)
    x = random_evidence(np.random.default_rng(seed), model, rows=5)
    plain = compile_circuit(model, dtype=torch.float64, kernels="torch")
    fused = compile_circuit(model, device=DEVICE, kernels="triton")
    first, second = plain.evaluate(x, keep=True), fused.evaluate(x, keep=True)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(second.values.double().cpu().exp(), first.values.exp(), **close)
    counted, added = plain.zero_statistics(), fused.zero_statistics()
    flows = fused.flows(second, added).double().cpu()
    torch.testing.assert_close(flows, plain.flows(first, counted), **close)
    for a, b, expected, found in zip(plain.banks, fused.banks, counted, added, strict=True):
        torch.testing.assert_close(b.counts(found).double().cpu(), a.counts(expected), **close)


@pytest.mark.gpu
def test_captured_passes_give_the_same_counts_and_see_new_parameters() -> None:
    model = random_circuit(3, variables=5, grouped=True)
    rows = oracle.states(model)[:64]
    x = torch.tensor(rows, dtype=torch.float32, device="cuda")
    learners = [
        OnlineEM(compile_circuit(model, "cuda", kernels=kernels), len(x), OnlineEMOptions(0.3, 0.1))
        for kernels in ("torch", "triton")
    ]
    for _ in range(3):
        plain, captured = (learner.batch(x).log_likelihood for learner in learners)
        assert captured == pytest.approx(plain, rel=1e-4)
