"""How much a file, a table or an upload may hold: one home for the bounds on what strangers send.

Every reader keeps them before it takes memory, and its message names the limit and the value found.
Each can be set by an environment variable of its name, `PCCORE_MAX_BYTES=64M` for `max_bytes`.
(What one page draws, or one query computes, is bounded where that is done.) `narrowed` puts lower
bounds in the place of others for what a visitor uploads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from pccore.errors import OptionError

_PREFIX = "PCCORE_"
_SIZE = re.compile(r"([0-9]{1,18})([kKMG]?)")
_FACTORS = (("k", 2**10), ("K", 2**10), ("M", 2**20), ("G", 2**30), ("", 1))
#: Limits in whose place others hold, see `narrowed`.
_NARROWED: ContextVar[Mapping[str, str]] = ContextVar("narrowed", default=MappingProxyType({}))


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
    #: columns that the notes of a dataset may describe, and bytes of these notes
    max_columns: int = 2**24
    max_notes_bytes: int = 16 * 2**20
    #: arrays in one .npz file
    max_members: int = 256
    #: images of a folder, and files of a dataset in pieces
    max_files: int = 200_000
    #: height and width of an image, and its pixels, in a folder or on the page Complete
    max_side: int = 8192
    max_pixels: int = 2**26
    #: bytes of one picture
    max_picture_bytes: int = 10 * 2**20
    #: members of a zip archive, characters of their names, bytes of all of them unpacked, and how
    #: many times its size a large one may unpack to
    max_archive_members: int = 100_000
    max_archive_name: int = 400
    max_archive_bytes: int = 2**30
    max_archive_ratio: int = 200
    #: a bundle: bytes of its manifest, values of its dataset, texts of its link, characters of
    #: each with its name, and of a title
    max_manifest_bytes: int = 2**20
    max_bundle_values: int = 2**27
    max_link_texts: int = 100
    max_link_text: int = 20_000
    max_title: int = 400
    #: an uploaded dataset: its values, bytes of a table as text (read cell by cell, which takes
    #: time), and bytes of the file in which it is kept
    max_upload_values: int = 2**26
    max_upload_text: int = 24 * 2**20
    max_kept_bytes: int = 128 * 2**20
    #: bytes of one downloaded file
    max_download_bytes: int = 2**30

    def way_out(self, name: str) -> str:
        """The hint of an error about the limit `name`: what sets it."""
        lower = _NARROWED.get().get(name, name)
        if getattr(self, lower) == getattr(self, name):
            name = lower
        return f"the limit is {_variable(name)}={getattr(self, name)}"


def current_limits() -> Limits:
    """The limits of this process: the defaults, and what the environment says otherwise.

    Raises OptionError for a variable that is no positive size.
    """
    given = {f.name: os.environ.get(_variable(f.name), "").strip() for f in fields(Limits)}
    limits = Limits(**{name: _size(name, text) for name, text in given.items() if text})
    narrowed = _NARROWED.get()
    if not narrowed:
        return limits
    lower = {n: min(getattr(limits, n), getattr(limits, other)) for n, other in narrowed.items()}
    return replace(limits, **lower)


@contextmanager
def narrowed(**others: str) -> Generator[None]:
    """Within, no limit is above the other that it is given: max_values="max_upload_values".

    Hints name the one that holds. It applies to this thread alone.
    """
    token = _NARROWED.set(MappingProxyType({**_NARROWED.get(), **others}))
    try:
        yield
    finally:
        _NARROWED.reset(token)


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
