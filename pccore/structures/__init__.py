"""Structures: recipes that turn options and the shape of the data into untrained circuits.

One file each; a new file that defines `STRUCTURE = Structure(...)` is found by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pccore.discovery import instances_in
from pccore.errors import NotFoundError
from pccore.graph import Circuit, Json
from pccore.options import parse_options, to_dict, validate
from pccore.structures.base import Grid, Shape, Size, Structure, shape_of, size_of, summarise
from pccore.structures.redraw import redrawn


@functools.cache
def structures() -> Mapping[str, Structure[Any]]:
    """Every structure of the package by name."""
    found = instances_in("pccore.structures", Structure)
    return MappingProxyType({structure.name: structure for structure in found})


def find_structure(name: str) -> Structure[Any]:
    """The structure with this name. Raises NotFoundError."""
    try:
        return structures()[name]
    except KeyError:
        known = ", ".join(sorted(structures()))
        raise NotFoundError(f"there is no structure {name!r}; known are {known}") from None


def build_structure(
    name: str, shape: Shape, options: Mapping[str, object] | object | None = None
) -> Circuit:
    """The circuit of a structure over data of a shape, with random initial parameters.

    options: an instance of the structure's options, or a mapping (texts are parsed); what it
    leaves out has its default. The circuit's meta tells structure, options and image layout.

    Raises NotFoundError for an unknown structure and OptionError for bad options or options
    that do not suit the shape.
    """
    structure = find_structure(name)
    chosen = _chosen(structure, options)
    structure.require(shape)
    circuit = structure.build(shape, chosen)
    meta: dict[str, Json] = {"title": structure.title, "structure": name}
    return circuit.with_meta({**meta, "options": to_dict(chosen), **shape.meta(), **circuit.meta})


def estimate(
    structure: str | Structure[Any],
    shape: Shape,
    options: Mapping[str, object] | object | None = None,
) -> Size:
    """The size of what `build_structure` would make; no parameter is allocated.

    A structure that cannot tell is built and counted. Raises as `build_structure` does, but
    not because of the number of parameters or edges.
    """
    found = find_structure(structure) if isinstance(structure, str) else structure
    chosen = _chosen(found, options)
    found.require(shape)
    return found.size(shape, chosen) if found.size else size_of(found.build(shape, chosen))


def _chosen(structure: Structure[Any], options: Mapping[str, object] | object | None) -> Any:
    """The options as a checked instance of the structure's class."""
    where = f"structure {structure.name}"
    if isinstance(options, structure.options):
        validate(options, where=where)
        return options
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        raise TypeError(f"{where} takes {structure.options.__name__}, not {type(given).__name__}")
    return parse_options(structure.options, given, where=where)


__all__ = [
    "Grid",
    "Shape",
    "Size",
    "Structure",
    "build_structure",
    "estimate",
    "find_structure",
    "redrawn",
    "shape_of",
    "size_of",
    "structures",
    "summarise",
]
