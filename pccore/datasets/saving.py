"""Writing a dataset as one .npz file, which `load` reads back with everything that it knows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pccore.datasets import notes
from pccore.datasets.base import SPLITS, Dataset
from pccore.errors import DataError
from pccore.files.atomic import write_atomically


def save_dataset(dataset: Dataset, path: str | Path) -> None:
    """Write splits, names, types, words and labels; the file appears complete or not at all.

    Raises DataError for a name that does not end in .npz and for data larger than memory,
    FileError where the system refuses.
    """
    target = Path(path)
    if target.suffix.lower() != ".npz":
        raise DataError("a dataset is written as .npz", where=target.name)
    _check(dataset)
    write_atomically(target, lambda stream: _write(dataset, stream))


def dataset_bytes(dataset: Dataset) -> bytes:
    """The bytes of such a file, the same for the same content. Raises DataError."""
    _check(dataset)
    stream = io.BytesIO()
    _write(dataset, stream)
    return stream.getvalue()


def _check(dataset: Dataset) -> None:
    if dataset.streams:
        raise DataError("data in files larger than memory are not copied", where=dataset.name)


def _write(dataset: Dataset, stream: BinaryIO) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for split in SPLITS:
        rows = _small(dataset.split(split))
        if dataset.image is not None:
            shape = dataset.image
            rows = rows.reshape(-1, shape.height, shape.width, shape.channels)
        arrays[split] = rows
        labels = dataset.labels[split]
        if labels is not None:
            arrays[f"{split}_y"] = labels
    arrays["variables"] = np.array(dataset.variables)
    arrays["notes"] = np.array(notes.to_text(dataset))
    np.savez_compressed(stream, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _small(rows: NDArray[np.float32]) -> NDArray[Any]:
    """As bytes where all values are small whole numbers."""
    with np.errstate(invalid="ignore"):
        small = rows.astype(np.uint8)
    return small if np.array_equal(small, rows) else rows
