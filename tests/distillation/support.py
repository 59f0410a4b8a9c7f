"""Small data with structure."""

from __future__ import annotations

import numpy as np

from pccore.datasets import Dataset
from pccore.leaves.base import Support


def binary(columns: int, rows: int = 300, states: int = 2) -> Dataset:
    """A chain of columns that are mostly alike."""
    rng = np.random.default_rng(columns)
    x = np.zeros((rows, columns), dtype=np.float32)
    x[:, 0] = rng.integers(0, states, rows)
    for v in range(1, columns):
        stay = rng.random(rows) < 0.8
        x[:, v] = np.where(stay, x[:, v - 1], rng.integers(0, states, rows))
    names = tuple(f"X{v}" for v in range(columns))
    third = rows // 3
    return Dataset(
        "chain",
        x[:third],
        x[third : 2 * third],
        x[2 * third :],
        names,
        (Support("finite", states),) * columns,
    )
