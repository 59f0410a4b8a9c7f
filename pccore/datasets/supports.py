"""Supports of columns: guessed from data, checked against data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.streams import Shards
from pccore.errors import DataError
from pccore.leaves.base import Support

#: A column of integers 0..C-1 is taken as finite up to this C, above as a count.
MAX_STATES = 257

_BLOCK = 2**20


class _Table(Protocol):
    """The part of a Dataset that is asked here."""

    @property
    def num_variables(self) -> int: ...


def guess_supports(*parts: NDArray[Any] | Shards) -> tuple[Support, ...]:
    """One support per column that covers all values of all parts ([N, V] each, NaN = missing).

    Only 0 and 1: finite with 2 states; integers 0..C-1 with C <= 257: finite with C states;
    larger non-negative integers: count; anything else: real. A column with no value at all or
    with one value 0 is finite with 2 states.
    """
    columns = parts[0].shape[1]
    low = np.zeros(columns)
    high = np.zeros(columns)
    whole = np.ones(columns, dtype=bool)
    for part in parts:
        for start in range(0, len(part), step := _rows_per_block(columns)):
            block = part[start : start + step]
            # fmin and fmax skip NaN, and unlike nanmin they do not warn of empty columns.
            low = np.fmin(low, np.fmin.reduce(block, axis=0))
            high = np.fmax(high, np.fmax.reduce(block, axis=0))
            if block.dtype.kind == "f":
                whole &= ((block == np.floor(block)) | np.isnan(block)).all(axis=0)
    supports: list[Support] = []
    for bottom, top, integers in zip(low, high, whole, strict=True):
        if not integers or bottom < 0:
            supports.append(Support("real"))
        elif top < MAX_STATES:
            supports.append(Support("finite", max(2, int(top) + 1)))
        else:
            supports.append(Support("count"))
    return tuple(supports)


def check_columns(
    data: _Table | NDArray[Any] | Shards, variables: int | Sequence[str], where: str = "data"
) -> None:
    """Raise DataError unless the data have a column for each variable of a circuit.

    data: a Dataset or an array [N, V] or [V]. variables: their names, or how many.
    """
    expected = variables if isinstance(variables, int) else len(variables)
    if isinstance(data, np.ndarray | Shards):
        if data.ndim not in (1, 2):
            raise DataError(f"an array of {data.ndim} dimensions is no table", where=where)
        columns = int(data.shape[-1])
    else:
        columns = data.num_variables
    if columns != expected:
        named = "1 column" if columns == 1 else f"{columns} columns"
        needed = "1 variable" if expected == 1 else f"{expected} variables"
        raise DataError(f"the data have {named}, the circuit has {needed}", where=where)


def check_support(
    x: NDArray[Any] | Shards,
    supports: Sequence[Support],
    names: Sequence[str] | None = None,
    where: str = "data",
) -> None:
    """Raise DataError at the first value of x outside the support of its column.

    x: [N, V] or [V]; NaN (missing) passes. The message gives row (from 0), column and value.
    """
    table = x.reshape(1, -1) if isinstance(x, np.ndarray) and x.ndim == 1 else x
    check_columns(table, len(supports), where)
    discrete = np.array([s.kind != "real" for s in supports])
    top = np.array([np.inf if s.states is None else s.states - 1 for s in supports])
    floor = np.where(discrete, 0.0, -np.inf)
    for start in range(0, len(table), step := _rows_per_block(len(supports))):
        block = table[start : start + step]
        bad = (block < floor) | (block > top) | np.isinf(block)
        bad |= discrete & (block != np.floor(block)) & ~np.isnan(block)
        if not bad.any():
            continue
        row, column = (int(i[0]) for i in np.nonzero(bad))
        name = f"X{column}" if names is None else names[column]
        place = f"row {start + row}, column {name}" if x.ndim == 2 else f"column {name}"
        raise DataError(
            f"{place}: the value {float(block[row, column]):g} is not {supports[column]}",
            where=where,
        )


def describe_supports(supports: Sequence[Support]) -> str:
    """Runs of equal supports in words: "64 x finite(17)" or "2 x finite(2), 1 x real"."""
    runs: list[str] = []
    for support, members in itertools.groupby(supports):
        states = "" if support.states is None else f"({support.states})"
        runs.append(f"{sum(1 for _ in members)} x {support.kind}{states}")
    shown = runs if len(runs) <= 8 else [*runs[:7], f"and {len(runs) - 7} more runs"]
    return ", ".join(shown)


def _rows_per_block(columns: int) -> int:
    return max(1, _BLOCK // max(1, columns))
