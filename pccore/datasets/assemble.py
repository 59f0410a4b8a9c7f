"""From the arrays of a file to a Dataset: missing splits made, values as float32, supports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore import npy
from pccore.datasets import images, notes, npz, parquet, splits, tabular, zipped
from pccore.datasets.base import (
    SPLITS,
    Dataset,
    ImageShape,
    Split,
    default_names,
)
from pccore.datasets.cells import Reading
from pccore.datasets.supports import MAX_STATES, guess_supports
from pccore.datasets.tabular import Table
from pccore.errors import DataError
from pccore.leaves.base import Support

#: 8-bit images whose largest value is below this use few grey levels on purpose (digits: 16).
_FEW_LEVELS = 32


@dataclass(frozen=True)
class Parts:
    """What a reader found, before anything is split or converted.

    data: arrays of at least train, [N, V] or images [N, H, W, C]. labels: of any of them.
    in_order: neighbours may be near copies, so missing splits are cut off the end. supports, image:
    where the file says them.
    """

    name: str
    source: str
    data: Mapping[Split, NDArray[Any]]
    labels: Mapping[Split, NDArray[Any]] = field(default_factory=dict[Split, NDArray[Any]])
    variables: tuple[str, ...] | None = None
    label_names: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    in_order: bool = False
    description: str = ""
    supports: tuple[Support, ...] | None = None
    image: ImageShape | None = None
    ordered: tuple[str, ...] = ()


def from_npz(path: Path) -> Parts:
    """The arrays of an .npz file; see `npz` for the names it may use."""
    found = npy.headers(path)
    layout = npz.layout(found, path.name)
    data: dict[Split, NDArray[Any]] = {s: npy.read(path, key) for s, key in layout.data.items()}
    image = any(part.ndim > 2 for part in data.values())
    if image:
        if any(part.ndim == 2 for part in data.values()):
            raise DataError("some splits are images and others are tables", where=path.name)
        data = {split: npz.images_last(part) for split, part in data.items()}
    variables: tuple[str, ...] | None = None
    if layout.variables is not None:
        variables = tuple(str(v) for v in npy.read(path, layout.variables).reshape(-1))
    parts = Parts(
        name=path.stem,
        source=path.name,
        data=data,
        labels={split: npy.read(path, key) for split, key in layout.labels.items()},
        variables=variables,
        in_order=image,
        description=f"{'images' if image else 'table'} from {path.name}",
    )
    text = "" if layout.notes is None else str(npy.read(path, layout.notes))
    if not notes.recognises(text):
        return parts
    known = notes.from_text(text, f"{path.name}, notes")
    return replace(
        parts,
        supports=known.supports,
        image=known.image,
        categories=known.categories,
        ordered=known.ordered,
        label_names=known.label_names,
        description=known.description,
    )


def from_csv(path: Path, reading: Reading) -> Parts:
    """The table of a .csv file; see `tabular`."""
    return _of_table(tabular.read_csv(path, reading), path)


def from_parquet(path: Path, reading: Reading) -> Parts:
    """The table of a .parquet file; see `parquet`."""
    return _of_table(parquet.read_parquet(path, reading), path)


def _of_table(table: Table, path: Path) -> Parts:
    words = f"; words as codes in {', '.join(table.categories)}" if table.categories else ""
    return Parts(
        name=path.stem,
        source=path.name,
        data={"train": table.values},
        variables=table.variables,
        categories=table.categories,
        description=f"table from {path.name}{words}",
    )


def from_debd(prefix: Path) -> Parts:
    """NAME.train.data (or NAME.ts.data), NAME.valid.data and NAME.test.data."""
    files = debd_files(prefix)
    if "train" not in files:
        raise DataError(f"there is no {prefix.name}.train.data", where=prefix.name)
    return Parts(
        name=prefix.name,
        source=f"{prefix.name}.*.data",
        data={split: tabular.read_data(file) for split, file in files.items()},
        description=f"table from {', '.join(file.name for file in files.values())}",
    )


def from_images(folder: Path) -> Parts:
    """A folder of images; see `images`."""
    description = f"images from the folder {folder.name}"
    return _of_images(images.read_folder(folder), folder.name, folder.name, description)


def from_zip(path: Path) -> Parts:
    """The images of a .zip; see `zipped`."""
    return _of_images(zipped.read_zip(path), path.stem, path.name, f"images from {path.name}")


def _of_images(found: images.Folder, name: str, source: str, description: str) -> Parts:
    return Parts(
        name=name,
        source=source,
        data=found.pixels,
        labels=found.labels,
        label_names=found.label_names,
        in_order=not found.label_names,
        description=description,
    )


def debd_files(prefix: Path) -> dict[Split, Path]:
    """The files of one data set by split; train may be called ts."""
    endings: dict[Split, tuple[str, ...]] = {
        "train": ("train", "ts"),
        "valid": ("valid",),
        "test": ("test",),
    }
    found: dict[Split, Path] = {}
    for split, words in endings.items():
        for word in words:
            file = prefix.with_name(f"{prefix.name}.{word}.data")
            if split not in found and file.is_file():
                found[split] = file
    return found


def assemble(parts: Parts, *, valid: bool = True, limit: int | None = None) -> Dataset:
    """Make missing splits and the Dataset. Raises DataError.

    valid: False puts the validation rows into train. limit: keep the first rows of each split.
    """
    _check_same_columns(parts)
    data, labels = _complete(parts, valid)
    first = data["train"]
    image = parts.image
    if image is None and first.ndim == 4:
        maximum = _maximum(list(data.values()))
        image = ImageShape(first.shape[1], first.shape[2], first.shape[3], maximum)
    count = math.prod(first.shape[1:])
    tables = {split: part.reshape(len(part), count) for split, part in data.items()}
    supports = parts.supports or _supports(list(tables.values()), image)
    if parts.variables is not None and len(parts.variables) != count:
        raise DataError(f"{len(parts.variables)} names for {count} columns", where=parts.source)
    cut = slice(limit)
    rows = {split: _float32(table[cut]) for split, table in tables.items()}
    return Dataset(
        name=parts.name,
        train=rows["train"],
        valid=rows["valid"],
        test=rows["test"],
        variables=parts.variables or default_names(count),
        supports=supports,
        image=image,
        labels={split: label[cut].astype(np.int64) for split, label in labels.items()},
        description=parts.description,
        label_names=parts.label_names,
        categories=parts.categories,
        source=parts.source,
        ordered=parts.ordered,
    )


def restrict(dataset: Dataset, *, valid: bool = True, limit: int | None = None) -> Dataset:
    """The same as the keywords of `assemble`, for a Dataset that is there already."""
    if valid and limit is None:
        return dataset
    given: dict[Split, NDArray[Any]] = {
        split: label for split, label in dataset.labels.items() if label is not None
    }
    parts = Parts(dataset.name, dataset.source, {s: dataset.split(s) for s in SPLITS}, given)
    data, labels = _complete(parts, valid)
    return replace(
        dataset,
        train=data["train"][:limit],
        valid=data["valid"][:limit],
        test=data["test"][:limit],
        labels={split: label[:limit] for split, label in labels.items()},
        streams={},
    )


def _check_same_columns(parts: Parts) -> None:
    """Raise DataError unless all splits have the columns of train and a label for each row."""
    shape = parts.data["train"].shape[1:]
    for split, part in parts.data.items():
        where = f"{parts.source}, {split}"
        if part.shape[1:] != shape:
            if part.ndim == 2:
                raise DataError(
                    f"{part.shape[1]} columns, train has {shape[0]}",
                    where=where,
                )
            raise DataError(f"images of shape {part.shape[1:]}, train has {shape}", where=where)
        label = parts.labels.get(split)
        if label is not None and len(label) != len(part):
            raise DataError(f"{len(label)} labels for {len(part)} rows", where=where)
    if len(parts.data["train"]) == 0:
        raise DataError("there are no rows", where=f"{parts.source}, train")
    if math.prod(shape) == 0:
        raise DataError("there are no columns", where=f"{parts.source}, train")


def _complete(
    parts: Parts, valid: bool
) -> tuple[dict[Split, NDArray[Any]], dict[Split, NDArray[Any]]]:
    """Data and labels of all three splits, by the rules in `splits`."""
    data: dict[Split, NDArray[Any]] = dict(parts.data)
    labels: dict[Split, NDArray[Any]] = dict(parts.labels)
    missing: list[Split] = [split for split in SPLITS if split not in data]
    if missing:
        whole = data["train"]
        whole_labels = labels.get("train")
        both = len(missing) == 2
        if both:
            shares = splits.ORDERED if parts.in_order else splits.SHUFFLED
        else:
            share = splits.VALID_SHARE if missing == ["valid"] else splits.TEST_SHARE
            shares = (1 - share, share)
        index = (
            splits.ordered(len(whole), shares)
            if parts.in_order
            else splits.shuffled(len(whole), shares, whole_labels)
        )
        made: list[Split] = ["train", *missing]
        for split, rows in zip(made, index, strict=True):
            data[split] = whole[rows]
            if whole_labels is not None:
                labels[split] = whole_labels[rows]
    if not valid and len(data["valid"]):
        data["train"] = np.concatenate([data["train"], data["valid"]])
        data["valid"] = data["valid"][:0]
        if "train" in labels and "valid" in labels:
            labels["train"] = np.concatenate([labels["train"], labels["valid"]])
            labels["valid"] = labels["valid"][:0]
        else:
            labels.pop("train", None)
            labels.pop("valid", None)
    return data, labels


def _maximum(parts: list[NDArray[Any]]) -> int:
    """The largest value a pixel can take: 255 for 8-bit images unless they use few levels."""
    largest = max(
        (float(np.fmax.reduce(part, axis=None)) for part in parts if part.size), default=1.0
    )
    if not math.isfinite(largest):
        return 1  # all missing, or infinite: the Dataset will refuse the latter by its place
    if parts[0].dtype.kind in "biu" and _FEW_LEVELS <= largest <= 255:
        return 255
    return max(1, math.ceil(largest))


def _supports(tables: list[NDArray[Any]], image: ImageShape | None) -> tuple[Support, ...]:
    """The same support for all pixels of an image of integers, else one by one."""
    columns = tables[0].shape[1]
    if image is not None and image.maximum < MAX_STATES:
        guessed = guess_supports(*tables)
        if all(s.kind == "finite" for s in guessed):
            return (Support("finite", image.maximum + 1),) * columns
        return (Support("real"),) * columns
    return guess_supports(*tables)


def _float32(table: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):  # too large becomes inf, refused by Dataset
        return np.ascontiguousarray(table, dtype=np.float32)
