"""What the Triton kernels share: launching, tiles, and the exact way where a sum underflows.

Notation as in `triton_sums`: G groups, B samples, O outputs; the inputs of a sum are pairs
(a, n) of A left and N right units, or, for a plain sum, N units and A = 1 (`PAIR` false,
the left pointer unused). Tiles are [rows, samples], the samples contiguous.
"""

# pyright: basic
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

#: Measures tile sizes on the device, once for each kernel and size. Not inside a CUDA graph:
#: run once before the capture.
AUTOTUNE: Final = os.environ.get("PCCORE_AUTOTUNE") == "1"
#: As many programs as keep an H100 or H200 busy (132 multiprocessors).
BUSY: Final = 132
#: tl.dot takes nothing smaller.
SMALLEST: Final = 16

#: A shifted sum below e^-LIMIT (1e-30) has lost digits. It also bounds exp() in the flow pass.
LIMIT = tl.constexpr(69.0)
LOG2_E = tl.constexpr(1.4426950408889634)
UNDERFLOW = tl.constexpr(1e-30)
#: Samples of a sum over samples are dealt out to programs in multiples of this.
DEAL = tl.constexpr(128)


def tuned(*sizes: str, adds: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """`triton.autotune` keyed on `sizes`; does nothing unless PCCORE_AUTOTUNE=1.

    adds: pointers that the kernel adds to, which every trial has to find as they were.
    """
    if not AUTOTUNE:
        return lambda kernel: kernel
    configs = [
        triton.Config({"BLOCK_B": block}, num_warps=warps, num_stages=stages)
        for block in (16, 32, 64, 128)
        for warps in (4, 8)
        for stages in (1, 2, 3)
    ]
    return triton.autotune(configs, key=list(sizes), restore_value=list(adds))


def launch(
    kernel: Any,
    programs: Callable[[int], int],
    arguments: tuple[Any, ...],
    *,
    samples: int,
    warps: int = 4,
    stages: int = 2,
    **constants: Any,
) -> None:
    """Run `kernel` on programs(samples in a tile) programs, on the device of its tensors."""
    chosen = {} if AUTOTUNE else {"BLOCK_B": samples, "num_warps": warps, "num_stages": stages}

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (programs(meta["BLOCK_B"]),)

    first = next(argument for argument in arguments if isinstance(argument, Tensor))
    if first.is_cuda and first.device.index != torch.cuda.current_device():
        with torch.cuda.device(first.device):
            kernel[grid](*arguments, **constants, **chosen)
    else:
        kernel[grid](*arguments, **constants, **chosen)


def tiles(size: int, block: int) -> int:
    """How many blocks cover `size`."""
    return -(-size // block)


def block(size: int, largest: int) -> int:
    """The power of two that covers `size`, between SMALLEST and `largest`."""
    return max(SMALLEST, min(largest, 1 << max(0, size - 1).bit_length()))


def sample_block(samples: int, programs: int, largest: int) -> int:
    """Samples in a tile: fewer where too few programs would run. programs: for each tile."""
    size = block(samples, largest)
    while size > 32 and programs * tiles(samples, size) < BUSY:
        size //= 2
    return size


def check_whole(*tensors: Tensor | None) -> None:
    """Refuse parameters that are not contiguous.

    Raises:
        ValueError: there are some.
    """
    if not all(tensor is None or tensor.is_contiguous() for tensor in tensors):
        raise ValueError("weights, tables and their gradients have to be contiguous")


def check_rows(*tensors: Tensor) -> None:
    """Refuse tensors [G, rows, B] whose rows are not contiguous.

    Raises:
        ValueError: there is one.
    """
    for tensor in tensors:
        if tensor.dim() != 3 or (tensor.shape[2] > 1 and tensor.stride(2) != 1):
            raise ValueError("values have to be [groups, units, samples], samples contiguous")


class Pairs(NamedTuple):
    """The two sides of all pairs of units; the right one is a matrix product's inner dimension."""

    left: Tensor
    right: Tensor
    swapped: bool
    steps: tuple[int, int]  # between the weights of neighbours on the left and on the right


def pairs(left: Tensor, right: Tensor) -> Pairs:
    """The sides in the order that suits a product, which takes at least SMALLEST inner units."""
    width = right.shape[1]
    if width < SMALLEST and left.shape[1] > width:
        return Pairs(right, left, True, (1, width))
    return Pairs(left, right, False, (width, 1))


def precision_of(values: Tensor, wanted: str | None) -> str:
    """`wanted`; if not given, three tensor core products that together are float32's 24 bits."""
    return (wanted or "tf32x3") if values.dtype == torch.float32 else "ieee"


@triton.jit
def load_tile(matrix, rows, row_stride, columns, n_rows, n_columns, fill):
    """[rows, columns] of a matrix whose rows are contiguous; `fill` outside it."""
    at = matrix + (tl.cast(rows, tl.int64) * row_stride)[:, None] + columns[None, :]
    inside = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
    return tl.load(at, mask=inside, other=fill)


@triton.jit
def store_tile(matrix, values, rows, row_stride, columns, n_rows, n_columns):
    """Write [rows, columns] of a matrix whose rows are contiguous."""
    at = matrix + (tl.cast(rows, tl.int64) * row_stride)[:, None] + columns[None, :]
    tl.store(at, values, mask=(rows < n_rows)[:, None] & (columns < n_columns)[None, :])


@triton.jit
def load_row(matrix, row, row_stride, columns, n_columns):
    """One row of log-values; -inf outside the matrix."""
    at = matrix + tl.cast(row, tl.int64) * row_stride + columns
    return tl.load(at, mask=columns < n_columns, other=float("-inf"))


@triton.jit
def exp(values):
    """e^values, less than the smallest normal number as 0: one instruction and a product."""
    return tl.exp2(values * LOG2_E)


@triton.jit
def finite(top):
    """A maximum as a shift: 0 where everything is impossible, so that nothing is inf - inf."""
    return tl.where(top == float("-inf"), 0.0, top)


@triton.jit
def log_or_impossible(linear):
    """log, and -inf at 0 without asking for log(0)."""
    return tl.where(linear > 0, tl.log(tl.where(linear > 0, linear, 1.0)), float("-inf"))


@triton.jit
def top_of_rows(matrix, n_rows, row_stride, columns, n_columns, ROWS: tl.constexpr):
    """The maximum over all rows, for each column."""
    inside = tl.arange(0, ROWS)
    tile = load_tile(matrix, inside, row_stride, columns, n_rows, n_columns, float("-inf"))
    top = tl.max(tile, 0)
    for start in range(ROWS, n_rows, ROWS):
        rows = start + inside
        tile = load_tile(matrix, rows, row_stride, columns, n_rows, n_columns, float("-inf"))
        top = tl.maximum(top, tl.max(tile, 0))
    return top


@triton.jit
def some(flags):
    """Whether any entry of a tile is set."""
    return tl.max(tl.max(flags.to(tl.int32), 0), 0) > 0


@triton.jit
def ratio(top, out, flow):
    """exp(top - out) * flow for tiles [O, B] and top [B], and the samples [B] where some is lost.

    Lost ones (e^(top - out) > 1e30, and something flows) are 0. Impossible sums pass nothing.
    """
    # An impossible sum counts as infinitely likely: the ratio is 0, and -inf - inf no NaN.
    gap = top[None, :] - tl.where(out == float("-inf"), float("inf"), out)
    kept = tl.where(gap > LIMIT, 0.0, exp(tl.minimum(gap, LIMIT)) * flow)
    # By sample: a flag for each entry, carried through a loop, would take a register each.
    return kept, tl.max(((gap > LIMIT) & (flow != 0)).to(tl.int32), 0)


@triton.jit
def exact_row(
    left, right, weight, size_a, size_n, left_row, right_row, columns, w_a, w_n, n_columns,
    PAIR: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """The log-sum of all inputs of one sum [B], in log space; weight: of this sum."""
    top = tl.full(columns.shape, float("-inf"), right.dtype.element_ty)
    total = tl.zeros(columns.shape, right.dtype.element_ty)
    for a in range(size_a):
        for start in range(0, size_n, BLOCK_N):
            inner = start + tl.arange(0, BLOCK_N)
            weights = tl.load(weight + a * w_a + inner * w_n, mask=inner < size_n, other=0.0)
            child = load_tile(right, inner, right_row, columns, size_n, n_columns, float("-inf"))
            term = child + log_or_impossible(weights)[:, None]
            if PAIR:
                term += load_row(left, a, left_row, columns, n_columns)[None, :]
            higher = tl.maximum(top, tl.max(term, 0))
            shift = finite(higher)
            total = total * exp(top - shift) + tl.sum(exp(term - shift[None, :]), 0)
            top = higher
    return log_or_impossible(total) + finite(top)


@triton.jit
def exact_pull(
    child, top, weight, out, flow, out_row, flow_row, inner, columns,
    w_row, w_n, size_n, size_o, n_columns,
):  # fmt: skip
    """What `ratio` lost of the flow of children [N, B]: sum of exp(child - out) w flow.

    child: the log-values of the tile, `top` [B] what `ratio` was given; weight: of the first sum.
    """
    extra = tl.zeros_like(child)
    for o in range(size_o):
        value = load_row(out, o, out_row, columns, n_columns)
        at = flow + tl.cast(o, tl.int64) * flow_row + columns
        arriving = tl.load(at, mask=columns < n_columns, other=0.0)
        value = tl.where(value == float("-inf"), float("inf"), value)
        arriving = tl.where(top - value > LIMIT, arriving, 0.0)
        if tl.max((arriving != 0).to(tl.int32), 0) > 0:
            of_sum = weight + tl.cast(o, tl.int64) * w_row + inner * w_n
            weights = log_or_impossible(tl.load(of_sum, mask=inner < size_n, other=0.0))
            term = child + weights[:, None] - value[None, :]
            extra += exp(tl.minimum(term, LIMIT)) * arriving[None, :]
    return extra


@triton.jit
def exact_column(
    left, right, out, flow, sample, rows_a, inner, rows, left_row, right_row, out_row, flow_row,
    size_a, size_n, size_o, PAIR: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_O: tl.constexpr,
):  # fmt: skip
    """What `ratio` lost of one sample's gradient: exp(left + right - out) flow, [A * O, N].

    The exponential is held below e^LIMIT; it is above only where the weight is below e^-LIMIT.
    """
    at = tl.cast(rows, tl.int64)
    value = tl.load(out + at * out_row + sample, mask=rows < size_o, other=float("inf"))
    amount = tl.load(flow + at * flow_row + sample, mask=rows < size_o, other=0.0)
    at = right + tl.cast(inner, tl.int64) * right_row + sample
    child = tl.load(at, mask=inner < size_n, other=float("-inf"))
    value = tl.where(value == float("-inf"), float("inf"), value)
    top = tl.max(child, 0)
    base = -value
    if PAIR:
        at = left + tl.cast(rows_a, tl.int64) * left_row + sample
        other = tl.load(at, mask=rows_a < size_a, other=float("-inf"))
        top += tl.max(other, 0)
        base = tl.reshape(other[:, None] + base[None, :], (BLOCK_A * BLOCK_O,))
    amount = tl.where(top - value > LIMIT, amount, 0.0)
    if PAIR:
        amount = tl.broadcast_to(amount[None, :], (BLOCK_A, BLOCK_O))
        amount = tl.reshape(amount, (BLOCK_A * BLOCK_O,))
    share = exp(tl.minimum(base[:, None] + child[None, :], LIMIT))
    return share * amount[:, None]
