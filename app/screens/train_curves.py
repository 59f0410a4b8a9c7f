"""The part of Train with the curves: those of one run, and of others drawn over them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pc_workbench import errors, runs, state
from pc_workbench.components import live_chart
from pc_workbench.views import curve_picture, curves
from pc_workbench.views.curves import Story
from pccore.errors import PCError
from pccore.learn import RunConfig

#: Runs that can be drawn beside one: the chart has so many colours.
MOST_BESIDE = 5
_SCORE = "log-likelihood (nats per row)"


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
        [*curves.series(story, axis), *curves.overlay(_beside_now(), axis)],
        key="pcw_train_chart",
        x_label=curves.AXES[axis],
        y_label=_SCORE,
        annotations=curves.notes(story, axis),
        best=curves.best(story, axis),
        height=300,
        running=running,
    )


def _stories(ids: Sequence[str], main: str = "") -> list[tuple[str, Story]]:
    """Stories of runs, and names that say in which options they differ from each other and from
    the main one; one that is gone is left out."""
    told: dict[str, tuple[RunConfig, Story]] = {}
    for run in ids:
        with contextlib.suppress(PCError):
            told[run] = runs.directory(run).config(), runs.story(runs.view(run))
    configs = [config for config, _ in told.values()]
    with contextlib.suppress(PCError):
        configs += [runs.directory(main).config()] if main else []
    words = curves.apart([{**one.method_options, **one.train_options} for one in configs])
    return [
        (f"{runs.label(config)}{': ' if word else ''}{word}", story)
        for (config, story), word in zip(told.values(), words, strict=False)
    ]


def _beside_now() -> list[tuple[str, Story]]:
    now = state.get()
    return _stories(now.beside, now.run)


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
                "Curves as SVG", _of_one(run, story), f"{name}.svg", "image/svg+xml",
                on_click="ignore", help="With the runs that they are compared with",
            )  # fmt: skip


def picture(ids: Sequence[str]) -> Callable[[], str]:
    """Draws runs over each other, by the curve that stands for each, as SVG."""
    return _svg(curves.overlay(_stories(ids), state.get().axis), "Runs")


def _of_one(run: str, story: Story) -> Callable[[], str]:
    """The same of one run with all of its curves, and of those beside."""
    axis = state.get().axis
    try:
        title = runs.label(runs.directory(run).config())
    except PCError:
        title = run
    beside = curves.overlay(_beside_now(), axis)
    return _svg([*curves.series(story, axis), *beside], title)


def _svg(series: Sequence[Mapping[str, Any]], title: str) -> Callable[[], str]:
    axis = curves.AXES[state.get().axis]
    return functools.partial(curve_picture.to_svg, series, title, axis, _SCORE)
