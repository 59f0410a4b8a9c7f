"""The part of Train that holds runs against each other: a table, a filter, settings, files."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pc_workbench import controls, datastore, errors, jobs, runs, session, state
from pc_workbench.jobs import JobView
from pc_workbench.screens import train_curves
from pc_workbench.views import commands, sizes
from pccore.errors import OptionError, PCError
from pccore.learn import RunConfig, RunDirectory, board
from pccore.learn.directory import METRICS, STATUS
from pccore.learn.overview import (
    RESULTS,
    RunSummary,
    Setting,
    differences,
    matching,
    summarise,
    to_csv,
)

_RUNS = "pcw_runs"
_FILTER = "pcw_runs_filter"
#: Runs whose settings stand side by side.
_MOST_COLUMNS = 6


def show(found: Sequence[tuple[RunConfig, JobView]]) -> None:
    """The runs of this workspace and of the server's folder, also those of the command line."""
    if not found:
        return
    st.subheader("Runs")
    known = [(run, _summary(run[1].id)) for run in found]
    summaries = {one.name: one for _, one in known if one is not None}
    conditions = _conditions(summaries) if len(found) > 1 else ()
    kept = list(summaries)
    try:
        kept = [run.name for run in matching(summaries.values(), conditions)]
    except OptionError as error:
        st.error(errors.sentence(error))
    shown = [(config, view) for config, view in found if view.id in kept]
    if not shown:
        st.info("No run meets the conditions.")
        return
    _table(shown, summaries)
    beside = [run for run in (state.get().run, *state.get().beside) if run in summaries]
    chosen = len(beside) > 1 and not conditions
    columns = beside if chosen else [view.id for _, view in shown]
    _files([summaries[view.id] for _, view in shown], conditions, columns[:_MOST_COLUMNS])
    if len(columns) > 1:
        names = {view.id: f"{runs.label(config)} ({view.id[-4:]})" for config, view in found}
        _side_by_side([summaries[run] for run in columns[:_MOST_COLUMNS]], names)


def _summary(run: str) -> RunSummary | None:
    """What a run came to, read again only when its files have changed; None: it is damaged."""
    try:
        path = runs.directory(run).path
        stamps = [(path / name).stat().st_mtime_ns for name in (STATUS, METRICS)
                  if (path / name).exists()]  # fmt: skip
        return _read(str(path), tuple(stamps))
    except (PCError, OSError):
        return None


@st.cache_data(max_entries=256, show_spinner=False)
def _read(path: str, stamps: tuple[int, ...]) -> RunSummary:
    found = summarise(RunDirectory(path))
    settings = {**found.settings, "data": datastore.title(str(found.settings["data"]))}
    return RunSummary(found.name, Path(path), settings, dict(found.results))


def _conditions(summaries: Mapping[str, RunSummary]) -> tuple[str, ...]:
    names = sorted({name for run in summaries.values() for name in run.settings} | set(RESULTS))
    text = st.text_input(
        "Only runs with",
        key=_FILTER,
        placeholder="method=em, pseudocount<1, state!=failed",
        max_chars=200,
        help="Conditions, with commas between them. Names: " + errors.plain(", ".join(names)),
    )
    return tuple(part for part in str(text or "").split(",") if part.strip())


def _table(shown: Sequence[tuple[RunConfig, JobView]], summaries: Mapping[str, RunSummary]) -> None:
    rows = [
        {
            "model": config.title or config.model,
            "data": datastore.title(config.data),
            "method": config.method,
            "state": view.state,
            "epoch": f"{view.status.epoch} of {view.status.epochs}",
            "best (nats)": summaries[view.id].results["best_log_likelihood"],
            "seconds": summaries[view.id].results["seconds"],
            "last seen": time.strftime("%d %b %H:%M", time.localtime(view.status.heartbeat)),
            "run": view.id,
        }
        for config, view in shown
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key=_RUNS,
        on_select=functools.partial(_picked, [view.id for _, view in shown]),
        selection_mode="single-row",
        height=sizes.table(len(rows), 320),
        column_config={
            "epoch": st.column_config.TextColumn(width=85),
            "best (nats)": st.column_config.NumberColumn(format="%.4f"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
        },
    )


def _picked(shown: list[str]) -> None:
    """Show the run whose row was chosen. Only a click may: rows move when a run is added."""
    rows = st.session_state[_RUNS]["selection"]["rows"]
    if rows and rows[0] < len(shown):
        state.update(run=shown[rows[0]])


def _files(
    summaries: Sequence[RunSummary], conditions: Sequence[str], drawn: Sequence[str]
) -> None:
    """The table and the curves as files, and the same on the command line. drawn: runs that fit on
    one chart."""
    with st.container(horizontal=True):
        now = (state.get().run, *state.get().beside)
        if len(drawn) > 1:
            st.button(
                "Draw on one chart", on_click=_draw, args=(drawn,), disabled=now == tuple(drawn),
                help=f"The first {_MOST_COLUMNS} of the table, or those that are compared",
            )  # fmt: skip
        st.download_button(
            "Download CSV", to_csv(summaries), "runs.csv", "text/csv", on_click="ignore",
            help="Results and all settings of these runs",
        )  # fmt: skip
        st.download_button(
            "Curves as SVG", train_curves.picture(drawn), "runs.svg", "image/svg+xml",
            on_click="ignore", help="One for each run; PNG and CSV are on the chart itself",
        )  # fmt: skip
        if board.available():
            st.download_button(
                "TensorBoard", functools.partial(board.packed, [one.path for one in summaries]),
                "tensorboard.zip", "application/zip", on_click="ignore",
                help="Unpack it, then: tensorboard --logdir tensorboard",
            )  # fmt: skip
        folder = str(jobs.registry().folders.home_of(session.token()))
        controls.show_code(*commands.runs(folder, conditions), width="content")


def _draw(drawn: Sequence[str]) -> None:
    """Show these runs together, the first with its buttons."""
    state.update(run=drawn[0], beside=tuple(drawn[1:]))


def _side_by_side(summaries: Sequence[RunSummary], names: Mapping[str, str]) -> None:
    """The settings in which runs differ, and what came of them."""
    with st.expander("Compare settings"):
        apart = differences(summaries)
        heads = [names[one.name] for one in summaries]
        rows: list[dict[str, Any]] = [
            {"setting": name, **{h: _cell(v) for h, v in zip(heads, values, strict=True)}}
            for name, values in apart.items()
        ]
        if not rows:
            st.caption("These runs have the same settings.")
        rows += [
            {"setting": name.replace("_", " "),
             **{h: _cell(one.results[name]) for h, one in zip(heads, summaries, strict=True)}}
            for name in RESULTS
        ]  # fmt: skip
        st.dataframe(rows, hide_index=True, height=sizes.table(len(rows), 420))
        controls.csv_button(rows, "settings.csv")
        st.caption(
            "Choose runs in “Compare with” above to set them side by side; without a choice, or "
            f"where conditions are given, these are the newest {_MOST_COLUMNS} of the table."
        )


def _cell(value: Setting) -> str:
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−", 1)
    return "–" if value is None else str(value)
