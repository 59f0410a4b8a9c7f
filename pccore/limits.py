"""How much a file, a table or an upload may hold: one home for the bounds on what strangers send.

Every reader keeps them before it takes memory, and its message names the limit and the value found.
Each can be set by an environment variable of its name, `PCCORE_MAX_BYTES=64M` for `max_bytes`.
(What one page draws, or one query computes, is bounded where that is done.)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields

from pccore.errors import OptionError

_PREFIX = "PCCORE_"
_SIZE = re.compile(r"([0-9]{1,18})([kKMG]?)")
_FACTORS = (("k", 2**10), ("K", 2**10), ("M", 2**20), ("G", 2**30), ("", 1))


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds that a reader enforces before it allocates anything.

    The defaults admit every model the engine can train on one machine and keep a hostile
    upload from exhausting memory: JSON grows about twentyfold when parsed, hence the bounds
    on its bytes, values and containers. Sizes are bytes where named so, else counts.
    """

    max_bytes: int = 512 * 2**20
    max_json_bytes: int = 64 * 2**20
    max_json_values: int = 20_000_000
    max_json_containers: int = 4_000_000
    max_depth: int = 32
    max_groups: int = 2_000_000
    max_units: int = 100_000_000
    max_variables: int = 1_000_000
    max_parameters: int = 500_000_000
    #: groups x variables: what the scopes of all groups may take together, in bits
    max_scope_bits: int = 2**33
    #: units x inputs of one group with sparse edges
    max_sparse_cells: int = 2**27
    max_name: int = 200
    max_text: int = 65_536
    max_meta_values: int = 100_000
    #: a line of a circuit in text: split into words it takes thirtyfold
    max_line: int = 8 * 2**20
    #: lines of a circuit in text, and nodes, edges and numbers of leaves, together, of what it
    #: describes, also after smoothing or compiling it
    max_text_size: int = 4_000_000
    #: bytes of a table as text
    max_table_bytes: int = 2**29
    max_table_cells: int = 2**27
    #: values of a dataset, all splits together: 2 GiB as float32
    max_values: int = 2**29
    #: arrays in one .npz file
    max_members: int = 256
    #: images of a folder, and files of a dataset in pieces
    max_files: int = 200_000
    #: height and width of an image, and its pixels, in a folder or on the page Complete
    max_side: int = 8192
    max_pixels: int = 2**26
    #: bytes of one picture
    max_picture_bytes: int = 10 * 2**20

    def way_out(self, name: str) -> str:
        """The hint of an error about the limit `name`: what sets it."""
        return f"the limit is {_variable(name)}={getattr(self, name)}"


def current_limits() -> Limits:
    """The limits of this process: the defaults, and what the environment says otherwise.

    Raises OptionError for a variable that is no positive size.
    """
    given = {f.name: os.environ.get(_variable(f.name), "").strip() for f in fields(Limits)}
    return Limits(**{name: _size(name, text) for name, text in given.items() if text})


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _size(name: str, text: str) -> int:
    found = _SIZE.fullmatch(text)
    size = int(found[1]) * dict(_FACTORS)[found[2]] if found else 0
    if size < 1:
        raise OptionError(
            f"{text[:40]!r} is no positive size", where=_variable(name), hint="such as 4096 or 64M"
        )
    return size
