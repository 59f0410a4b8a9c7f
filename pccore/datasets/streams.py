"""Rows that stay in their files: arrays mapped into memory, read a batch at a time."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.errors import DataError

#: Bytes of pages that may be mapped before they are given back to the system.
HELD = 2**23
#: What the system maps around a row that is read.
PAGES = 2**16


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies in a file: rows of `width` numbers, one after the other from `offset`."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    rows: int
    width: int


class Shards:
    """Rows [N, V] of several files, one after the other.

    Indexing by a slice or by row numbers reads float32 [B, V]; nothing else is ever in memory.
    Raises DataError for a file that cannot be mapped, or that is shorter than was announced.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._maps = [_mapped(place) for place in self._places]
        self._starts = np.cumsum([0, *(place.rows for place in self._places)])
        self._touched = 0
        self.shape = (int(self._starts[-1]), self._places[0].width)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """2: rows and columns."""
        return 2

    @property
    def size(self) -> int:
        """How many values there are."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers in the files, the widest of them."""
        return np.result_type(*(place.dtype for place in self._places))

    def __getitem__(self, rows: slice | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        if isinstance(rows, slice):
            index = np.arange(*rows.indices(len(self)))
        else:
            index = np.flatnonzero(rows) if rows.dtype == np.bool_ else np.asarray(rows)
        out = np.empty((len(index), self.shape[1]), dtype=np.float32)
        which = np.searchsorted(self._starts, index, side="right") - 1
        with np.errstate(over="ignore"):  # too large becomes inf, which the checks refuse
            for number in np.unique(which).tolist():
                mine = np.flatnonzero(which == number)
                self._read(number, index[mine] - self._starts[number], mine, out)
        return out

    def first(self, rows: int) -> Shards:
        """The first of the rows, at most so many."""
        kept: list[Place] = []
        for place, start in zip(self._places, self._starts.tolist(), strict=False):
            if start < rows:
                kept.append(replace(place, rows=min(place.rows, rows - start)))
        return Shards(kept)

    def _read(
        self, number: int, rows: NDArray[Any], targets: NDArray[Any], out: NDArray[np.float32]
    ) -> None:
        place, held = self._places[number], self._maps[number]
        array = np.frombuffer(held, place.dtype, place.rows * place.width, place.offset)
        array = array.reshape(place.rows, place.width)
        # A row by itself brings its surroundings along; rows in order share theirs.
        apart = len(rows) > 1 and int(rows[-1]) - int(rows[0]) != len(rows) - 1
        each = place.width * place.dtype.itemsize + (PAGES if apart else 0)
        step = max(1, HELD // each)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            out[targets[part]] = array[rows[part]]
            self._touched += each * len(rows[part])
            if self._touched > HELD:
                self._touched = 0
                _give_back(self._maps)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shards, (self._places,)


def _give_back(maps: Sequence[mmap.mmap]) -> None:
    """Let the system have the pages of the maps: they are read again when they are needed."""
    if hasattr(mmap, "MADV_DONTNEED"):  # elsewhere the system decides by itself
        for one in maps:
            one.madvise(mmap.MADV_DONTNEED)


def _mapped(place: Place) -> mmap.mmap:
    try:
        with place.path.open("rb") as stream:
            found = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file
        raise DataError(f"cannot be read: {error}", where=place.path.name) from None
    needed = place.offset + place.rows * place.width * place.dtype.itemsize
    if len(found) < needed:
        raise DataError(
            f"{len(found)} of {needed} bytes are there, the file is cut off", where=place.path.name
        )
    return found
