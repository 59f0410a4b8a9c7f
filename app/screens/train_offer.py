"""The part of Train that offers to go on with runs whose server or process has ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pc_workbench import controls, errors, runs, state
from pc_workbench.jobs import JobView
from pc_workbench.views import commands
from pccore.errors import PCError
from pccore.learn import RunConfig

#: Runs that are named; more are counted.
_NAMED = 3


def show(found: Sequence[tuple[RunConfig, JobView]]) -> None:
    """A sentence and a button, nothing where no run of these was interrupted."""
    cut = [
        (config, view)
        for config, view in found
        if view.state == "interrupted" and runs.is_mine(view.id)
    ]
    if not cut:
        return
    names = [errors.plain(runs.label(config)) for config, _ in cut[:_NAMED]]
    more = f" and {len(cut) - _NAMED} more" if len(cut) > _NAMED else ""
    one = len(cut) == 1
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{'A run was' if one else f'{len(cut)} runs were'} interrupted when the server or "
            f"its process ended: {'; '.join(names)}{more}. "
            f"{'It goes' if one else 'They go'} on from the last checkpoint.",
            width="stretch",
        )
        ids = tuple(view.id for _, view in cut)
        st.button("Resume" if one else "Resume all", on_click=_resume, args=(ids,))
        folders = [str(runs.directory(run).path) for run in ids]
        controls.show_code(*commands.resume(folders), width="content")


def _resume(ids: Sequence[str]) -> None:
    for run in ids:
        try:
            runs.ask("resume", run)
        except PCError as error:
            st.toast(errors.sentence(error))
            continue
        if not state.get().run:
            state.update(run=run)
