"""Data larger than memory: a folder of .npy files, of which training reads a batch at a time.

The files of a split are `train*.npy`, or all .npy files of the folder `train`; so for valid and
test, which may be missing. They are joined in the order of the numbers in their names. Each is a
table [n, V] or images [n, H, W], [n, H, W, C], of any type of number. An .npz that `numpy.savez`
wrote (uncompressed) with a single array will do as well.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pccore.datasets.base import SPLITS, Array, Dataset, ImageShape, Split, default_names
from pccore.datasets.streams import Place, Shards
from pccore.datasets.supports import MAX_STATES, check_support, guess_supports
from pccore.errors import DataError
from pccore.leaves.base import Support
from pccore.limits import current_limits
from pccore.npy import BROKEN, Header, read_header

#: Values of a split that are held in memory; a smaller split is there as a whole.
RESIDENT = 2**22
_ENDINGS = (".npy", ".npz")
#: What stands before the name of a member of a zip file.
_ZIP_HEAD = 30


@dataclass(frozen=True, slots=True)
class _File:
    """One file: where its rows are, and the shape of each."""

    place: Place
    shape: tuple[int, ...]


def is_shard_folder(folder: Path) -> bool:
    """Whether the folder holds train*.npy, or a folder train with .npy files."""
    return any(path.suffix == ".npy" for path in _files(folder, "train"))


def rows_of(folder: Path) -> tuple[int, tuple[int, ...]]:
    """The rows of all splits, and the shape of each; of the files only the heads are read."""
    files = [_opened(path) for split in SPLITS for path in _files(folder, split)]
    return sum(file.place.rows for file in files), files[0].shape


def read(folder: Path, *, valid: bool = True, limit: int | None = None) -> Dataset:
    """The dataset of a folder. Everything is read once, for the supports of the columns.

    valid, limit: as for `pccore.datasets.load`. Raises DataError.
    """
    files = {split: [_opened(path) for path in _files(folder, split)] for split in SPLITS}
    if not valid:
        files["train"] += files["valid"]
        files["valid"] = []
    shape = _common_shape(files["train"] + files["valid"] + files["test"], folder.name)
    streams: dict[Split, Shards] = {}
    for split in SPLITS:
        if files[split]:
            known = Shards([file.place for file in files[split]])
            streams[split] = known if limit is None else known.first(limit)
    supports = guess_supports(*streams.values())
    for split, stream in streams.items():
        if stream.dtype.kind == "f":  # no integer is infinite
            check_support(stream, supports, None, f"{folder.name}, {split}")
    image = _image(shape, supports) if len(shape) > 1 else None
    if image is not None:
        finite = all(one.kind == "finite" for one in supports)
        one = Support("finite", image.maximum + 1) if finite else Support("real")
        supports = (one,) * len(supports)
    count = math.prod(shape)
    nothing = np.zeros((0, count), dtype=np.float32)
    held = {split: _sample(stream) for split, stream in streams.items()}
    return Dataset(
        name=folder.name,
        train=held["train"],
        valid=held.get("valid", nothing),
        test=held.get("test", nothing),
        variables=default_names(count),
        supports=supports,
        image=image,
        description=f"{sum(map(len, files.values()))} files, read a batch at a time",
        source=folder.name,
        streams={s: stream for s, stream in streams.items() if len(stream) > len(held[s])},
    )


def _files(folder: Path, split: Split) -> list[Path]:
    """The files of a split, by the numbers in their names."""
    inside = folder / split
    named = folder.glob(f"{split}*") if not inside.is_dir() else inside.iterdir()
    found = [path for path in named if path.suffix in _ENDINGS and path.is_file()]
    limits = current_limits()
    if len(found) > limits.max_files:
        raise DataError(
            f"{len(found)} files are more than the {limits.max_files} allowed",
            where=f"{folder.name}, {split}",
            hint=limits.way_out("max_files"),
        )
    parts = [re.split(r"(\d+)", path.name) for path in found]
    keys = [[(int(p), p) if i % 2 else (0, p) for i, p in enumerate(part)] for part in parts]
    return [path for _, path in sorted(zip(keys, found, strict=True))]


def _opened(path: Path) -> _File:
    """What a file announces. Raises DataError where it cannot be mapped."""
    where = f"{path.parent.name}/{path.name}"
    try:
        header, offset = _in_zip(path, where) if path.suffix == ".npz" else _plain(path, where)
    except DataError:
        raise
    except BROKEN as error:
        raise DataError(f"this cannot be read: {error}", where=where) from error
    if header.dtype.kind not in "biuf" or len(header.shape) not in (2, 3, 4):
        raise DataError(
            f"{header.dtype} of shape {header.shape} is neither a table [n, V] nor images",
            where=where,
        )
    if header.fortran:
        raise DataError(
            "the rows do not lie one after the other (Fortran order)",
            where=where,
            hint="write numpy.ascontiguousarray(x)",
        )
    rows, *shape = header.shape
    if rows == 0 or math.prod(shape) == 0:
        raise DataError("there are no values", where=where)
    return _File(Place(path, offset, header.dtype, rows, math.prod(shape)), tuple(shape))


def _plain(path: Path, where: str) -> tuple[Header, int]:
    with path.open("rb") as stream:
        header = read_header(stream, path.stat().st_size, where, bounded=False)
        return header, stream.tell()


def _in_zip(path: Path, where: str) -> tuple[Header, int]:
    with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
        members = archive.infolist()
        if len(members) != 1 or members[0].compress_type != zipfile.ZIP_STORED:
            raise DataError(
                "a shard is one array, not compressed", where=where, hint="write it by numpy.savez"
            )
        stream.seek(members[0].header_offset)
        name, extra = struct.unpack("<HH", stream.read(_ZIP_HEAD)[-4:])
        start = members[0].header_offset + _ZIP_HEAD + name + extra
        with archive.open(members[0]) as inside:
            header = read_header(inside, members[0].file_size, where, bounded=False)
            return header, start + inside.tell()


def _common_shape(files: Sequence[_File], where: str) -> tuple[int, ...]:
    shape = files[0].shape
    for file in files:
        if file.shape != shape:
            place = f"{where}, {file.place.path.name}"
            raise DataError(f"rows of shape {file.shape}, the others have {shape}", where=place)
    return shape


def _image(shape: tuple[int, ...], supports: Sequence[Support]) -> ImageShape:
    """Images [H, W] or [H, W, C]; pixels of more than 32 values are taken for 8 bits."""
    height, width, channels = (*shape, 1)[:3]
    most = max((one.states or MAX_STATES for one in supports), default=2) - 1
    return ImageShape(height, width, channels, 255 if 32 <= most <= 255 else max(1, most))


def _sample(stream: Shards) -> Array:
    """Rows from all over the files, at most RESIDENT values."""
    most = max(1, RESIDENT // stream.shape[1])
    if len(stream) <= most:
        return stream[:]
    return stream[np.arange(most) * len(stream) // most]
