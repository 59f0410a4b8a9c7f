"""build: an untrained circuit from a structure, options and the shape of the data."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from pccore.cli.models import sizes
from pccore.cli.output import emit, pairs
from pccore.cli.support import catalogue_entry, catalogue_lines, check_target, required
from pccore.datasets import load, parse_reference
from pccore.errors import OptionError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.options import parse_assignments
from pccore.presets import Facts, preset_options
from pccore.structures import Shape, build_structure, find_structure, shape_of, structures
from pccore.structures.figures import build_family, families


def build(options: argparse.Namespace) -> int:
    """Make a circuit and write it, or list what can be made."""
    if options.list:
        return _list(options)
    name = required(options.structure, "STRUCTURE", "build")
    family = name in families()
    if not family:
        find_structure(name)
    target = check_target(required(options.output, "-o", "build"))
    settings = parse_assignments(options.set)
    start = time.perf_counter()
    circuit = _figure(name, options, settings) if family else _structure(name, options, settings)
    save_model(circuit, target)
    seconds = time.perf_counter() - start
    chosen = circuit.meta.get("options", {})
    payload = {
        "model": options.output,
        "structure": name,
        "options": chosen,
        "variables": len(circuit.variables),
        **sizes(circuit),
        "seconds": seconds,
    }
    lines = pairs([("wrote", options.output), *sizes(circuit).items()])
    emit(options, payload, lines)
    return 0


def _figure(name: str, options: argparse.Namespace, settings: Mapping[str, str]) -> Circuit:
    """A figure of any size, which brings its variables along."""
    given = [options.data, options.variables, options.image, options.preset]
    if any(one is not None for one in given):
        raise OptionError(
            f"{name} has its own variables, leave out --data, --variables, --image and --preset"
        )
    return build_family(name, settings)


def _structure(name: str, options: argparse.Namespace, settings: Mapping[str, str]) -> Circuit:
    """A structure for the variables of a dataset, or of so many variables."""
    given: dict[str, Any] = {}
    shape = _shape(options)
    if options.preset is not None:
        maximum = shape.image.maximum if shape.image is not None else None
        facts = Facts(shape.num_variables, 1.0 if maximum is None else maximum)
        given |= preset_options(name, options.preset, facts)
    return build_structure(name, shape, {**given, **settings})


def _shape(options: argparse.Namespace) -> Shape:
    """From --data, or from --variables or --image."""
    if options.data is not None:
        if options.variables is not None or options.image is not None:
            raise OptionError("--data already tells the variables, leave out --variables, --image")
        return shape_of(load(parse_reference(options.data)[0]))
    count = options.variables
    if options.image is not None:
        pixels = 1
        for side in options.image:
            pixels *= side
        if count not in (None, pixels) or pixels > 1_000_000:
            raise OptionError(f"such an image has {pixels} variables", where="--image")
        count = pixels
    if count is None:
        raise OptionError("which variables? give --data, --variables or --image")
    support = Support("real") if options.states is None else Support("finite", options.states)
    return Shape.of(count, support, options.image)


def _list(options: argparse.Namespace) -> int:
    chosen = {**structures(), **families()}
    if options.structure is not None:
        known = families().get(options.structure)
        chosen = {options.structure: known or find_structure(options.structure)}
    found = [catalogue_entry(structure) for structure in chosen.values()]
    lines = [line for entry in found for line in catalogue_lines(entry)]
    emit(options, {"structures": found}, lines)
    return 0
