"""A small circuit inside a link: its .pc.json, compressed, in letters that an address may hold."""

from __future__ import annotations

import base64
import binascii
import zlib

from pccore.errors import FileError
from pccore.files import load_bytes, save_bytes
from pccore.graph import Circuit

#: Letters of a link that a circuit may take, and bytes that they may unpack to.
LONGEST, MOST_BYTES = 6_000, 2**20
#: Edges above which nobody needs to try.
MOST_EDGES = 3_000
_NAME = "link.pc.json"


def write(circuit: Circuit) -> str:
    """The circuit as text for a link, "" where it is too large for one. Raises FileError."""
    if circuit.num_edges > MOST_EDGES or circuit.num_parameters > MOST_EDGES:
        return ""
    content = save_bytes(circuit, _NAME)
    if len(content) > MOST_BYTES:
        return ""
    text = base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")
    return text if len(text) <= LONGEST else ""


def read(text: str) -> Circuit:
    """The circuit of such a text. Raises FileError for anything else."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise FileError("the circuit in the link is damaged") from error
    if unpacker.unconsumed_tail or unpacker.unused_data or not unpacker.eof:
        raise FileError("the circuit in the link is cut off or too large")
    return load_bytes(content, _NAME)
