"""The labels of a dataset: which classes there are, what they are called, the rows of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pccore.datasets.base import SPLITS, Dataset, Labels, Split
from pccore.errors import DataError


def labelled(dataset: Dataset, split: Split) -> Labels:
    """The labels of a split. Raises DataError where they are not known."""
    labels = dataset.labels[split]
    if labels is None:
        raise DataError(
            "these data have no labels",
            where=f"{dataset.name}:{split}",
            hint=f"an .npz names them {split}_y; of images each class has a folder",
        )
    return labels


def classes_of(dataset: Dataset) -> tuple[int, ...]:
    """The labels of the training rows, ascending. Raises DataError for fewer than two."""
    found = tuple(int(label) for label in np.unique(labelled(dataset, "train")))
    if len(found) < 2:
        raise DataError("the training rows are all of one class", where=dataset.name)
    return found


def class_name(dataset: Dataset, label: int) -> str:
    """What a label means, or its number."""
    names = dataset.label_names
    return names[label] if 0 <= label < len(names) else str(label)


def shares_of(dataset: Dataset) -> tuple[float, ...]:
    """The share of each of `classes_of` in the training rows."""
    known = labelled(dataset, "train")
    return tuple(float(np.mean(known == label)) for label in classes_of(dataset))


def only(dataset: Dataset, label: int) -> Dataset:
    """The rows of one class; splits whose labels are not known have none.

    Raises DataError where no training row has the label.
    """
    known = labelled(dataset, "train")
    if not (known == label).any():
        raise DataError(f"no training row has the label {label}", where=dataset.name)
    rows = {}
    labels: dict[Split, Labels | None] = {}
    for split in SPLITS:
        known = dataset.labels[split]
        mine = np.zeros(len(dataset.split(split)), dtype=bool) if known is None else known == label
        rows[split] = dataset.split(split)[mine]
        labels[split] = None if known is None else known[mine]
    return replace(dataset, **rows, labels=labels)
