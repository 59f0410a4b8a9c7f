"""The part of Train with the curves: those of one run, and of others drawn over them."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pc_workbench import errors, runs, state
from pc_workbench.components import live_chart
from pc_workbench.views import curve_picture, curves
from pc_workbench.views.curves import Story
from pccore.errors import PCError

#: Runs that can be drawn beside one: the chart has so many colours.
MOST_BESIDE = 5


def others(run: str) -> dict[str, str]:
    """The runs that can be drawn beside one, with what to call them."""
    found = {view.id: runs.label(config) for config, view in runs.listed()}
    found.pop(run, None)
    return found


def choices(others: Mapping[str, str]) -> None:
    """What the chart shows besides the run, and what its axis counts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if others:
            known = tuple(one for one in state.get().beside if one in others)
            if known != state.get().beside:
                state.update(beside=known)
            st.session_state["pcw_beside"] = list(known)
            st.multiselect(
                "Compare with",
                list(others),
                key="pcw_beside",
                format_func=lambda one: f"{others[one]} ({one[-4:]})",
                max_selections=MOST_BESIDE,
                placeholder="Runs to draw on the same chart",
                on_change=_beside,
            )
        st.segmented_control(
            "Across",
            list(curves.AXES),
            format_func=str.capitalize,
            width="content",
            **state.bind("axis"),
        )


def _beside() -> None:
    state.update(beside=tuple(st.session_state["pcw_beside"]))


def chart(story: Story, running: bool) -> None:
    """The curves."""
    axis = state.get().axis
    live_chart(
        [*curves.series(story, axis), *curves.overlay(_stories_beside(), axis)],
        key="pcw_train_chart",
        x_label=curves.AXES[axis],
        y_label="log-likelihood (nats per row)",
        annotations=curves.notes(story, axis),
        best=curves.best(story, axis),
        height=300,
        running=running,
    )


def _stories_beside() -> list[tuple[str, Story]]:
    """Names and stories of the runs beside; one that is gone is left out."""
    found: list[tuple[str, Story]] = []
    for run in state.get().beside:
        try:
            config = runs.directory(run).config()
            found.append((runs.label(config), runs.story(runs.view(run))))
        except PCError:
            continue
    return found


def numbers(run: str, story: Story) -> None:
    """The epochs as a table and as files."""
    with st.expander("Numbers"):
        st.dataframe(curves.rows(story), hide_index=True, height=240)
        name = errors.short(run)
        with st.container(horizontal=True):
            st.download_button(
                "Download CSV", curves.to_csv(story), f"{name}.csv", "text/csv", on_click="ignore"
            )
            st.download_button(
                "Curves as SVG", _picture(run, story), f"{name}.svg", "image/svg+xml",
                on_click="ignore", help="With the runs that they are compared with",
            )  # fmt: skip


def _picture(run: str, story: Story) -> str:
    axis = state.get().axis
    try:
        title = runs.label(runs.directory(run).config())
    except PCError:
        title = run
    series = [*curves.series(story, axis), *curves.overlay(_stories_beside(), axis)]
    return curve_picture.to_svg(series, title, curves.AXES[axis], "log-likelihood (nats per row)")
