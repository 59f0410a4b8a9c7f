"""The part of Train that shows one run while it goes on, and the list of all runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pc_workbench import controls, errors, jobs, navigate, runs, session, state
from pc_workbench.jobs import JobView
from pc_workbench.jobs_state import LIVE, RESUMABLE
from pc_workbench.screens import train_curves, train_look, train_reshape
from pc_workbench.views import commands, curves, sizes
from pc_workbench.views.curves import Story
from pccore.errors import PCError
from pccore.learn.directory import INITIAL

TICK = 0.5  # seconds between looks at a run that goes on
SLOW_TICK = 3.0  # while it is paused: somebody else may resume it
_DONE = "pcw_train_done"
COLOURS: Mapping[str, Any] = {
    "failed": "red",
    "interrupted": "orange",
    "finished": "green",
    "paused": "orange",
}


def show(run: str) -> None:
    """Progress, curve and buttons of a run."""
    try:
        view, title = jobs.registry().view(run), runs.run_title(run)
    except PCError as error:
        _gone(error)
        return
    done = st.session_state.pop(_DONE, "")
    if done:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(done, width="stretch")
            navigate.links("inspect", "complete")
    tick = TICK if view.state in LIVE else SLOW_TICK if view.state == "paused" else None
    st.fragment(_live, run_every=tick)(run, view.state, title, train_curves.others(run))
    train_reshape.show(view)


def _close() -> None:
    state.update(run="")


def _gone(error: PCError) -> None:
    """A run that cannot be shown: its folder was removed, or the link is of another server."""
    st.warning(f"{errors.sentence(error)} Start another, or choose one of the list.")
    st.button("Close this run", on_click=_close)


def _live(run: str, drawn: str, title: str, others: Mapping[str, str]) -> None:
    """One look. drawn: the state when the page was drawn; its change redraws the page. others:
    runs to compare with."""
    with errors.boundary():
        try:
            view = jobs.registry().view(run)
        except PCError:
            st.rerun()  # it is gone: the page says so
        # The rest of the page has to show a new model, or that the run was closed.
        if _DONE in st.session_state or state.get().run != run:
            st.rerun()
        if (view.state in LIVE, view.state == "paused") != (drawn in LIVE, drawn == "paused"):
            st.rerun()
        story = runs.story(view)
        _headline(view, title)
        if story.stages:
            st.markdown(curves.stages_text(story, view.state == "finished"))
        _buttons(view, bool(curves.best(story)))
        _scores(story)
        train_curves.choices(others)
        train_curves.chart(story, view.state in LIVE)
        train_look.show(run, view.state == "finished")
        if view.state not in LIVE and story.epochs:
            train_curves.numbers(run, story)


def _headline(view: JobView, title: str) -> None:
    status = view.status
    words = {"queued": f"queued, number {view.position}", "starting": "starting a process"}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words.get(view.state, view.state), color=COLOURS.get(view.state, "blue"))
        st.markdown(title, width="stretch")
        if view.state not in LIVE:
            st.button("Close", type="tertiary", on_click=_close)
    if view.message:
        st.error(errors.plain(view.message))
    part = 1.0 if view.state == "finished" else status.epoch / max(1, status.epochs)
    left = f" · {sizes.duration(status.seconds_left)} left" if view.state == "running" else ""
    text = f"epoch {status.epoch} of {status.epochs} · {sizes.rate(status.rate)} rows/s{left}"
    st.progress(min(1.0, part), text=text if status.epochs else None)


def _scores(story: Story) -> None:
    last = story.epochs[max(story.epochs)] if story.epochs else {}
    best = curves.best(story)
    for cell, (name, value) in zip(
        st.columns(3),
        {
            "Training": last.get("train_log_likelihood"),
            "Validation": last.get("valid_log_likelihood"),
            "Best": best["y"] if best else None,
        }.items(),
        strict=True,
    ):
        cell.metric(name, sizes.nats(value), help="Mean log-likelihood in nats per row.")


def _buttons(view: JobView, has_model: bool) -> None:
    run, state_ = view.id, view.state
    with st.container(horizontal=True, vertical_alignment="center"):
        if state_ in LIVE:
            st.button("Pause", on_click=_do, args=("pause", run), disabled=state_ != "running")
        elif state_ in RESUMABLE:
            st.button("Resume", on_click=_do, args=("resume", run))
        if state_ in LIVE or state_ == "paused":
            st.button("Stop", on_click=_do, args=("stop", run), disabled=state_ == "stopping")
        st.button(
            "Use the best model",
            type="primary" if state_ not in LIVE and has_model else "secondary",
            disabled=not has_model,
            on_click=_use,
            args=(run,),
        )
        controls.show_code(
            *_command(run),
            label="Copy command",
            width="content",
        )
        if state_ == "finished" and has_model:
            early = view.status.epoch < view.status.epochs
            why = "Stopped early, as it no longer improved" if early else "Finished"
            st.caption(f"{why}. The best model is ready.")


def _command(run: str) -> tuple[str, str]:
    """How to do the run once more; one that went on from another begins with what that became."""
    directory = jobs.registry().directory(run)
    config = directory.config()
    if config.origin is not None:
        config = replace(config, model=str(directory.path / INITIAL))
    return commands.rerun(config)


def _do(what: str, run: str) -> None:
    try:
        registry = jobs.registry()
        if what == "resume":
            registry.resume(run, session.token())
        elif what == "pause":
            registry.pause(run)
        else:
            registry.stop(run)
    except PCError as error:
        st.toast(errors.sentence(error))


def _use(run: str) -> None:
    try:
        title = runs.use_best(run)
        st.session_state[_DONE] = f"**{errors.plain(title)}** is the current model."
    except PCError as error:
        st.toast(errors.sentence(error))
