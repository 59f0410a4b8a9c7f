"""What the arrays of an .npz file are: the splits of a dataset, labels, names.

Accepted members (case-sensitive): `train`, `valid`, `test`, or `train_x`, `test_x` (also
`x_train`), or one array `x` (also `X`, `data`) that is split here; labels as `y` (also `labels`),
`train_y`, `y_train`, `train_labels`; names of the columns as `variables`; types and words as
`notes` (see there). Tables are [N, V]; images [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1
or 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.datasets import notes
from pccore.datasets.base import SPLITS, Split
from pccore.errors import DataError
from pccore.limits import current_limits
from pccore.npy import Header, too_many

_WHOLE = ("x", "X", "data")
_WHOLE_LABELS = ("y", "Y", "labels")


@dataclass(frozen=True, slots=True)
class Layout:
    """Which member is what: data and labels by split, the members with the names and the notes."""

    data: Mapping[Split, str]
    labels: Mapping[Split, str]
    variables: str | None
    notes: str | None


def layout(found: Mapping[str, Header], where: str) -> Layout:
    """Find the splits, labels and names among the arrays. Raises DataError where none fits."""

    def first(*names: str) -> str | None:
        return next((name for name in names if name in found), None)

    data: dict[Split, str] = {}
    labels: dict[Split, str] = {}
    for split in SPLITS:
        if key := first(split, f"{split}_x", f"x_{split}"):
            data[split] = key
        if key := first(f"{split}_y", f"y_{split}", f"{split}_labels"):
            labels[split] = key
    if not data and (key := first(*_WHOLE)):
        data["train"] = key
        if key := first(*_WHOLE_LABELS):
            labels["train"] = key
    if "train" not in data:
        raise DataError(
            f"no array is called train, train_x or x, there are: {', '.join(found) or 'none'}",
            where=where,
        )
    for key in data.values():
        _check_data(found[key], f"{where}, {key}")
    texts = {key for key, header in found.items() if header.dtype.kind == "U"}
    noted = "notes" in texts and found["notes"].shape == ()
    names = "variables" if "variables" in texts else None
    _check_sizes(found, data, names, where)
    _check_labels(found, data, labels, where)
    if noted:
        notes.check_size(found["notes"].dtype.itemsize // 4, f"{where}, notes")
    return Layout(data, labels, names, "notes" if noted else None)


def _check_sizes(
    found: Mapping[str, Header], data: Mapping[Split, str], names: str | None, where: str
) -> None:
    """Raise DataError where all arrays together, or a name of a column, are too large."""
    limits = current_limits()
    values = sum(math.prod(found[key].shape) for key in data.values())
    size = sum(math.prod(found[key].shape) * found[key].dtype.itemsize for key in data.values())
    # As read, as split, and as float32 where it is not that already.
    working = 2 * size + (0 if size == 4 * values else 4 * values)
    if values > limits.max_values or working > 8 * limits.max_values:
        raise too_many(f"{values} values of {size} bytes in all", limits, where)
    if names is not None and found[names].dtype.itemsize > 4 * limits.max_name:
        raise DataError(
            f"names of up to {found[names].dtype.itemsize // 4} characters are too long",
            where=f"{where}, {names}",
            hint=limits.way_out("max_name"),
        )


def _check_labels(
    found: Mapping[str, Header],
    data: Mapping[Split, str],
    labels: Mapping[Split, str],
    where: str,
) -> None:
    """Raise DataError unless labels are one integer for each row."""
    for split, key in labels.items():
        header = found[key]
        if split not in data or header.dtype.kind not in "biu" or len(header.shape) != 1:
            raise DataError("labels must be one integer for each row", where=f"{where}, {key}")
        if header.shape != found[data[split]].shape[:1]:
            raise DataError(
                f"{header.shape[0]} labels for {found[data[split]].shape[0]} rows",
                where=f"{where}, {key}",
            )


def images_last(x: NDArray[Any]) -> NDArray[Any]:
    """Image arrays as [N, H, W, C]; accepts [N, H, W], [N, H, W, C] and [N, C, H, W]."""
    if x.ndim == 3:
        return x[..., None]
    return x if x.shape[3] in (1, 3) else np.moveaxis(x, 1, 3)


def _check_data(header: Header, where: str) -> None:
    """Raise DataError unless the array can be a table or images of numbers."""
    shape = header.shape
    if header.dtype.kind not in "biuf":
        raise DataError(f"values of type {header.dtype} are no numbers", where=where)
    if len(shape) not in (2, 3, 4):
        raise DataError(
            f"shape {shape} is neither a table [N, V] nor images [N, H, W]", where=where
        )
    if len(shape) == 4 and shape[3] not in (1, 3) and shape[1] not in (1, 3):
        raise DataError(f"shape {shape} has no axis of 1 or 3 colour channels", where=where)
