"""What a file format is, and the bounds that every loader keeps."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

from pccore.graph import Circuit, Json


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds that a loader enforces before it allocates anything.

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
    max_text_size: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that belongs to another: a vtree to a PSDD, a CNF to its d-DNNF."""

    name: str
    data: bytes


def alone(_suffixes: Sequence[str]) -> Companion | None:
    """There is no other file."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read a model from: a seekable stream at its start, `size` bytes long.

    beside: the file that came with it and whose name ends in one of some suffixes, or None.
    """

    stream: BufferedIOBase
    size: int
    limits: Limits
    beside: Callable[[Sequence[str]], Companion | None] = alone


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `describe` tells without loading parameters; counts as in `Circuit`."""

    format: str
    title: str
    story: str
    variables: int
    groups: int
    units: int
    edges: int
    parameters: int
    bytes: int

    @classmethod
    def of(cls, circuit: Circuit, format_name: str, size: int) -> ModelInfo:
        """The counts of a circuit that was loaded from `size` bytes."""
        return cls(
            format=format_name,
            title=str(circuit.meta.get("title", "")),
            story=str(circuit.meta.get("story", "")),
            variables=len(circuit.variables),
            groups=len(circuit.groups),
            units=circuit.num_units,
            edges=circuit.num_edges,
            parameters=circuit.num_parameters,
            bytes=size,
        )


@dataclass(frozen=True, slots=True)
class Format:
    """One file format. Its module exports it under an upper-case name and is found by itself.

    name: a short identifier. title: for menus. suffixes: lower case, with the dot; the
    longest that fits a file name decides. load, meta, describe: None for an export-only
    format; they raise FileError with `where` inside the file (the caller adds the file's
    name) and never execute anything. meta reads the notes alone. save: writes the bytes of
    a circuit, deterministically; raises FileError for a circuit that the format cannot
    hold; None for a format of others that is only read. companions: suffixes of files that
    may come with it. families: names of the leaf families that a format of one root can hold;
    empty for a format that holds any circuit. recognises: whether the first 4096 bytes look
    like this format, for files whose name does not say. drawing: a picture of the circuit.
    exact: loading gives back exactly what was saved; texts for people and for other programs
    keep the function, not every group and tie. likelihood: holds the log-likelihood alone, which
    circuits that are not smooth and consistent do not have. package: what has to be installed to
    write it, besides what this package depends on.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    save: Callable[[Circuit, BinaryIO], None] | None = None
    load: Callable[[Source], Circuit] | None = None
    meta: Callable[[Source], Mapping[str, Json]] | None = None
    describe: Callable[[Source], ModelInfo] | None = None
    recognises: Callable[[bytes], bool] | None = None
    drawing: bool = False
    exact: bool = True
    companions: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    likelihood: bool = False
    package: str = ""

    @property
    def installed(self) -> bool:
        """Whether what it needs is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def suits(self, circuit: Circuit) -> bool:
        """Whether a circuit has only roots and leaves that the format can hold."""
        if not self.families:
            return True
        used = {group.family.name for group in circuit.groups if group.kind == "leaf"}
        return len(circuit.roots) == 1 and used <= set(self.families)


@dataclass(frozen=True, slots=True)
class SampleModel:
    """A model that ships with the package: load it by `name`."""

    name: str
    title: str
    story: str
    path: Path
