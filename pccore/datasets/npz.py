"""Reading .npz files of unknown origin: no pickles, and sizes are known before memory is taken.

Accepted members (case-sensitive): `train`, `valid`, `test`, or `train_x`, `test_x` (also
`x_train`), or one array `x` (also `X`, `data`) that is split here; labels as `y` (also `labels`),
`train_y`, `y_train`, `train_labels`; names of the columns as `variables`; types and words as
`notes` (see there). Tables are [N, V]; images [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1
or 3.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pccore.datasets import notes
from pccore.datasets.base import SPLITS, Split
from pccore.errors import DataError
from pccore.limits import Limits, current_limits

_MAX_HEADER = 10_000
_PIECE = 2**20
_WHOLE = ("x", "X", "data")
_WHOLE_LABELS = ("y", "Y", "labels")
#: What reading a file that is not what it seems may raise.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,  # numpy reads a damaged header once more, as Python 2 wrote it
    KeyError,
    NotImplementedError,  # a compression method that Python does not have
    RuntimeError,  # an encrypted member
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a member announces before its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Which member is what: data and labels by split, the members with the names and the notes."""

    data: Mapping[Split, str]
    labels: Mapping[Split, str]
    variables: str | None
    notes: str | None


def headers(path: Path) -> dict[str, Header]:
    """The header of every array of the file, by name; reads no values. Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            limits = current_limits()
            if len(members) > limits.max_members:
                raise DataError(
                    f"{len(members)} members are more than the {limits.max_members} allowed",
                    where=path.name,
                    hint=limits.way_out("max_members"),
                )
            found: dict[str, Header] = {}
            for member in members:
                key = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    found[key] = read_header(stream, member.file_size, f"{path.name}, {key}")
            return found
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("the file does not exist", where=path.name) from error
    except BROKEN as error:
        raise _broken(path, error) from error


def read(path: Path, key: str) -> NDArray[Any]:
    """The values of one array, read-only; never a pickle. Raises DataError."""
    where = f"{path.name}, {key}"
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{key}.npy")
            with archive.open(member) as stream:
                header = read_header(stream, member.file_size, where)
                size = math.prod(header.shape) * header.dtype.itemsize
                values = bytearray(size)
                done = _read_into(stream, memoryview(values))
                stream.read(1)  # the checksum is compared at the end of the member
    except DataError:
        raise
    except BROKEN as error:
        raise _broken(path, error) from error
    if done != size:
        raise DataError(f"{done} of {size} bytes are there, the file is cut off", where=where)
    if size == 0:
        return np.zeros(header.shape, header.dtype)
    order = "F" if header.fortran else "C"
    found = np.frombuffer(values, header.dtype)
    found.flags.writeable = False
    return found.reshape(header.shape, order=order)


def _read_into(stream: IO[bytes], values: memoryview) -> int:
    """Fill a buffer piece by piece (at once, zipfile would hold everything twice); how far."""
    done = 0
    while done < len(values) and (piece := stream.read(min(_PIECE, len(values) - done))):
        values[done : done + len(piece)] = piece
        done += len(piece)
    return done


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
        raise _too_many(f"{values} values of {size} bytes in all", limits, where)
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


def read_header(stream: IO[bytes], announced: int, where: str, bounded: bool = True) -> Header:
    """Read a .npy header and hold it against the size of the member. Raises DataError.

    bounded: the values are going to be in memory.
    """
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise DataError(f"version {version} of the .npy format is not read here", where=where)
    shape, fortran, dtype = readers[version](stream, max_header_size=_MAX_HEADER)
    if dtype.hasobject:
        raise DataError("the array holds pickled objects, which are never loaded", where=where)
    if any(side < 0 for side in shape):
        raise DataError(f"shape {shape} is impossible", where=where)
    size = math.prod(shape) * dtype.itemsize
    # A shape with a zero has no values, but numpy refuses it where the other sides are too long.
    largest = max(math.prod(shape), *shape, 0)
    limits = current_limits()
    if bounded and (size > 4 * limits.max_values or largest > limits.max_values):
        raise _too_many(f"shape {shape} of {dtype}", limits, where)
    if stream.tell() + size != announced:
        raise DataError(
            f"shape {shape} of {dtype} does not fit the {announced} bytes of the member",
            where=where,
        )
    return Header(shape, dtype, fortran)


def _too_many(what: str, limits: Limits, where: str) -> DataError:
    most = limits.max_values
    return DataError(
        f"{what} is larger than the limit of {most} values or {4 * most} bytes",
        where=where,
        hint=limits.way_out("max_values"),
    )


def _broken(path: Path, error: BaseException) -> DataError:
    reason = str(error).strip("'\"").split("\n")[0][:120] or type(error).__name__
    return DataError(f"this is no readable .npz file: {reason}", where=path.name)
