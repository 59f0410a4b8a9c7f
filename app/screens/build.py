"""Build: a circuit drawn and typed by hand, or generated from a structure for a dataset."""

from __future__ import annotations

import streamlit as st

from pc_workbench import state
from pc_workbench.screens import build_draw, build_generate

_WAYS = ("draw", "generate")
_TITLES = ("Draw or type", "Generate")


def page() -> None:
    """Draw the page."""
    heading, way, first, second = st.columns([2, 3, 2, 2], vertical_alignment="center")
    heading.title("Build")
    way.segmented_control(
        "How",
        _WAYS,
        format_func=lambda name: _TITLES[_WAYS.index(name)],
        label_visibility="collapsed",
        **state.bind("building"),
    )
    if state.get().building == "draw":
        build_draw.show(first, second)
    else:
        build_generate.show(first, second)
