"""Handwritten digits: scikit-learn's 1797 images of 8x8 pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np

from pccore.datasets import splits
from pccore.datasets.base import SPLITS, Bundled, Dataset, ImageShape, default_names
from pccore.leaves.base import Support

_DESCRIPTION = (
    "1797 handwritten digits of 8x8 pixels with 17 grey levels, ten classes "
    "(the test part of UCI's Optical Recognition of Handwritten Digits)"
)


@lru_cache(maxsize=1)
def make() -> Dataset:
    """The digits, split 70/15/15 within each class with the seed of `splits`.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.
    """
    from sklearn.datasets import load_digits  # slow to import: only when asked for

    bunch = cast(Any, load_digits())
    images = np.asarray(bunch.data, dtype=np.float32)
    labels = np.asarray(bunch.target, dtype=np.int64)
    index = dict(zip(SPLITS, splits.shuffled(len(images), labels=labels), strict=True))
    return Dataset(
        name="digits",
        train=images[index["train"]],
        valid=images[index["valid"]],
        test=images[index["test"]],
        variables=default_names(64),
        supports=(Support("finite", 17),) * 64,
        image=ImageShape(8, 8, maximum=16),
        labels={split: labels[rows] for split, rows in index.items()},
        description=_DESCRIPTION,
        label_names=tuple("0123456789"),
    )


DIGITS = Bundled("digits", _DESCRIPTION, (1259, 269, 269), 64, make)
