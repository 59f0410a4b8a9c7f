"""Reading .npy and .npz files of unknown origin: no pickles, and sizes are known before memory is
taken."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pccore.errors import DataError
from pccore.limits import Limits, current_limits

_MAX_HEADER = 10_000
_PIECE = 2**20
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


def headers(file: Path | IO[bytes] | BufferedIOBase, name: str = "") -> dict[str, Header]:
    """The header of every array of an .npz file, by name; reads no values.

    name: what errors call an open file. Raises DataError.
    """
    where = file.name if isinstance(file, Path) else name
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            limits = current_limits()
            if len(members) > limits.max_members:
                raise DataError(
                    f"{len(members)} members are more than the {limits.max_members} allowed",
                    where=where,
                    hint=limits.way_out("max_members"),
                )
            found: dict[str, Header] = {}
            for member in members:
                key = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    found[key] = read_header(stream, member.file_size, f"{where}, {key}")
            return found
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("the file does not exist", where=where) from error
    except BROKEN as error:
        raise _broken(where, error) from error


def read(file: Path | IO[bytes] | BufferedIOBase, key: str, name: str = "") -> NDArray[Any]:
    """The values of one array, read-only; never a pickle. Raises DataError."""
    name = file.name if isinstance(file, Path) else name
    where = f"{name}, {key}"
    try:
        with zipfile.ZipFile(file) as archive:
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
        raise _broken(name, error) from error
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
        raise too_many(f"shape {shape} of {dtype}", limits, where)
    if stream.tell() + size != announced:
        raise DataError(
            f"shape {shape} of {dtype} does not fit the {announced} bytes of the member",
            where=where,
        )
    return Header(shape, dtype, fortran)


def too_many(what: str, limits: Limits, where: str) -> DataError:
    """The error about arrays that are larger than `max_values`."""
    most = limits.max_values
    return DataError(
        f"{what} is larger than the limit of {most} values or {4 * most} bytes",
        where=where,
        hint=limits.way_out("max_values"),
    )


def _broken(where: str, error: BaseException) -> DataError:
    reason = str(error).strip("'\"").split("\n")[0][:120] or type(error).__name__
    return DataError(f"this is no readable .npz file: {reason}", where=where)
