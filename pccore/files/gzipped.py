"""Model files that were compressed with gzip (.psdd.gz, .jpc.gz ...): unpacked within bounds."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Protocol

from pccore.errors import FileError
from pccore.limits import Limits

SUFFIX = ".gz"
_MAGIC = b"\x1f\x8b"
_PIECE = 2**20
#: 15 bits of window, and a gzip header.
_GZIP = 15 + 16


class Readable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int = -1, /) -> bytes: ...  # noqa: D102


def is_gzipped(start: bytes) -> bool:
    """Whether a file that starts so is compressed."""
    return start.startswith(_MAGIC)


def plain_name(name: str) -> str:
    """The name of the file inside."""
    return name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name


def unpacked(stream: Readable, limits: Limits) -> BytesIO:
    """The content of a compressed file, read from its start.

    Raises FileError where it is damaged, cut off, or holds more than `max_bytes`.
    """
    content = BytesIO()
    inflate = zlib.decompressobj(_GZIP)
    piece = stream.read(_PIECE)
    while piece:
        try:
            content.write(inflate.decompress(piece, _PIECE))
        except zlib.error as error:
            raise FileError(f"the compressed file is damaged: {error}") from None
        if content.tell() > limits.max_bytes:
            raise FileError(
                f"unpacked it has more than the {limits.max_bytes} bytes allowed",
                hint=limits.way_out("max_bytes"),
            )
        if inflate.eof:  # another one may follow: that is how such files are joined
            rest = inflate.unused_data.lstrip(b"\0") or stream.read(_PIECE)
            inflate = zlib.decompressobj(_GZIP) if rest else inflate
            piece = rest
        else:
            piece = inflate.unconsumed_tail or stream.read(_PIECE)
    if not inflate.eof:
        raise FileError("the compressed file is cut off")
    content.seek(0)
    return content
