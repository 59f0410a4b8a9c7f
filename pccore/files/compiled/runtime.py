"""Runs a tape (see tape.py) with numpy alone. Exported programs contain this very text.

Values are kept as [rows, samples], a row for each unit; row 0 is the constant log 1. A step writes
the rows that follow those of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: Numbers that one step may hold at a time; longer batches are cut.
WORK = 2**24
#: Coefficients below this stand for log 0, which times 0 would not be 0.
IMPOSSIBLE = -1e29


def run(steps: Sequence[tuple[str, Mapping[str, Array]]], roots: Array, x: Array) -> Array:
    """Log-values of the roots, float64 [B, R], for rows x [B, V]; NaN is missing."""
    rows = 1 + sum(int(arrays["units"]) for _, arrays in steps)
    work = max([rows, *(int(arrays["work"]) for _, arrays in steps)])
    part = max(1, WORK // work)
    out = np.empty((len(x), len(roots)))
    for first in range(0, len(x), part):
        columns = np.asarray(x[first : first + part], np.float64).T
        values = np.zeros((rows, columns.shape[1]))
        row = 1
        with np.errstate(divide="ignore", invalid="ignore"):
            for kind, arrays in steps:
                units = int(arrays["units"])
                values[row : row + units] = KINDS[kind](arrays, values, columns)
                row += units
        out[first : first + part] = values[roots].T
    return out


def table(a: Mapping[str, Array], _: Array, columns: Array) -> Array:
    """Leaves of finite variables: a row of log-probabilities for each state."""
    x = columns[a["variables"]]  # [G, d, B]
    inside = (x >= 0) & (x < a["states"]) & (x == np.floor(x))
    missing, impossible = len(a["table"]) - 2, len(a["table"]) - 1
    index = np.where(inside, x + a["starts"][:, :, None], impossible)
    index = np.where(np.isnan(x), missing, index).astype(np.int64)
    return a["table"][index].sum(1).transpose(0, 2, 1).reshape(-1, x.shape[2])


def linear(a: Mapping[str, Array], _: Array, columns: Array) -> Array:
    """Leaves of counts: log-densities are linear in x, but for what only depends on x."""
    x = columns[a["variables"]]
    seen = ~np.isnan(x)
    inside = (x >= 0) & (x <= a["largest"]) & (x == np.floor(x))
    safe = np.where(inside, x, 0.0)
    # [G, d, S, B]
    statistics = safe[:, :, None] * a["slope"][:, None] + a["offset"][:, None]
    statistics = (statistics * seen[:, :, None]).reshape(len(x), -1, x.shape[2])
    out = a["weights"] @ statistics
    if "base" in a:
        base = a["base"][safe.astype(np.int64)] if len(a["base"]) else -log_factorial(safe)
        out = out + (base * seen).sum(1, keepdims=True)
    impossible = (out < IMPOSSIBLE) | (seen & ~inside).any(1, keepdims=True)
    return np.where(impossible, -np.inf, out).reshape(-1, x.shape[2])


def log_factorial(x: Array) -> Array:
    """log x!, by Stirling's series at x + 8."""
    y = x + 8.0
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / y**2) / y**2) / y**2) / y
    total = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + series
    return total - sum(np.log(x + step) for step in range(1, 8))


def gaussian(a: Mapping[str, Array], _: Array, columns: Array) -> Array:
    """Leaves of real variables."""
    x = columns[a["variables"]][:, :, None]  # [G, d, 1, B]
    values = (
        a["constant"][..., None] - 0.5 * a["precision"][..., None] * (x - a["mean"][..., None]) ** 2
    )
    return np.where(np.isnan(x), 0.0, values).sum(1).reshape(-1, x.shape[3])


def dense(a: Mapping[str, Array], values: Array, _: Array) -> Array:
    """Dense sums: a matrix product between exp and log, shifted by the largest child."""
    children = values[a["children"]]  # [G, N, B]
    if "others" in a:  # each child is a product of two
        children = children + values[a["others"]]
    top = children.max(1, keepdims=True)
    top = np.where(np.isneginf(top), 0.0, top)
    sums = np.log(a["weights"] @ np.exp(children - top))
    return (sums + top + a["log_scale"]).reshape(-1, values.shape[1])


def edges(a: Mapping[str, Array], values: Array, _: Array) -> Array:
    """Sums with edges of their own; shorter ones are filled up with weights of 0."""
    terms = values[a["children"]]  # [U, n, B]
    if "others" in a:
        terms = terms + values[a["others"]]
    terms = terms + a["log_weights"][:, :, None]
    top = terms.max(1)
    top = np.where(np.isneginf(top), 0.0, top)
    return np.log(np.exp(terms - top[:, None]).sum(1)) + top


def product(a: Mapping[str, Array], values: Array, _: Array) -> Array:
    """Products; shorter ones are filled up with row 0."""
    return values[a["children"]].sum(1)


KINDS: Mapping[str, Callable[[Mapping[str, Array], Array, Array], Array]] = {
    step.__name__: step for step in (table, linear, gaussian, dense, edges, product)
}
