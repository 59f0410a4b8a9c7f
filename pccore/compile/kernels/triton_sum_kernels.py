"""The three kernels behind `triton_sums`: sums upward, flows of children, gradients of weights.

Sizes: KA left and KN right units, KO sums, B samples; KA = 1 and no left side without PAIR.
`x_g` and `x_r` are the steps of a tensor x between groups and between units; w_a and w_n those
between the weights of neighbouring left and right units.
"""

# pyright: basic
from __future__ import annotations

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

from pccore.compile.kernels.triton_support import (
    DEAL,
    LIMIT,
    UNDERFLOW,
    exact_column,
    exact_pull,
    exact_row,
    exp,
    finite,
    load_row,
    load_tile,
    log_or_impossible,
    ratio,
    some,
    store_tile,
    top_of_rows,
    tuned,
)


@triton.jit
def sum_tile(
    left, right, weight, left_shift, KA, KN, KO, B, left_r, right_r,
    rows, columns, w_row, w_a, w_n, PAIR: tl.constexpr, COUNT: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Sums in the linear domain [O, B] and the maximum of the right inputs [B], the shift.

    COUNT: the number of possible inputs instead.
    """
    dtype: tl.constexpr = right.dtype.element_ty
    top = tl.full(columns.shape, float("-inf"), dtype)
    total = tl.zeros((rows.shape[0], columns.shape[0]), dtype)
    for start in range(0, KN, BLOCK_N):
        inner = start + tl.arange(0, BLOCK_N)
        child = load_tile(right, inner, right_r, columns, KN, B, float("-inf"))
        if COUNT:
            linear = (child > float("-inf")).to(dtype)
        else:
            higher = tl.maximum(top, tl.max(child, 0))
            shift = finite(higher)
            linear = exp(child - shift[None, :])
            total *= exp(top - shift)[None, :]
            top = higher
        at = weight + (tl.cast(rows, tl.int64) * w_row)[:, None] + (inner * w_n)[None, :]
        inside = (rows < KO)[:, None] & (inner < KN)[None, :]
        if PAIR:
            for a in range(KA):
                share = load_row(left, a, left_r, columns, B)
                weights = tl.load(at + a * w_a, mask=inside, other=0.0)
                if COUNT:
                    share = (share > float("-inf")).to(dtype)
                    weights = (weights > 0).to(dtype)
                else:
                    share = exp(share - left_shift)
                total += tl.dot(weights, linear, input_precision=PRECISION) * share[None, :]
        else:
            weights = tl.load(at, mask=inside, other=0.0)
            if COUNT:
                weights = (weights > 0).to(dtype)
            total = tl.dot(weights, linear, total, PRECISION, out_dtype=dtype)
    return total, top


@tuned("KA", "KN", "KO", "B", "PAIR")
@triton.jit(do_not_specialize=["KA", "KO"])
def up_kernel(
    left, right, weight, out, KA, KN, KO, B, left_g, left_r, right_g, right_r, out_g, out_r,
    w_a, w_n, PAIR: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_O: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """A tile of sums [BLOCK_O, BLOCK_B] of one group."""
    pid = tl.program_id(0)
    tiles_b = tl.cdiv(B, BLOCK_B)
    tiles_o = tl.cdiv(KO, BLOCK_O)
    group = tl.cast(pid // (tiles_b * tiles_o), tl.int64)
    columns = pid % tiles_b * BLOCK_B + tl.arange(0, BLOCK_B)
    first = pid // tiles_b % tiles_o * BLOCK_O
    rows = first + tl.arange(0, BLOCK_O)
    w_row = tl.cast(KA, tl.int64) * KN
    left += group * left_g
    right += group * right_g
    out += group * out_g
    weight += group * KO * w_row

    left_top = tl.zeros((BLOCK_B,), right.dtype.element_ty)
    if PAIR:
        left_top = top_of_rows(left, KA, left_r, columns, B, BLOCK_N)
    left_shift = finite(left_top)
    total, top = sum_tile(
        left, right, weight, left_shift, KA, KN, KO, B, left_r, right_r, rows, columns,
        w_row, w_a, w_n, PAIR, False, PRECISION, BLOCK_N,
    )  # fmt: skip
    shift = finite(top) + left_shift
    top += left_top
    store_tile(out, log_or_impossible(total) + shift[None, :], rows, out_r, columns, KO, B)

    # From here on only what underflowed; what is impossible is most of it, and a count tells.
    lost = (total < UNDERFLOW) & (top > float("-inf"))[None, :] & (rows < KO)[:, None]
    if some(lost):
        count, _ = sum_tile(
            left, right, weight, left_shift, KA, KN, KO, B, left_r, right_r, rows, columns,
            w_row, w_a, w_n, PAIR, True, "tf32" if PRECISION == "tf32x3" else PRECISION, BLOCK_N,
        )  # fmt: skip
        if some(lost & (count > 0)):
            tl.debug_barrier()  # `out` is read again, maybe by other threads than wrote it
            for o in range(first, tl.minimum(first + BLOCK_O, KO)):
                here = out + tl.cast(o, tl.int64) * out_r + columns
                value = tl.load(here, mask=columns < B, other=0.0)
                gone = (top > float("-inf")) & (value - shift < -LIMIT)
                if tl.max(gone.to(tl.int32), 0) > 0:
                    exact = exact_row(
                        left, right, weight + o * w_row, KA, KN, left_r, right_r, columns,
                        w_a, w_n, B, PAIR, BLOCK_N,
                    )  # fmt: skip
                    tl.store(here, tl.where(gone, exact, value), mask=columns < B)


@triton.jit
def pull_tile(
    at, out, flow, top, kept, lost, out_r, flow_r, rows, inner, columns, w_row, KN, KO, B,
    ONE: tl.constexpr, PRECISION: tl.constexpr, BLOCK_O: tl.constexpr,
):  # fmt: skip
    """sum_o w[o, n] r[o] for a tile of children [N, B]; ONE: `kept` holds the r of all sums."""
    if ONE:
        weights = tl.load(at, mask=(rows < KO)[:, None] & (inner < KN)[None, :], other=0.0)
        pulled = tl.dot(tl.trans(weights), kept, input_precision=PRECISION)
    else:
        pulled = tl.zeros((inner.shape[0], columns.shape[0]), kept.dtype)
        for start in range(0, KO, BLOCK_O):
            sums = start + rows
            value = load_tile(out, sums, out_r, columns, KO, B, float("-inf"))
            arriving = load_tile(flow, sums, flow_r, columns, KO, B, 0.0)
            kept, gone = ratio(top, value, arriving)
            lost = tl.maximum(lost, gone)
            inside = (sums < KO)[:, None] & (inner < KN)[None, :]
            weights = tl.load(at + start * w_row, mask=inside, other=0.0)
            pulled = tl.dot(tl.trans(weights), kept, pulled, PRECISION, out_dtype=pulled.dtype)
    return pulled, lost


@tuned("KA", "KN", "KO", "B", "PAIR")
@triton.jit(do_not_specialize=["KA", "KO"])
def flow_kernel(
    left, right, weight, out, flow, left_flow, right_flow, KA, KN, KO, B,
    left_g, left_r, right_g, right_r, out_g, out_r, flow_g, flow_r,
    lf_part, lf_g, lf_r, rf_g, rf_r, w_a, w_n,
    PAIR: tl.constexpr, ONE: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_O: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """The flow of a tile of right children [BLOCK_N, BLOCK_B], and their share of the left's."""
    pid = tl.program_id(0)
    tiles_b = tl.cdiv(B, BLOCK_B)
    tiles_n = tl.cdiv(KN, BLOCK_N)
    group = tl.cast(pid // (tiles_b * tiles_n), tl.int64)
    part = pid // tiles_b % tiles_n
    columns = pid % tiles_b * BLOCK_B + tl.arange(0, BLOCK_B)
    inner = part * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.arange(0, BLOCK_O)
    w_row = tl.cast(KA, tl.int64) * KN
    left += group * left_g
    right += group * right_g
    out += group * out_g
    flow += group * flow_g
    weight += group * KO * w_row
    left_flow += group * lf_g + tl.cast(part, tl.int64) * lf_part

    child = load_tile(right, inner, right_r, columns, KN, B, float("-inf"))
    top = tl.max(child, 0)
    linear = exp(child - finite(top)[None, :])
    if PAIR:
        left_top = top_of_rows(left, KA, left_r, columns, B, BLOCK_N)
        left_shift = finite(left_top)
        top += left_top
    # With more sums than a tile holds these two are placeholders, computed again as needed.
    value = load_tile(out, rows, out_r, columns, KO, B, float("-inf"))
    arriving = load_tile(flow, rows, flow_r, columns, KO, B, 0.0)
    kept, lost = ratio(top, value, arriving)

    at = weight + (rows * w_row)[:, None] + (inner * w_n)[None, :]
    if PAIR:
        pulled = tl.zeros_like(child)
        for a in range(KA):
            share = exp(load_row(left, a, left_r, columns, B) - left_shift)
            once, lost = pull_tile(
                at + a * w_a, out, flow, top, kept, lost, out_r, flow_r, rows, inner, columns,
                w_row, KN, KO, B, ONE, PRECISION, BLOCK_O,
            )  # fmt: skip
            here = left_flow + tl.cast(a, tl.int64) * lf_r + columns
            tl.store(here, share * tl.sum(linear * once, 0), mask=columns < B)
            pulled += once * share[None, :]
    else:
        pulled, lost = pull_tile(
            at, out, flow, top, kept, lost, out_r, flow_r, rows, inner, columns,
            w_row, KN, KO, B, ONE, PRECISION, BLOCK_O,
        )  # fmt: skip
    right_flow += group * rf_g
    store_tile(right_flow, linear * pulled, inner, rf_r, columns, KN, B)

    if tl.max(lost, 0) > 0:
        tl.debug_barrier()  # the flows are read again, maybe by other threads than wrote them
        result = load_tile(right_flow, inner, rf_r, columns, KN, B, 0.0)
        for a in range(KA):
            child = load_tile(right, inner, right_r, columns, KN, B, float("-inf"))
            if PAIR:
                child += load_row(left, a, left_r, columns, B)[None, :]
            extra = exact_pull(
                child, top, weight + a * w_a, out, flow, out_r, flow_r, inner, columns,
                w_row, w_n, KN, KO, B,
            )  # fmt: skip
            if PAIR:
                here = left_flow + tl.cast(a, tl.int64) * lf_r + columns
                before = tl.load(here, mask=columns < B, other=0.0)
                tl.store(here, before + tl.sum(extra, 0), mask=columns < B)
            result += extra
        store_tile(right_flow, result, inner, rf_r, columns, KN, B)


@triton.jit
def grad_tile(
    left, right, out, flow, rows_a, rows, inner, columns, left_r, right_r, out_r, flow_r,
    KA, KN, KO, B, PAIR: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_O: tl.constexpr,
    BLOCK_B: tl.constexpr,
):  # fmt: skip
    """Factors of the gradient: [A * O, B] and [N, B], where some is lost [B], child, top [B]."""
    child = load_tile(right, inner, right_r, columns, KN, B, float("-inf"))
    top = tl.max(child, 0)
    linear = exp(child - finite(top)[None, :])
    if PAIR:
        other = load_tile(left, rows_a, left_r, columns, KA, B, float("-inf"))
        other_top = tl.max(other, 0)
        share = exp(other - finite(other_top)[None, :])
        top += other_top
    value = load_tile(out, rows, out_r, columns, KO, B, float("-inf"))
    arriving = load_tile(flow, rows, flow_r, columns, KO, B, 0.0)
    factor, lost = ratio(top, value, arriving)
    if PAIR:
        factor = share[:, None, :] * factor[None, :, :]
        factor = tl.reshape(factor, (BLOCK_A * BLOCK_O, BLOCK_B))
    return factor, linear, lost, child, top


@tuned("KA", "KN", "KO", "B", "PAIR", "PULL", adds=("grad",))
@triton.jit(do_not_specialize=["KA", "KO", "span", "splits"])
def grad_kernel(
    left, right, weight, out, flow, right_flow, grad, KA, KN, KO, B, span, splits, grad_part,
    left_g, left_r, right_g, right_r, out_g, out_r, flow_g, flow_r, rf_g, rf_r, w_a, w_n,
    PAIR: tl.constexpr, PULL: tl.constexpr, ADD: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_A: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """The gradient of a tile of weights [BLOCK_A * BLOCK_O, BLOCK_N] over `span` * 128 samples.

    PULL: the flow of the children as well (no pairs, all sums in one tile).
    """
    pid = tl.program_id(0)
    inner = pid % tl.cdiv(KN, BLOCK_N) * BLOCK_N + tl.arange(0, BLOCK_N)
    pid = pid // tl.cdiv(KN, BLOCK_N)
    first_o = pid % tl.cdiv(KO, BLOCK_O) * BLOCK_O
    rows = first_o + tl.arange(0, BLOCK_O)
    pid = pid // tl.cdiv(KO, BLOCK_O)
    first_a = pid % tl.cdiv(KA, BLOCK_A) * BLOCK_A
    rows_a = first_a + tl.arange(0, BLOCK_A)
    pid = pid // tl.cdiv(KA, BLOCK_A)
    first = pid % splits * span * DEAL
    last = tl.minimum(first + span * DEAL, B)
    group = tl.cast(pid // splits, tl.int64)
    w_row = tl.cast(KA, tl.int64) * KN
    left += group * left_g
    right += group * right_g
    out += group * out_g
    flow += group * flow_g
    weight += group * KO * w_row
    right_flow += group * rf_g
    grad += group * KO * w_row + tl.cast(pid % splits, tl.int64) * grad_part

    if PULL:
        at = weight + (rows * w_row)[:, None] + (inner * w_n)[None, :]
        weights = tl.load(at, mask=(rows < KO)[:, None] & (inner < KN)[None, :], other=0.0)
    total = tl.zeros((BLOCK_A * BLOCK_O, BLOCK_N), right.dtype.element_ty)
    gone = tl.zeros((BLOCK_B,), tl.int32)
    for start in range(first, last, BLOCK_B):
        columns = start + tl.arange(0, BLOCK_B)
        factor, linear, lost, _, _ = grad_tile(
            left, right, out, flow, rows_a, rows, inner, columns, left_r, right_r, out_r, flow_r,
            KA, KN, KO, B, PAIR, BLOCK_A, BLOCK_O, BLOCK_B,
        )  # fmt: skip
        if PULL:
            pulled = linear * tl.dot(tl.trans(weights), factor, input_precision=PRECISION)
            store_tile(right_flow, pulled, inner, rf_r, columns, KN, B)
        total = tl.dot(factor, tl.trans(linear), total, PRECISION, out_dtype=total.dtype)
        gone = tl.maximum(gone, lost)

    pair = tl.arange(0, BLOCK_A * BLOCK_O)
    of_a = first_a + pair // BLOCK_O
    of_o = first_o + pair % BLOCK_O
    at = grad + (of_o * w_row + of_a * w_a)[:, None] + (inner * w_n)[None, :]
    inside = ((of_a < KA) & (of_o < KO))[:, None] & (inner < KN)[None, :]
    if ADD:
        total += tl.load(at, mask=inside, other=0.0)
    tl.store(at, total, mask=inside)

    if tl.max(gone, 0) > 0:
        for start in range(first, last, BLOCK_B):
            columns = start + tl.arange(0, BLOCK_B)
            _, _, lost, child, top = grad_tile(
                left, right, out, flow, rows_a, rows, inner, columns,
                left_r, right_r, out_r, flow_r,
                KA, KN, KO, B, PAIR, BLOCK_A, BLOCK_O, BLOCK_B,
            )  # fmt: skip
            if tl.max(lost, 0) > 0:
                tl.debug_barrier()  # what was written is read again, maybe by other threads
                if PULL:
                    pulled = load_tile(right_flow, inner, rf_r, columns, KN, B, 0.0)
                    pulled += exact_pull(
                        child, top, weight, out, flow, out_r, flow_r, inner, columns,
                        w_row, w_n, KN, KO, B,
                    )  # fmt: skip
                    store_tile(right_flow, pulled, inner, rf_r, columns, KN, B)
                extra = tl.load(at, mask=inside, other=0.0)
                for sample in range(start, tl.minimum(start + BLOCK_B, last)):
                    extra += exact_column(
                        left, right, out, flow, sample, rows_a, inner, rows,
                        left_r, right_r, out_r, flow_r, KA, KN, KO, PAIR, BLOCK_A, BLOCK_O,
                    )  # fmt: skip
                tl.store(at, extra, mask=inside)
