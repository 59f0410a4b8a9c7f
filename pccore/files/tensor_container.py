"""The safetensors container: a JSON header, then raw little-endian tensors.

Eight bytes of header length, the header {name: {"dtype", "shape", "data_offsets"}, ...,
"__metadata__": {str: str}}, then the data without gaps or overlaps. Written and read here
rather than through the safetensors package so that every size is bounded before anything
is allocated and every mistake has a name; the tests check both directions against it.

Source: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import FileError
from pccore.files import checks, strict_json
from pccore.files.base import Limits, Source

#: Header name -> dtype. numpy has no bfloat16; its bits travel as int16.
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "F64": torch.float64,
        "I64": torch.int64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "U8": torch.uint8,
    }
)
_NAMES: Mapping[torch.dtype, str] = MappingProxyType({d: n for n, d in DTYPES.items()})
_MAX_AXES = 8
_METADATA = "__metadata__"
_CHECKSUM = "crc32"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies: `start` and `stop` in bytes from the beginning of the file."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    """The checked header of a file."""

    metadata: Mapping[str, str]
    entries: Mapping[str, Entry]


def header_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The header of a container of `tensors`, padded so that the data are aligned."""
    header: dict[str, object] = {_METADATA: dict(metadata)}
    offset = 0
    for name in _order(tensors):
        tensor = tensors[name]
        stop = offset + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, stop],
        }
        offset = stop
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def with_checksum(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The metadata with a checksum of them and of the tensors: a disk may change a bit."""
    return {**metadata, _CHECKSUM: _checksum(metadata, tensors)}


def verify(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Raise FileError unless the checksum is right. Files of other programs have none."""
    rest = dict(metadata)
    claimed = rest.pop(_CHECKSUM, None)
    if claimed is not None and claimed != _checksum(rest, tensors):
        raise FileError(
            "the file was changed after it was written",
            hint=f"it is damaged; if not, remove {_CHECKSUM!r} from its metadata",
        )


def _checksum(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of everything, in an order that does not depend on the file's."""
    found = zlib.crc32(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), found)
        if tensor.numel():
            found = zlib.crc32(_bits(tensor).data, found)
    return f"{found:08x}"


def write(stream: BinaryIO, header: bytes, tensors: Mapping[str, Tensor]) -> None:
    """Write the container of `tensors` with the header that `header_bytes` made."""
    stream.write(len(header).to_bytes(8, "little"))
    stream.write(header)
    for name in _order(tensors):
        stream.write(_bits(tensors[name].detach().cpu().contiguous()).data)


def _order(tensors: Mapping[str, Tensor]) -> list[str]:
    """Wide types first, which keeps every tensor aligned."""
    return sorted(tensors, key=lambda name: -tensors[name].element_size())


def read_header(source: Source) -> Header:
    """The header, with every entry inside the file, no gaps and no overlaps.

    Raises FileError.
    """
    start = source.stream.read(8)
    if len(start) < 8:
        raise FileError("the file is too short for a safetensors header")
    length = int.from_bytes(start, "little")
    if length > source.size - 8:
        raise FileError(
            f"the header claims {length} bytes, but the file has only {source.size}",
            hint="the file is cut off, or is not a safetensors file",
        )
    if length > source.limits.max_json_bytes:
        raise FileError(
            f"the header has {length} bytes, more than the {source.limits.max_json_bytes} allowed",
            hint=source.limits.way_out("max_json_bytes"),
        )
    text = source.stream.read(length)
    if not text.startswith(b"{"):
        raise FileError("this is not a safetensors file: its header is not a JSON object")
    try:
        found = cast("dict[str, object]", strict_json.parse(text, source.limits))
    except FileError as error:
        where = f"header, {error.where}" if error.where else "header"
        raise FileError(error.message, where=where, hint=error.hint) from None
    metadata = _metadata(found.pop(_METADATA, {}))
    begin = 8 + length
    # A tensor is named after a group or parameter, with a word before it.
    limits = replace(source.limits, max_name=source.limits.max_name + 16)
    entries = [_entry(name, value, begin, limits) for name, value in found.items()]
    _check_layout(entries, begin, source.size)
    return Header(metadata, MappingProxyType({entry.name: entry for entry in entries}))


def read_tensors(source: Source, entries: Iterable[Entry]) -> dict[str, Tensor]:
    """The tensors of `entries` (all of a file's), each in memory of its own, in file order.

    Raises FileError when the file ends early.
    """
    tensors: dict[str, Tensor] = {}
    in_order = sorted(entries, key=lambda entry: (entry.start, entry.stop))
    if in_order:
        source.stream.seek(in_order[0].start)
    for entry in in_order:  # read_header has made sure that there are no gaps
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
        buffer = memoryview(cast(Any, _bits(tensor))).cast("B")
        if source.stream.readinto(buffer) != len(buffer):
            raise FileError("the file ends inside a tensor", where=f"tensor {entry.name}")
        tensors[entry.name] = tensor
    return tensors


def _bits(tensor: Tensor) -> npt.NDArray[np.generic]:
    """The memory of a contiguous tensor as a flat numpy array."""
    flat = tensor.reshape(-1)
    return (flat.view(torch.int16) if tensor.dtype == torch.bfloat16 else flat).numpy()


def _metadata(value: object) -> dict[str, str]:
    found = cast("dict[object, object]", value) if isinstance(value, dict) else {None: None}
    metadata: dict[str, str] = {}
    for key, text in found.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise FileError(f"{_METADATA} must be an object of strings", where="header")
        metadata[key] = text
    return metadata


def _entry(name: str, value: object, begin: int, limits: Limits) -> Entry:
    where = f"tensor {checks.name(name, 'a tensor name', limits, 'header')}"
    found = checks.fields(value, "the entry", ("dtype", "shape", "data_offsets"), (), where)
    dtype = DTYPES.get(found["dtype"]) if isinstance(found["dtype"], str) else None
    if dtype is None:
        raise FileError(
            f"dtype {checks.shown(found['dtype'])} is not supported",
            where=where,
            hint=", ".join(DTYPES),
        )
    axes = checks.items(found["shape"], "shape", where)
    if len(axes) > _MAX_AXES:
        raise FileError(f"the tensor has {len(axes)} axes, more than {_MAX_AXES}", where=where)
    shape = tuple([checks.integer(n, "an axis", 0, 2**40, where) for n in axes])
    offsets = checks.items(found["data_offsets"], "data_offsets", where)
    if len(offsets) != 2:
        raise FileError("data_offsets must be two integers", where=where)
    start = checks.integer(offsets[0], "data_offsets", 0, checks.MAX_INTEGER, where)
    stop = checks.integer(offsets[1], "data_offsets", start, checks.MAX_INTEGER, where)
    size = math.prod(shape) * dtype.itemsize
    if size != stop - start:
        raise FileError(
            f"shape {list(shape)} of {found['dtype']} takes {size} bytes, "
            f"but data_offsets span {stop - start}",
            where=where,
        )
    return Entry(name, dtype, shape, begin + start, begin + stop)


def _check_layout(entries: list[Entry], begin: int, size: int) -> None:
    position = begin
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.stop)):
        if entry.start != position:
            what = "overlaps the one before it" if entry.start < position else "follows a gap"
            raise FileError(f"the tensor's data {what}", where=f"tensor {entry.name}")
        position = entry.stop
    if position != size:
        raise FileError(
            f"the tensors end at byte {position}, but the file has {size}",
            hint="the file is cut off" if position > size else "the file has bytes too many",
        )
