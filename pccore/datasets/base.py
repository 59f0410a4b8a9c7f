"""What a dataset is: three splits of rows, names and supports of the columns, perhaps an image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.streams import Shards
from pccore.datasets.supports import check_support, describe_supports
from pccore.errors import DataError
from pccore.leaves.base import Support

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

Array = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ImageShape:
    """How a row is an image: column (y * width + x) * channels + c holds a value 0..maximum."""

    height: int
    width: int
    channels: int = 1
    maximum: int = 255

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.channels, self.maximum) < 1:
            raise DataError(f"an image of {self} has no pixels or no values")

    @property
    def size(self) -> int:
        """The number of columns of one image."""
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        colour = "" if self.channels == 1 else f"x{self.channels}"
        return f"{self.height}x{self.width}{colour}, values 0..{self.maximum}"


def _no_labels() -> Mapping[Split, Labels | None]:
    return {}


def _no_categories() -> Mapping[str, tuple[str, ...]]:
    return {}


def _no_streams() -> Mapping[Split, Shards]:
    return {}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of data in three splits; immutable, its arrays are read-only.

    train, valid, test: float32 [N, V], NaN = missing; valid and test may have no rows.
    variables: V different names. supports: V supports that cover every value of every split.
    image: set where a row is an image. labels: per split int64 [N], or None where unknown;
    never a column of the data. label_names: what label k means. categories: for a column that
    held words, the word of each code, by the name of the variable. ordered: variables whose states
    have an order that means something. source: the file, for messages.
    streams: splits larger than memory; of these train, valid and test are rows from all over them,
    enough to start from and to look at, and `rows` gives all, which training and scoring use.

    Raises DataError where the parts do not fit together or a value is infinite.
    """

    name: str
    train: Array
    valid: Array
    test: Array
    variables: tuple[str, ...]
    supports: tuple[Support, ...]
    image: ImageShape | None = None
    labels: Mapping[Split, Labels | None] = field(default_factory=_no_labels)
    description: str = ""
    label_names: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=_no_categories)
    source: str = ""
    streams: Mapping[Split, Shards] = field(default_factory=_no_streams)
    ordered: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = self.source or self.name
        put: Callable[[str, object], None] = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        for split in SPLITS:
            put(split, _frozen(getattr(self, split), np.float32, f"{where}, {split}", 2))
        self._check_shapes(where)
        for split in SPLITS:
            check_support(self.split(split), self.supports, self.variables, f"{where}, {split}")
        put("labels", MappingProxyType({s: self._checked_labels(s, where) for s in SPLITS}))
        put("streams", MappingProxyType(dict(self.streams)))
        put("categories", MappingProxyType(dict(self.categories)))

    def _check_shapes(self, where: str) -> None:
        """Raise DataError unless all parts agree on the number of columns."""
        count = len(self.variables)
        for split in SPLITS:
            columns = self.split(split).shape[1]
            if columns != count:
                named = "column" if columns == 1 else "columns"
                raise DataError(
                    f"{columns} {named} for {count} variables", where=f"{where}, {split}"
                )
        if count == 0:
            raise DataError("the data have no columns", where=where)
        if len(self.train) == 0:
            raise DataError("the data have no rows to train on", where=where)
        if len(set(self.variables)) < count:
            twice = next(v for v in self.variables if self.variables.count(v) > 1)
            raise DataError(f"two variables have the name {twice!r}", where=where)
        if len(self.supports) != count:
            raise DataError(f"{len(self.supports)} supports for {count} variables", where=where)
        strangers = sorted({*self.categories, *self.ordered} - set(self.variables))
        if strangers:
            raise DataError(f"there is no variable {strangers[0]!r} to describe", where=where)
        if self.image is not None and self.image.size != count:
            raise DataError(f"images of {self.image} do not have {count} columns", where=where)

    def _checked_labels(self, split: Split, where: str) -> Labels | None:
        labels = self.labels.get(split)
        if labels is None:
            return None
        labels = _frozen(labels, np.int64, f"{where}, {split} labels", 1)
        rows = len(self.split(split))
        if len(labels) != rows:
            raise DataError(f"{len(labels)} labels for {rows} rows", where=f"{where}, {split}")
        if (
            self.label_names
            and len(labels)
            and not 0 <= labels.min() <= labels.max() < len(self.label_names)
        ):
            raise DataError(
                f"a label outside 0..{len(self.label_names) - 1}", where=f"{where}, {split}"
            )
        return labels

    @property
    def num_variables(self) -> int:
        """V, the number of columns."""
        return len(self.variables)

    def split(self, name: str) -> Array:
        """The rows of "train", "valid" or "test", float32 [N, V]. Raises DataError otherwise."""
        if name not in SPLITS:
            raise DataError(f"{name!r} is no split, known are: {', '.join(SPLITS)}")
        rows: Array = getattr(self, name)
        return rows

    def rows(self, name: str) -> Array | Shards:
        """All rows of a split, [N, V], perhaps in their files. Raises DataError as `split`."""
        rows = self.split(name)
        return next((stream for split, stream in self.streams.items() if split == name), rows)

    def fingerprint(self) -> str:
        """A sha256 (64 hex digits) of the content: values, names, supports, image and labels.

        The same on every machine; it does not depend on the dataset's name or description.
        """
        digest = hashlib.sha256()
        heading: list[Any] = [
            self.variables,
            [(s.kind, s.states) for s in self.supports],
            None
            if self.image is None
            else [self.image.height, self.image.width, self.image.channels, self.image.maximum],
        ]
        digest.update(json.dumps(heading).encode())
        for split in SPLITS:
            rows = self.rows(split)
            digest.update(json.dumps([split, list(rows.shape)]).encode())
            for block in row_blocks(rows):
                # One bit pattern for zero and one for missing.
                canonical = np.where(np.isnan(block), np.float32("nan"), block + np.float32(0))
                digest.update(canonical.astype("<f4").tobytes())
            labels = self.labels[split]
            if labels is not None:
                digest.update(b"labels" + labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """The facts worth listing, as JSON values."""
        cells = sum(self.rows(s).size for s in SPLITS)
        missing = sum(
            int(np.isnan(block).sum()) for s in SPLITS for block in row_blocks(self.rows(s))
        )
        return {
            "name": self.name,
            "description": self.description,
            "variables": self.num_variables,
            **{split: len(self.rows(split)) for split in SPLITS},
            "supports": describe_supports(self.supports),
            "missing": missing / cells,
            "image": None if self.image is None else str(self.image),
            "labels": self.labels["train"] is not None,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Mapping proxies cannot be copied to another process; plain dicts can.
        return (
            Dataset,
            (
                *(getattr(self, s) for s in ("name", *SPLITS, "variables", "supports", "image")),
                dict(self.labels),
                self.description,
                self.label_names,
                dict(self.categories),
                self.source,
                dict(self.streams),
                self.ordered,
            ),
        )


@dataclass(frozen=True, slots=True)
class Bundled:
    """A dataset that comes with the package; a module of `bundled` exports it by a capital name.

    make: pure, deterministic, below a second. rows: of train, valid and test.
    """

    name: str
    description: str
    rows: tuple[int, int, int]
    num_variables: int
    make: Callable[[], Dataset]


def default_names(count: int) -> tuple[str, ...]:
    """X0, X1, ...: the names of columns that have none."""
    return tuple(f"X{i}" for i in range(count))


def row_blocks(x: NDArray[Any] | Shards, elements: int = 2**20) -> Iterator[NDArray[Any]]:
    """Slices of rows with about `elements` values each, so that temporary arrays stay small."""
    step = max(1, elements // max(1, int(np.prod(x.shape[1:]))))
    for start in range(0, len(x), step):
        yield x[start : start + step]


def _frozen(
    values: NDArray[Any] | Sequence[Any], dtype: type[Any], where: str, ndim: int
) -> NDArray[Any]:
    """A read-only contiguous array of the dtype. Raises DataError for another dimension."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.ascontiguousarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"the values are not numbers: {error}", where=where) from error
    if array.ndim != ndim:
        raise DataError(f"the array has {array.ndim} dimensions, not {ndim}", where=where)
    array = array.view()
    array.flags.writeable = False
    return array
