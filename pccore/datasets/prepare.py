"""Getting a dataset ready: other splits, and texts that say which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.datasets import splits
from pccore.datasets.base import SPLITS, Dataset, Labels, Split
from pccore.errors import DataError

_SHARE = re.compile(r"\d{1,6}(\.\d{1,6})?|\.\d{1,6}", re.A)


def parse_shares(text: str) -> tuple[float, float, float]:
    """Shares of train, valid and test that `80/10/10` or `0.7/0/0.3` write; they add up to 1.

    Raises DataError.
    """
    parts = [part.strip() for part in text.split("/")]
    if len(parts) != 3 or not all(_SHARE.fullmatch(part) for part in parts):
        raise DataError(f"{text[:40]!r} is no split such as 80/10/10 (train, valid, test)")
    numbers = [float(part) for part in parts]
    total = sum(numbers)
    if not numbers[0] > 0 or min(abs(total - 1), abs(total - 100)) > 1e-6 * max(1, total):
        raise DataError(f"the shares {text[:40]} do not add up to 100 with some to train on")
    first, second, third = (number / total for number in numbers)
    return first, second, third


def resplit(
    dataset: Dataset, shares: Sequence[float], seed: int = splits.SEED, *, in_order: bool = False
) -> Dataset:
    """The same rows in other splits: shares of train, valid and test, which add up to 1.

    Shuffled by the seed, each label in its share where labels are known; in_order: consecutive rows
    of train, valid and test as they are, for neighbours that are near copies.

    Raises DataError for data larger than memory, and where no row is left to train on.
    """
    if dataset.streams:
        raise DataError("data in files larger than memory are not split", where=dataset.name)
    rows = np.concatenate([dataset.split(split) for split in SPLITS])
    labels = _all_labels(dataset)
    if in_order:
        index = splits.ordered(len(rows), tuple(shares))
    else:
        index = splits.shuffled(len(rows), tuple(shares), labels, seed)
    parts = dict(zip(SPLITS, index, strict=True))
    if not len(parts["train"]):
        raise DataError(f"of {len(rows)} rows none are left to train on", where=dataset.name)
    chosen: dict[Split, Labels | None] = {
        split: None if labels is None else labels[part] for split, part in parts.items()
    }
    return replace(dataset, **{split: rows[part] for split, part in parts.items()}, labels=chosen)


def _all_labels(dataset: Dataset) -> NDArray[Any] | None:
    """The labels of all rows, or None where some split has none."""
    found: list[NDArray[Any]] = []
    for split in SPLITS:
        labels = dataset.labels[split]
        if labels is None and len(dataset.split(split)):
            return None
        found.append(np.zeros(0, np.int64) if labels is None else labels)
    return np.concatenate(found)
