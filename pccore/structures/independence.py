"""Which columns of data depend on each other: tests of all pairs at once, by matrix products.

Columns are cut into a few states each (`Codes`); one product of their one-hot codes counts the
joint states of all pairs. A missing value is in no state, so that each pair is judged by the
rows that have both.

Sources: the G-test of Gens and Domingos, "Learning the structure of sum-product networks", 2013,
sec. 4; for ordered columns Spearman's rank correlation as well, by Fisher's transformation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pccore.leaves.base import Support

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]

#: Joint counts that are held at a time.
_CHUNK = 2**22


def one_hot(codes: npt.NDArray[np.integer], states: int) -> Table:
    """codes [N, V] of 0 to states - 1, or -1 for missing -> float32 [N, V * states]."""
    hot = codes[:, :, None] == np.arange(states, dtype=codes.dtype)
    return hot.reshape(len(codes), -1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Codes:
    """Columns as a few states each.

    values: int8 [N, V], -1 for missing. states: the most that a column has. ordered: bool [V],
    columns whose order says something that the states do not: those that were cut.
    """

    values: npt.NDArray[np.int8]
    states: int
    ordered: BoolArray

    @classmethod
    def of(cls, data: npt.NDArray[np.floating], supports: Sequence[Support], bins: int) -> Codes:
        """Finite columns of at most `bins` states keep them, all others are cut at quantiles.

        bins: at most 127.
        """
        own = np.array([s.states or bins + 1 for s in supports], dtype=np.int64)
        ordered = own > bins
        values = np.full(data.shape, -1, dtype=np.int8)
        values[:, ~ordered] = np.nan_to_num(data[:, ~ordered], nan=-1.0)
        for v in np.flatnonzero(ordered).tolist():
            column = data[:, v]
            seen = ~np.isnan(column)
            if seen.any():
                inner = np.quantile(column[seen], np.arange(1, bins) / bins)
                values[seen, v] = np.searchsorted(np.unique(inner), column[seen], side="left")
        states = int(np.where(ordered, bins, own).max(initial=1))
        return cls(values, states, ordered)


def g_test(codes: Codes) -> FloatArray:
    """P-values of the G-test of each pair of columns, [V, V]; 1 where nothing can be said.

    A state that no row of a pair has counts for no degree of freedom.
    """
    width, states = codes.values.shape[1], codes.states
    hot = one_hot(codes.values, states)
    found = np.ones((width, width))
    step = max(1, _CHUNK // max(1, width * states * states))
    for first in range(0, width, step):
        last = min(first + step, width)
        joint = hot[:, first * states : last * states].T @ hot
        counts = joint.reshape(last - first, states, width, states).astype(np.float64)
        rows, columns = counts.sum(3), counts.sum(1)  # [b, S, V], [b, V, S]
        total = rows.sum(1)
        # G / 2 = sum n log n - sum rows log rows - sum columns log columns + total log total
        half = _n_log_n(counts).sum((1, 3)) - _n_log_n(rows).sum(1) - _n_log_n(columns).sum(2)
        half += _n_log_n(total)
        freedom = ((rows > 0).sum(1) - 1) * ((columns > 0).sum(2) - 1)
        tested = (freedom > 0) & (total > 0)
        upper = torch.special.gammaincc(
            torch.from_numpy(np.maximum(freedom, 1) / 2), torch.from_numpy(np.maximum(half, 0.0))
        )
        found[first:last] = np.where(tested, upper.numpy(), 1.0)
    return found


def _n_log_n(counts: FloatArray) -> FloatArray:
    return counts * np.log(np.where(counts > 0, counts, 1.0))


def rank_test(data: npt.NDArray[np.floating]) -> FloatArray:
    """P-values of Spearman's rank correlation of each pair of columns, [V, V].

    1 where fewer than four rows have both, or one of them is constant.
    """
    present = ~np.isnan(data)
    ranks = np.zeros(data.shape)
    for v in range(data.shape[1]):
        ranks[present[:, v], v] = _ranks(data[present[:, v], v])
    found, count = correlation(ranks, present)
    bounded = np.clip(found, -1 + 1e-12, 1 - 1e-12)
    score = np.abs(np.arctanh(bounded)) * np.sqrt(np.maximum(count - 3, 0) / 1.06)
    return torch.special.erfc(torch.from_numpy(score / math.sqrt(2))).numpy()


def correlation(values: FloatArray, present: BoolArray) -> tuple[FloatArray, FloatArray]:
    """The correlation of each pair of columns, and how many rows have both: [V, V] each.

    values [N, V], 0 where not present. 0 where fewer than four rows have both, or where one of
    the columns is constant among them.
    """
    seen = present.astype(np.float64)
    count = seen.T @ seen
    own = values.T @ seen  # of the rows that a pair shares, the sum of the first one's values
    squares = (values * values).T @ seen
    with np.errstate(divide="ignore", invalid="ignore"):
        product = count * (values.T @ values) - own * own.T
        spread = count * squares - own * own
        varies = spread > 1e-9 * count * squares
        usable = (count > 3) & varies & varies.T
        found = product / np.sqrt(spread * spread.T)
    return np.where(usable, found, 0.0), count


def _ranks(values: npt.NDArray[np.floating]) -> FloatArray:
    """Ranks around 0, scaled to at most 1/2; equal values have their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return (middle[inverse] + 0.5) / max(len(values), 1) - 0.5


def components(dependent: BoolArray) -> list[IntArray]:
    """The connected parts of a symmetric graph [V, V], each ascending, by their first member."""
    width = len(dependent)
    left = np.ones(width, dtype=np.bool_)
    found: list[IntArray] = []
    for start in range(width):
        if not left[start]:
            continue
        part = np.zeros(width, dtype=np.bool_)
        fresh = np.zeros(width, dtype=np.bool_)
        fresh[start] = True
        while fresh.any():
            part |= fresh
            fresh = dependent[fresh].any(0) & ~part
        left &= ~part
        found.append(np.flatnonzero(part))
    return found


def independent_parts(
    data: npt.NDArray[np.floating], supports: Sequence[Support], significance: float, bins: int
) -> list[IntArray]:
    """Columns in groups between which no pair is found dependent at this significance level.

    data [N, V] with NaN for missing values. Pairs of columns that had to be cut into bins are
    dependent if either test says so.
    """
    if data.shape[1] == 1:
        return [np.zeros(1, dtype=np.int64)]
    codes = Codes.of(data, supports, bins)
    dependent = g_test(codes) < significance
    cut = np.flatnonzero(codes.ordered)
    if len(cut) > 1:
        dependent[np.ix_(cut, cut)] |= rank_test(data[:, cut]) < significance
    return components(dependent | dependent.T)
