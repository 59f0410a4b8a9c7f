"""Handwritten digits: scikit-learn's 1797 images of 8x8 pixels."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
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
    table = _table()
    images = table[:, :-1].astype(np.float32)
    labels = table[:, -1].astype(np.int64)
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


def _table() -> np.ndarray:
    """The pixels and, last, the label of each image, [1797, 65].

    Read from the file beside scikit-learn's code: importing `sklearn.datasets`, and with it much
    of SciPy, takes over a second. Its own function is asked where the file lies elsewhere.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    bunch = cast(Any, load_digits())
    return np.column_stack((bunch.data, bunch.target))


DIGITS = Bundled("digits", _DESCRIPTION, (1259, 269, 269), 64, make)
