"""The part of Train that shows one run while it goes on, and the list of all runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import streamlit as st

from pc_workbench import controls, errors, jobs, navigate, runs, state, store
from pc_workbench.jobs import JobView
from pc_workbench.jobs_state import LIVE, RESUMABLE, JobState
from pc_workbench.matching import completable
from pc_workbench.screens import train_curves, train_look, train_reshape
from pc_workbench.views import curves, sizes
from pc_workbench.views.curves import Story
from pccore.errors import PCError

TICK = 0.5  # seconds between looks at a run that goes on
QUEUED_TICK = 1.5  # while it waits: of a class most do, and every look is work for the server
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
        view, title = runs.view(run), runs.run_title(run)
    except PCError as error:
        _gone(error)
        return
    done = st.session_state.pop(_DONE, "")
    if done:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(done, width="stretch")
            pages = ["complete"] if completable(store.get_circuit(state.get().model)) else []
            navigate.links("inspect", "query", *pages)
    st.fragment(_live, run_every=_tick(view.state))(
        run, view.state, title, train_curves.others(run)
    )
    train_reshape.show(view)


def _tick(state_: JobState) -> float | None:
    """Seconds between looks at a run; None where nothing will change."""
    if state_ in LIVE:
        return QUEUED_TICK if state_ == "queued" else TICK
    return SLOW_TICK if state_ == "paused" else None


def _close() -> None:
    state.update(run="")


def _gone(error: PCError) -> None:
    """A run that cannot be shown: its folder was removed, or the link is of another server."""
    st.warning(f"{errors.sentence(error)} Start another, or choose one of the list.")
    st.button("Close this run", on_click=_close)


def _live(run: str, drawn: JobState, title: str, others: Mapping[str, str]) -> None:
    """One look. drawn: the state when the page was drawn; its change redraws the page. others:
    runs to compare with."""
    with errors.boundary():
        try:
            view = runs.view(run)
        except PCError:
            st.rerun()  # it is gone: the page says so
        # The rest of the page has to show a new model, or that the run was closed.
        if _DONE in st.session_state or state.get().run != run:
            st.rerun()
        if _tick(view.state) != _tick(drawn):
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
    # One that has trained before made room for others, or was stopped.
    waits = "waiting for its turn" if status.epoch else "queued"
    words = {"queued": f"{waits}, number {view.position}", "starting": "starting a process"}
    left, right = st.columns([8, 1], vertical_alignment="center")
    colour = COLOURS.get(view.state, "blue")
    left.markdown(f":{colour}-badge[{words.get(view.state, view.state)}] &ensp;{title}")
    if view.state not in LIVE:
        right.button("Close", type="tertiary", on_click=_close, help="The run stays in the list")
    if view.state == "queued":
        registry = jobs.registry()
        load = registry.load()
        turn = f" A turn is {registry.turn:g} s while others wait." if registry.turn else ""
        st.caption(
            f"On this server {sizes.plural(load.running, 'run')} of at most {load.limit} at once "
            f"now train, {load.waiting} wait. Everybody's first comes before anybody's second."
            f"{turn}"
        )
    if view.message:
        (st.error if view.state == "failed" else st.warning)(errors.plain(view.message))
    part = 1.0 if view.state == "finished" else status.epoch / max(1, status.epochs)
    known = view.state == "running" and status.seconds_left is not None
    left = f" · {sizes.duration(status.seconds_left)} left" if known else ""
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
    mine = runs.is_mine(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not mine:
            st.badge("read only", color="gray", help="It does not belong to this workspace.")
        elif state_ in LIVE:
            st.button("Pause", on_click=_do, args=("pause", run), disabled=state_ != "running")
        elif state_ in RESUMABLE:
            st.button("Resume", on_click=_do, args=("resume", run))
        if mine and (state_ in LIVE or state_ == "paused"):
            st.button("Stop", on_click=_do, args=("stop", run), disabled=state_ == "stopping")
        st.button(
            "Use the best model",
            type="primary" if state_ not in LIVE and has_model else "secondary",
            disabled=not has_model,
            on_click=_use,
            args=(run,),
        )
        controls.show_code(
            *runs.command(run),
            label="Copy command",
            width="content",
        )
        if state_ == "finished" and has_model:
            early = view.status.epoch < view.status.epochs
            why = "Stopped early, as it no longer improved" if early else "Finished"
            st.caption(f"{why}. The best model is ready.")


def _do(what: Literal["pause", "resume", "stop"], run: str) -> None:
    try:
        runs.ask(what, run)
    except PCError as error:
        st.toast(errors.sentence(error))


def _use(run: str) -> None:
    try:
        title = runs.use_best(run)
        st.session_state[_DONE] = f"**{errors.plain(title)}** is the current model."
    except PCError as error:
        st.toast(errors.sentence(error))
