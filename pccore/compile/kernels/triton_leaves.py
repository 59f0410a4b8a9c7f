"""Categorical leaves as Triton kernels, values [groups, units, samples].

Notation: G groups of K leaves over the same D variables, B samples, C states. Tables are
[G, D, C, K]: the K numbers that a sample needs lie side by side. A state of -1 is missing and
contributes nothing; one beyond the table is impossible.
"""

# pyright: basic
from __future__ import annotations

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from pccore.compile.kernels.triton_support import (
    block,
    check_rows,
    check_whole,
    launch,
    load_tile,
    precision_of,
    store_tile,
    tiles,
    tuned,
)


@tuned("D", "C", "K", "B")
@triton.jit(do_not_specialize=["D", "C"])
def up_kernel(
    x, table, out, D, C, K, B, x_g, x_d, out_g, out_r,
    BLOCK_K: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """A tile of leaves [BLOCK_K, BLOCK_B] of one group, gathered."""
    pid = tl.program_id(0)
    tiles_b = tl.cdiv(B, BLOCK_B)
    tiles_k = tl.cdiv(K, BLOCK_K)
    group = tl.cast(pid // (tiles_b * tiles_k), tl.int64)
    columns = pid % tiles_b * BLOCK_B + tl.arange(0, BLOCK_B)
    rows = pid // tiles_b % tiles_k * BLOCK_K + tl.arange(0, BLOCK_K)
    x += group * x_g
    table += group * D * C * K
    total = tl.zeros((BLOCK_K, BLOCK_B), table.dtype.element_ty)
    for d in range(D):
        variable = tl.cast(d, tl.int64)
        states = tl.load(x + variable * x_d + columns, mask=columns < B, other=-1)
        known = (states >= 0) & (states < C)
        entry = (variable * C + tl.where(known, states, 0)) * K
        at = table + entry[None, :] + rows[:, None]
        total += tl.load(at, mask=known[None, :] & (rows < K)[:, None], other=0.0)
        total = tl.where((states >= C)[None, :], float("-inf"), total)
    store_tile(out + group * out_g, total, rows, out_r, columns, K, B)


@tuned("C", "K", "B", adds=("counts",))
@triton.jit(do_not_specialize=["D", "C"])
def flow_kernel(
    x, flow, counts, D, C, K, B, x_g, x_d, flow_g, flow_r,
    PRECISION: tl.constexpr,
    BLOCK_C: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """A tile of one variable's counts [BLOCK_C, BLOCK_K]: one-hot states times flows."""
    dtype: tl.constexpr = flow.dtype.element_ty
    pid = tl.program_id(0)
    inner = pid % tl.cdiv(K, BLOCK_K) * BLOCK_K + tl.arange(0, BLOCK_K)
    pid = pid // tl.cdiv(K, BLOCK_K)
    rows = pid % tl.cdiv(C, BLOCK_C) * BLOCK_C + tl.arange(0, BLOCK_C)
    pid = pid // tl.cdiv(C, BLOCK_C)
    variable = tl.cast(pid % D, tl.int64)
    group = tl.cast(pid // D, tl.int64)
    x += group * x_g + variable * x_d
    flow += group * flow_g
    total = tl.zeros((BLOCK_C, BLOCK_K), dtype)
    for start in range(0, B, BLOCK_B):
        columns = start + tl.arange(0, BLOCK_B)
        states = tl.load(x + columns, mask=columns < B, other=-1)
        chosen = (states[None, :] == rows[:, None]).to(dtype)
        arriving = load_tile(flow, inner, flow_r, columns, K, B, 0.0)
        total = tl.dot(chosen, tl.trans(arriving), total, PRECISION, out_dtype=dtype)
    at = counts + (group * D + variable) * C * K + (tl.cast(rows, tl.int64) * K)[:, None]
    inside = (rows < C)[:, None] & (inner < K)[None, :]
    before = tl.load(at + inner[None, :], mask=inside, other=0.0)
    tl.store(at + inner[None, :], before + total, mask=inside)


def categorical_up(x: Tensor, table: Tensor, out: Tensor) -> None:
    """out[g, k, b] = sum_d table[g, d, x[g, d, b], k].

    x: [G, D, B], int32 or int64; -1 adds 0, C or more -inf. table: [G, D, C, K] logs,
    contiguous. out: [G, K, B], written.

    Raises:
        ValueError: samples or parameters are not contiguous.
    """
    check_rows(x, out)
    check_whole(table)
    if out.numel() == 0:
        return
    groups, units, samples = out.shape
    variables, states = table.shape[1:3]
    block_k = min(64, 1 << (units - 1).bit_length())
    programs = groups * tiles(units, block_k)
    launch(
        up_kernel,
        lambda size: programs * tiles(samples, size),
        (
            x, table, out, variables, states, units, samples,
            *x.stride()[:2], *out.stride()[:2],
        ),
        samples=block(samples, max(32, min(256, 4096 // block_k))),
        BLOCK_K=block_k,
    )  # fmt: skip


def categorical_flow(
    x: Tensor, flow: Tensor, counts: Tensor, *, precision: str | None = None
) -> None:
    """counts[g, d, c, k] += sum of flow[g, k, b] over the samples b with x[g, d, b] = c.

    x: [G, D, B], int32 or int64. flow: [G, K, B]. counts: [G, D, C, K], contiguous, added to.
    precision: of the sum over a tile of samples ("tf32", "tf32x3", "ieee").

    Raises:
        ValueError: samples or parameters are not contiguous.
    """
    check_rows(x, flow)
    check_whole(counts)
    if flow.numel() == 0:
        return
    groups, units, samples = flow.shape
    variables, states = counts.shape[1:3]
    block_c, block_k = block(states, 64), block(units, 64)
    programs = groups * variables * tiles(states, block_c) * tiles(units, block_k)
    launch(
        flow_kernel,
        lambda _: programs,
        (
            x, flow, counts, variables, states, units, samples,
            *x.stride()[:2], *flow.stride()[:2],
        ),
        samples=block(samples, 64),
        PRECISION=precision_of(flow, precision),
        BLOCK_C=block_c,
        BLOCK_K=block_k,
    )  # fmt: skip
