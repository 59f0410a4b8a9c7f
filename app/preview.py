"""Size and drawing of a circuit that is not made yet; cached, as sliders go back and forth."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pc_workbench import store
from pc_workbench.views import regions
from pc_workbench.views.scene import circuit_scene
from pccore.graph import Circuit
from pccore.options import describe
from pccore.structures import (
    Shape,
    Size,
    build_structure,
    estimate,
    find_structure,
    shape_of,
    size_of,
)

Options = tuple[tuple[str, str], ...]

#: Groups above which no preview is made: it would have too many elements to be read.
MOST_UNITS = 60_000


@st.cache_resource(max_entries=16, show_spinner=False)
def shape(dataset: str) -> Shape:
    """The shape of a dataset. Raises NotFoundError, DataError."""
    return shape_of(store.get_dataset(dataset))


@st.cache_resource(max_entries=8, show_spinner="Learning from the data ...")
def learned(structure: str, dataset: str, options: Options) -> Circuit:
    """The circuit of a structure that is learned from the data, of which no preview can be had
    for less. Raises OptionError, NotFoundError, DataError."""
    return build_structure(structure, shape(dataset), dict(options))


def sketch(structure: str, dataset: str, options: Options) -> Circuit:
    """The circuit that is learned from the data, but for start values that take time and that no
    preview shows."""
    recipe = find_structure(structure)
    if not recipe.trained and any(info.name == "start" for info in describe(recipe.options)):
        options = tuple({**dict(options), "start": "random"}.items())
    return learned(structure, dataset, options)


@st.cache_resource(max_entries=256, show_spinner=False)
def size(structure: str, dataset: str, options: Options) -> Size:
    """Units, edges and parameters. Raises OptionError, NotFoundError, DataError."""
    if find_structure(structure).needs_data:
        return size_of(sketch(structure, dataset, options))
    return estimate(structure, shape(dataset), dict(options))


@st.cache_resource(max_entries=32, show_spinner=False)
def scene(structure: str, dataset: str, options: Options) -> tuple[dict[str, Any] | None, str]:
    """The region graph for `circuit_graph`, and what of it is left out, if anything.

    The regions do not depend on how many units each has, so a thin circuit is drawn. Of many
    replicas, which all look alike, the first few are; another large graph is drawn by levels.
    None where even that is too large.
    """
    recipe = find_structure(structure)
    if recipe.needs_data:
        circuit = sketch(structure, dataset, options)
        if circuit.num_units > MOST_UNITS:
            return None, "Too large to be drawn."
        drawn = None if recipe.trained else regions.scene(circuit)
        if drawn is not None:
            return drawn, ""
        found = circuit_scene(circuit)
        return found, "" if len(found["nodes"]) >= circuit.num_units else "Drawn by levels."
    thin = {**dict(options)}
    defaults = {info.name: info.default for info in describe(find_structure(structure).options)}
    for name in {"units", "components"} & set(defaults):
        thin[name] = "1"
    thin.pop("input_units", None)
    about = shape(dataset)
    if recipe.repeats is not None and about.num_variables > recipe.repeats:
        few = Shape.of(about.variables[: recipe.repeats], about.supports[: recipe.repeats])
        note = f"The first {recipe.repeats} of {about.num_variables} variables are drawn."
        thin["start"] = "random"  # nothing else can start without data
        return regions.scene(build_structure(structure, few, thin)), note
    if size(structure, dataset, tuple(thin.items())).units > MOST_UNITS:
        return None, "Too large to be drawn."
    replicas = int(str(thin.get("replicas", defaults.get("replicas", 1))))
    circuit = build_structure(structure, shape(dataset), thin)
    found = regions.scene(circuit)
    if found is not None:
        return found, ""
    for drawn in (n for n in (6, 4, 3, 2, 1) if n < replicas):
        fewer = {**thin, "replicas": str(drawn)}
        found = regions.scene(build_structure(structure, shape(dataset), fewer))
        if found is not None:
            return found, f"{drawn} of {replicas} replicas are drawn."
    return circuit_scene(circuit), "Drawn by levels."
