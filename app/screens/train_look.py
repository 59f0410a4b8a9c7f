"""The part of Train that shows what the model has come to: samples, the mean, idle parts."""

from __future__ import annotations

import streamlit as st

from pc_workbench import errors, runs
from pc_workbench.views import looks
from pccore.errors import PCError
from pccore.learn import Look


def show(run: str, over: bool) -> None:
    """The last look that the run has left; nothing before there is one."""
    try:
        found = runs.look(run)
    except PCError as error:
        st.caption(errors.sentence(error))
        return
    if found is None:
        return
    if found.image is not None and found.samples is not None and found.mean is not None:
        _pictures(run, found, over)
    when = looks.when(found.health.epoch, over)
    for level, word, sentence in looks.flags(found.health):
        colour = "green" if level == "fine" else "orange"
        st.markdown(f":{colour}-badge[{word}] :small[:gray[{errors.plain(sentence)}]]")
    if found.image is None:
        st.caption(f"Looked at on {found.health.rows} rows, {when}.")


def _pictures(run: str, found: Look, over: bool) -> None:
    assert found.image is not None and found.samples is not None and found.mean is not None
    samples = looks.sheet(found.samples, found.image)
    mean = looks.sheet(found.mean[None], found.image)
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=int(samples.shape[1]), gap=None):
            st.image(samples, width=int(samples.shape[1]))
            st.caption(f"Samples, {looks.when(found.health.epoch, over)}")
        with st.container(width=max(64, int(mean.shape[1])), gap=None):
            st.image(mean, width=int(mean.shape[1]))
            st.caption("Mean")
    if over:
        st.download_button(
            "Save the samples (PNG)",
            looks.to_png(samples),
            f"{errors.short(run)}-samples.png",
            "image/png",
            on_click="ignore",
            type="tertiary",
        )
