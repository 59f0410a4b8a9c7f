"""Size and drawing of a circuit that is not made yet; cached, as sliders go back and forth."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pc_workbench import store
from pc_workbench.views import regions
from pccore.structures import Shape, Size, build_structure, estimate, find_structure, shape_of

Options = tuple[tuple[str, str], ...]

#: Groups above which no preview is made: it would have too many elements to be read.
MOST_UNITS = 60_000


@st.cache_resource(max_entries=16, show_spinner=False)
def shape(dataset: str) -> Shape:
    """The shape of a dataset. Raises NotFoundError, DataError."""
    return shape_of(store.get_dataset(dataset))


@st.cache_resource(max_entries=256, show_spinner=False)
def size(structure: str, dataset: str, options: Options) -> Size:
    """Units, edges and parameters. Raises OptionError, NotFoundError, DataError."""
    return estimate(structure, shape(dataset), dict(options))


@st.cache_resource(max_entries=32, show_spinner=False)
def scene(structure: str, dataset: str, options: Options) -> dict[str, Any] | None:
    """The region graph for `circuit_graph`, None where it is too large.

    The regions do not depend on how many units each has, so a thin circuit is drawn.
    """
    thin = {**dict(options)}
    names = set(find_structure(structure).options.__dataclass_fields__)
    for name in names & {"units", "components"}:
        thin[name] = "1"
    for name in names & {"input_units"}:
        thin.pop(name, None)
    if size(structure, dataset, tuple(thin.items())).units > MOST_UNITS:
        return None
    return regions.scene(build_structure(structure, shape(dataset), thin))
