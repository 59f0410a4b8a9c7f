"""Making the splits that a file does not have; fixed rules, fixed seeds.

- Tables, and folders of images with labels: shuffled, 70/15/15, each label in its share.
- Image arrays and folders without labels stay in file order, 6/8, 1/8, 1/8: neighbours are often
  frames of one film or pictures of one person, and a shuffled split would test on near copies of
  what was trained on. (For the Olivetti faces, 40 people in order, the test part is then the
  customary last 50 faces: five people never seen before.)
- A missing validation part is one tenth of train; a missing test part is 15 % of train. They are
  drawn like the above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 1797
SHUFFLED = (0.70, 0.15, 0.15)
ORDERED = (0.750, 0.125, 0.125)
VALID_SHARE = 0.10
TEST_SHARE = 0.15

Index = NDArray[np.intp]


def shuffled(
    rows: int,
    shares: tuple[float, ...] = SHUFFLED,
    labels: NDArray[Any] | None = None,
    seed: int = SEED,
) -> tuple[Index, ...]:
    """Disjoint row numbers for each share, covering all rows, ascending.

    Each label is divided by the shares on its own (rounded, the first part takes the rest).
    """
    # RandomState, not Generator: its streams are frozen for good (NEP 19).
    random = np.random.RandomState(seed)
    groups = (
        [np.arange(rows)]
        if labels is None
        else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    )
    parts: list[list[Index]] = [[] for _ in shares]
    for group in groups:
        group = group[random.permutation(len(group))]
        for part, index in zip(parts, _cut(group, shares), strict=True):
            part.append(index)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def ordered(rows: int, shares: tuple[float, ...] = ORDERED) -> tuple[Index, ...]:
    """Consecutive row numbers for each share; the first part takes what rounding leaves."""
    return tuple(_cut(np.arange(rows), shares))


def _cut(index: Index, shares: tuple[float, ...]) -> list[Index]:
    """Consecutive pieces; the later ones rounded to the nearest size, halves down."""
    sizes = [int(np.ceil(share * len(index) - 0.5)) for share in shares[1:]]
    bounds = np.cumsum([len(index) - sum(sizes), *sizes])[:-1]
    return list(np.split(index, bounds))
