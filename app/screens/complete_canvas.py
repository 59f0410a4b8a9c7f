"""The canvas of the Complete page: painting, completions, and their numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import streamlit as st

from pc_workbench import errors, state, store
from pc_workbench.components import Panel, paint_canvas, read_mask
from pc_workbench.screens import complete_lab as lab
from pc_workbench.screens import complete_subject as subject
from pc_workbench.views import completion_text as text
from pc_workbench.views import masks
from pc_workbench.views.completion import Completion, complete
from pccore.completion import to_pixels
from pccore.datasets import ImageShape
from pccore.errors import PCError

#: What is shown, unless somebody chose otherwise.
CHOICES: Mapping[str, Any] = MappingProxyType(
    {"samples": 4, "mpe": True, "mean": True, "tree": False, "uncertainty": False}
)
_WRITTEN, _VERSION = "pcw_mask_written", "pcw_mask_version"


def chosen(name: str) -> Any:
    """An option of the page; it outlives the widget that sets it."""
    return st.session_state.get(f"pcw_complete_{name}", CHOICES[name])


@st.fragment
def canvas(model: str, row: np.ndarray, grid: ImageShape, data: str) -> None:
    """Painting and completions; the only part of the page that runs for a stroke.

    row: the picture, [V]. data: the reference of the rows it comes from, "" for one's own.
    """
    with errors.boundary():
        shape = (grid.height, grid.width)
        key = f"pcw_paint_{grid.height}x{grid.width}"
        start, version = masks.mask_from_link(state.get().mask, shape), _version()
        event = read_mask(key, shape, mask=start, mask_version=version)
        picture = to_pixels(row, grid)
        panels = _untouched(picture)
        problem, said = "", "Paint on the picture to hide pixels; the circuit fills them in."
        if event.mask.any():
            try:
                found = complete(
                    subject.program(model),
                    row,
                    event.mask,
                    grid,
                    seed=state.get().seed,
                    **{name: chosen(name) for name in CHOICES},
                )
                panels, said = _panels(found), text.summary(found)
            except PCError as error:
                problem = errors.sentence(error)
        paint_canvas(
            picture,
            panels,
            key=key,
            sequence=event.sequence,
            brush=max(0, min(shape) // 12),
            value_range=(0, grid.maximum),
            help=said,
            mask=start,
            mask_version=version,
        )
        if problem:
            st.warning(problem)
        if not event.mask.any():
            _warm(model, grid)
        lab.show(model, row, event, grid, data, chosen("samples"))
        # Not at every moment of a stroke: browsers limit how often an address may change.
        mask = masks.mask_to_link(event.mask)
        if event.final and mask != state.get().mask:
            st.session_state[_WRITTEN] = mask
            state.update(mask=mask)


@st.cache_resource(max_entries=16, show_spinner=False)
def _warm(model: str, grid: ImageShape) -> bool:
    """Compile and ask once while nobody waits: the first stroke is to be as quick as the next."""
    with contextlib.suppress(PCError):
        nothing = np.ones((grid.height, grid.width), dtype=bool)
        complete(store.get_program(model), np.zeros(grid.size), nothing, grid, samples=1)
    return True


def _version() -> int:
    """Grows whenever the mask of the state was changed by anything but painting."""
    mask = state.get().mask
    if st.session_state.get(_WRITTEN, mask) != mask:
        st.session_state[_VERSION] = st.session_state.get(_VERSION, 0) + 1
    st.session_state[_WRITTEN] = mask
    return st.session_state.get(_VERSION, 0)


def _untouched(picture: np.ndarray) -> list[Panel]:
    """The picture itself for every panel, so that the first stroke moves nothing."""
    titles = (("Posterior mean", "mean"), ("MPE", "mpe"), ("Sums up, max down", "tree"))
    large = [name for name, key in titles if chosen(key)]
    small = [f"Sample {number + 1}" for number in range(chosen("samples"))]
    return [Panel(name, picture, "nothing to complete", True) for name in large] + [
        Panel(name, picture, "", False) for name in small
    ]


def _panels(found: Completion) -> list[Panel]:
    panels: list[Panel] = []
    quality = text.bound_or_exact(found)
    for label, how, one in (
        ("Posterior mean", "exact", found.mean),
        ("MPE", quality, found.mpe),
        ("Sums up, max down", quality, found.tree),
    ):
        if one is not None:
            panels.append(Panel(label, one.image, text.caption(found, how, one), True))
    log = text.log_name(found)
    for number, one in enumerate(found.samples, 1):
        caption = text.nats(log, one.log_probability)
        panels.append(Panel(f"Sample {number}", one.image, caption, False))
    if found.uncertainty is not None:
        panels.append(Panel("Uncertainty", found.uncertainty, found.white, False))
    return panels
