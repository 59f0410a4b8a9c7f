"""Sums as Triton kernels, values [groups, units, samples] with the samples contiguous.

Notation: G groups, B samples, O sums; the inputs of a sum are N units (`dense_*`), or all
pairs of A left and N right units (`einsum_*`), whose products never go to memory. Values
are natural logs, -inf is impossible, weights are linear and may be 0.

A tile of sums is a matrix product in the linear domain between a shift by the maximum over
the inputs and a logarithm (log-einsum-exp, Peharz et al. 2020, eq. 5). The flow pass is two
more matrix products in blocks of units (Liu et al. 2024, sec. 3): with
r[o] = exp(shift - out[o]) * flow[o] and x[n] = exp(child[n] - shift),

    child_flow[n] = x[n] * sum_o w[o, n] r[o],      weight_grad[o, n] = sum_b r[o, b] x[n, b].

Any shift will do there, so each tile takes the maximum over its own inputs.

Where a shifted sum underflows though an input is possible (a zero weight on the largest), or
shift - out passes 69, the entries concerned are redone in log space by the same program:
nothing is read back by the host. No sum over samples depends on the order of programs.
"""

# pyright: basic
from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from pccore.compile.kernels.triton_sum_kernels import flow_kernel, grad_kernel, up_kernel
from pccore.compile.kernels.triton_support import (
    BUSY,
    DEAL,
    SMALLEST,
    block,
    check_rows,
    check_whole,
    launch,
    pairs,
    precision_of,
    sample_block,
    tiles,
)

#: The largest number of sums whose flow and gradient one program does together.
FUSED: Final = 64


def _run_up(
    left: Tensor, right: Tensor, weights: Tensor, out: Tensor, steps: tuple[int, int],
    pair: bool, precision: str | None,
) -> None:  # fmt: skip
    """Launch the upward kernel. steps: of the weights, see `Pairs`."""
    check_rows(left, right, out)
    check_whole(weights)
    groups, sums, samples = out.shape
    if out.numel() == 0:
        return
    size_a, size_n = left.shape[1] if pair else 1, right.shape[1]
    block_o = block(sums, 64)
    programs = groups * tiles(sums, block_o)
    launch(
        up_kernel,
        lambda size: programs * tiles(samples, size),
        (
            left, right, weights, out, size_a, size_n, sums, samples,
            *left.stride()[:2], *right.stride()[:2], *out.stride()[:2], *steps,
        ),
        samples=sample_block(samples, programs, 128 if block_o == SMALLEST else 64),
        PAIR=pair,
        PRECISION=precision_of(right, precision),
        BLOCK_O=block_o,
        BLOCK_N=block(size_n, 32),
    )  # fmt: skip


def _run_flow(
    left: Tensor, right: Tensor, weights: Tensor, out: Tensor, flow: Tensor, left_flow: Tensor,
    right_flow: Tensor, steps: tuple[int, int], pair: bool, precision: str | None,
) -> None:  # fmt: skip
    """Launch the flow of the children."""
    groups, sums, samples = out.shape
    size_a, size_n = left.shape[1] if pair else 1, right.shape[1]
    block_o, block_n = block(sums, 32 if pair and sums > 64 else 64), block(size_n, 64)
    parts = tiles(size_n, block_n)
    # Each tile of right units knows its part of the left's flow.
    partial = (
        torch.empty((parts, *left_flow.shape), dtype=left.dtype, device=left.device)
        if pair and parts > 1
        else left_flow.unsqueeze(0)
    )
    launch(
        flow_kernel,
        lambda size: groups * parts * tiles(samples, size),
        (
            left, right, weights, out, flow, partial, right_flow, size_a, size_n, sums, samples,
            *left.stride()[:2], *right.stride()[:2], *out.stride()[:2], *flow.stride()[:2],
            *partial.stride()[:3], *right_flow.stride()[:2], *steps,
        ),
        samples=sample_block(samples, groups * parts, 64 if block_o * block_n <= 1024 else 32),
        stages=1,
        PAIR=pair,
        ONE=sums <= block_o,
        PRECISION=precision_of(right, precision),
        BLOCK_O=block_o,
        BLOCK_N=block_n,
    )  # fmt: skip
    if partial.shape[0] > 1:
        torch.sum(partial, 0, out=left_flow)


def _run_grad(
    left: Tensor, right: Tensor, weights: Tensor, out: Tensor, flow: Tensor, right_flow: Tensor,
    grad: Tensor, steps: tuple[int, int], pair: bool, pull: bool, precision: str | None,
) -> None:  # fmt: skip
    """Launch the gradient of the weights, with the flow of the children where `pull`."""
    groups, sums, samples = out.shape
    size_a, size_n = left.shape[1] if pair else 1, right.shape[1]
    block_o, block_n = block(sums, 64), block(size_n, 64)
    block_a = min(1 << (size_a - 1).bit_length(), max(1, 128 // block_o))
    programs = groups * tiles(size_a, block_a) * tiles(sums, block_o) * tiles(size_n, block_n)
    dealt = tiles(samples, DEAL.value)
    span = tiles(dealt, max(1, min(2 * BUSY // programs, dealt)))
    splits = tiles(dealt, span)
    partial = (
        grad
        if splits == 1
        else torch.empty((splits, *grad.shape), dtype=grad.dtype, device=grad.device)
    )
    launch(
        grad_kernel,
        lambda _: programs * splits,
        (
            left, right, weights, out, flow, right_flow, partial, size_a, size_n, sums, samples,
            span, splits, grad.numel(),
            *left.stride()[:2], *right.stride()[:2], *out.stride()[:2], *flow.stride()[:2],
            *right_flow.stride()[:2], *steps,
        ),
        samples=block(samples, 64 if max(block_a * block_o, block_n) == SMALLEST else 32),
        warps=8 if block_a * block_o > 64 else 4,
        PAIR=pair,
        PULL=pull,
        ADD=splits == 1,
        PRECISION=precision_of(right, precision),
        BLOCK_A=block_a,
        BLOCK_O=block_o,
        BLOCK_N=block_n,
    )  # fmt: skip
    if splits > 1:
        grad += partial.sum(0)


def dense_up(
    children: Tensor, weights: Tensor, out: Tensor, *, precision: str | None = None
) -> None:
    """out[g, o, b] = log sum_i weights[g, o, i] exp(children[g, i, b]).

    children: [G, I, B]. weights: [G, O, I], contiguous. out: [G, O, B], written.
    precision: of float32 products ("tf32", "tf32x3", "ieee"), by size if not given.

    Source: Peharz et al. 2020, eq. 5.

    Raises:
        ValueError: samples or weights are not contiguous.
    """
    _run_up(children, children, weights, out, (0, 1), False, precision)


def dense_flow(
    children: Tensor,
    weights: Tensor,
    out: Tensor,
    flow: Tensor,
    child_flow: Tensor,
    weight_grad: Tensor | None,
    *,
    precision: str | None = None,
) -> None:
    """Pass the flow [G, O, B] of the sums `out` [G, O, B] down to their children.

    child_flow [G, I, B] is written: sum_o weights[o, i] exp(children[i] - out[o]) flow[o].
    weight_grad [G, O, I], contiguous, is added to: sum_b exp(children[i, b] - out[o, b])
    flow[o, b], each sample's exponential at most e^69. Impossible sums pass nothing.

    Source: Liu et al. 2024, sec. 3.

    Raises:
        ValueError: samples or weights are not contiguous.
    """
    check_rows(children, out, flow, child_flow)
    check_whole(weights, weight_grad)
    if flow.numel() == 0:
        return
    sides = children, children, weights, out, flow
    one = weight_grad is not None and out.shape[1] <= FUSED
    if not one:
        _run_flow(*sides, child_flow, child_flow, (0, 1), False, precision)
    if weight_grad is not None:
        _run_grad(*sides, child_flow, weight_grad, (0, 1), False, one, precision)


def einsum_up(
    left: Tensor, right: Tensor, weights: Tensor, out: Tensor, *, precision: str | None = None
) -> None:
    """out[g, o, b] = log sum_{k1, k2} weights[g, o, (k1, k2)] e^(left[g, k1, b] + right[g, k2, b]).

    left: [G, K1, B]. right: [G, K2, B]. weights: [G, O, K1 * K2], row-major in (k1, k2),
    contiguous. out: [G, O, B], written. precision: as in `dense_up`.

    Source: Peharz et al. 2020, eq. 5.

    Raises:
        ValueError: samples or weights are not contiguous.
    """
    sides = pairs(left, right)
    _run_up(sides.left, sides.right, weights, out, sides.steps, True, precision)


def einsum_flow(
    left: Tensor,
    right: Tensor,
    weights: Tensor,
    out: Tensor,
    flow: Tensor,
    left_flow: Tensor,
    right_flow: Tensor,
    weight_grad: Tensor | None,
    *,
    precision: str | None = None,
) -> None:
    """Pass the flow [G, O, B] of the sums `out` over pairs down to both sides.

    left_flow [G, K1, B] and right_flow [G, K2, B] are written, weight_grad [G, O, K1 * K2] is
    added to, as in `dense_flow` with left[k1] + right[k2] for a child.

    Source: Liu et al. 2024, sec. 3.

    Raises:
        ValueError: samples or weights are not contiguous.
    """
    check_rows(left, right, out, flow, left_flow, right_flow)
    check_whole(weights, weight_grad)
    if flow.numel() == 0:
        return
    sides = pairs(left, right)
    flows = (right_flow, left_flow) if sides.swapped else (left_flow, right_flow)
    given = sides.left, sides.right, weights, out, flow
    _run_flow(*given, *flows, sides.steps, True, precision)
    if weight_grad is not None:
        _run_grad(*given, flows[1], weight_grad, sides.steps, True, False, precision)
