"""What a file format is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

from pccore.graph import Circuit, Json
from pccore.limits import Limits


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
