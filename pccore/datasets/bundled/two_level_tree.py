"""256 binary variables on a tree: the hand-designed data that HyperSPNs were introduced with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pccore.datasets.base import Bundled, Dataset, default_names
from pccore.leaves.base import Support

_DESCRIPTION = (
    "256 binary variables, the leaves of a complete binary tree: the closer two leaves, "
    "the more they agree"
)
_ROWS = (7000, 1000, 2000)
_LEVELS = 8
_STEP = 0.2
_SEED = 256


@lru_cache(maxsize=1)
def make() -> Dataset:
    """10000 samples of a random walk down a complete binary tree.

    For every sample the root has the value 1/2, a child that of its parent plus a uniform step on
    (-0.2, 0.2), and a leaf is 1 with probability its value, cut to [0, 1]. Two leaves with s
    common steps correlate by about s / 24.

    Source: Shih, Sadigh and Ermon 2021 (HyperSPNs), appendix A. The paper says only that the
    correlation depends on the path length between two leaves; step and levels are chosen so that
    the correlation of each distance agrees with the authors' own data within 0.005.
    """
    random = np.random.RandomState(_SEED)
    value = np.full((sum(_ROWS), 1), 0.5, dtype=np.float32)
    for _ in range(_LEVELS):
        value = np.repeat(value, 2, axis=1)
        value += (2 * _STEP) * random.random_sample(value.shape).astype(np.float32) - _STEP
    # A probability above 1 or below 0 acts as if cut: random_sample lies in [0, 1).
    rows = (random.random_sample(value.shape) < value).astype(np.float32)
    train, valid, test = np.split(rows, np.cumsum(_ROWS)[:-1])
    return Dataset(
        name="two-level-tree",
        train=train,
        valid=valid,
        test=test,
        variables=default_names(2**_LEVELS),
        supports=(Support("finite", 2),) * 2**_LEVELS,
        description=_DESCRIPTION,
    )


TWO_LEVEL_TREE = Bundled("two-level-tree", _DESCRIPTION, _ROWS, 2**_LEVELS, make)
