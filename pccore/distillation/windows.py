"""What a hidden variable is behind, as vectors of one length, for networks to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split

Array = npt.NDArray[np.float32]


def windows(dataset: Dataset, scopes: Sequence[Sequence[int]]) -> dict[Split, Array]:
    """For each split [N, L, P]: the values of each scope, scaled by mean and deviation of the
    training rows, padded with 0; a missing value is the mean."""
    train = dataset.train
    count = np.maximum((~np.isnan(train)).sum(0), 1)
    mean = np.where(np.isnan(train), 0.0, train).sum(0, dtype=np.float64) / count
    spread = np.where(np.isnan(train), 0.0, train - mean).std(0)
    # One scale for all columns: flat corners of images must not become noise.
    scale = float(np.sqrt((spread**2).mean())) or 1.0
    width = max(len(scope) for scope in scopes)
    found: dict[Split, Array] = {}
    for split in SPLITS:
        rows = np.nan_to_num((dataset.split(split) - mean) / scale, nan=0.0).astype(np.float32)
        made = np.zeros((len(rows), len(scopes), width), dtype=np.float32)
        for i, scope in enumerate(scopes):
            made[:, i, : len(scope)] = rows[:, list(scope)]
        found[split] = made
    return found
