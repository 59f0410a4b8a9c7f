"""The layers of a compiled circuit as blocks, the leaves at the bottom; a click selects a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ..assets import component

__all__ = ["layer_blocks", "read_layer"]

_SCRIPTS = ("../graph/export", "blocks", "main")


def read_layer(payload: object) -> int | None:
    """Validate what the browser sent: the number of a layer, -1 for none, None if malformed."""
    if not isinstance(payload, Mapping) or "layer" not in payload:
        return None
    number = payload["layer"]
    if number is None:
        return -1
    return number if type(number) is int and 0 <= number < 10**7 else None


def layer_blocks(
    drawing: Mapping[str, Any],
    *,
    selected: int | None,
    key: str,
    height: int = 450,
    label: str = "Layers",
    on_select: Callable[[int | None], None] | None = None,
) -> None:
    """Draw the layers.

    Args:
        drawing: see :func:`pc_workbench.views.compile_view.drawing`. ``id`` names it: while it
            stays, so does the place that was scrolled to.
        selected: number of the selected layer.
        key: unique and constant.
        height: of the area in pixels; what is higher scrolls.
        label: name of the drawing for screen readers and saved files.
        on_select: called with the layer, or None, before the rerun that the choice causes.
    """

    def changed() -> None:
        state = st.session_state.get(key)
        number = read_layer(state.get("pick") if isinstance(state, Mapping) else None)
        if number is not None and on_select is not None:
            on_select(None if number < 0 else number)

    component("layers", _SCRIPTS)(
        key=key,
        data={
            "drawing": dict(drawing),
            "selected": selected,
            "height": int(height),
            "label": label,
        },
        on_pick_change=changed,
    )
