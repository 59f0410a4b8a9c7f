"""Training images that are not there but could be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pccore.datasets.base import Dataset, Labels, Split
from pccore.errors import DataError

#: What may follow the name of a dataset.
MIRROR = "+mirror"


def mirrored(dataset: Dataset) -> Dataset:
    """With the mirror image, left for right, of every training row after them all.

    Validation and test rows stay as they are. Raises DataError where the rows are no images.
    """
    shape = dataset.image
    if shape is None:
        raise DataError("only images can be mirrored", where=dataset.name)
    if dataset.streams:
        raise DataError("data in files larger than memory are not mirrored", where=dataset.name)
    rows = dataset.train.reshape(-1, shape.height, shape.width, shape.channels)
    train = np.concatenate([dataset.train, rows[:, :, ::-1].reshape(dataset.train.shape)])
    labels: Mapping[Split, Labels | None] = dataset.labels
    known = labels["train"]
    if known is not None:
        labels = {**labels, "train": np.concatenate([known, known])}
    return replace(dataset, name=dataset.name + MIRROR, train=train, labels=labels)
