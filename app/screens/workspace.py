"""Workspace: its link, what it holds and may hold, and what was published from it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import streamlit as st

from pc_workbench import (
    datastore,
    drafts,
    errors,
    jobs,
    limits,
    navigate,
    runs,
    session,
    state,
    store,
    workspaces,
)  # fmt: skip
from pc_workbench.screens import workspace_publish
from pc_workbench.views import sizes
from pccore.errors import PCError
from pccore.learn import RunDirectory

_THINGS, _SAID = "pcw_workspace_things", "pcw_workspace_said"


def page() -> None:
    """Draw the page."""
    st.title("Workspace")
    if not session.workspace():
        st.info("There is no workspace here.")
        return
    problem = st.session_state.pop(_SAID, "")
    if problem:
        st.warning(problem)
    left, right = st.columns([6, 5], gap="large")
    with left, errors.boundary():
        _link()
        workspace_publish.show()
    with right, errors.boundary():
        _usage()
        _things()


def _link() -> None:
    home = session.workspace()
    st.subheader("Link to this workspace")
    st.code(session.address(workspace=home), language=None, wrap_lines=True)
    kept = session.cookie_workspaces()
    here = (
        "This browser remembers it. The address of the page does not show it, and may be passed on."
        if kept[:1] == (home,)
        else "The address of the page contains it, too: to pass something on, use Share."
    )
    st.caption(
        "Circuits, drawings and runs that you make belong to this workspace. Whoever has this link "
        f"can see and change them: keep it for another day or another browser. {here}"
    )
    with st.container(horizontal=True):
        st.link_button("Begin another workspace", session.address(workspace=workspaces.new_id()))
        for other in [one for one in kept if one != home and workspaces.exists(one)]:
            st.link_button(f"Earlier one, …{other[-4:]}", session.address(workspace=other))


def _usage() -> None:
    allowed, used = limits.current(), workspaces.usage(session.workspace())
    st.subheader("In use")
    cells = st.columns([5, 3, 4, 4, 3])
    cells[0].metric("Disk", limits.size(used.disk))
    cells[1].metric("Models", used.models)
    cells[2].metric("Drawings", used.drawings)
    cells[3].metric("Datasets", used.datasets)
    cells[4].metric("Runs", used.runs)
    if allowed.disk is not None:
        share = min(1.0, used.disk / allowed.disk)
        st.progress(share, text=f"{limits.size(used.disk)} of {limits.size(allowed.disk)}")
    with st.expander("What this server allows"):
        st.markdown("\n".join(f"- {errors.plain(one)}" for one in _rules(allowed)))


def _rules(allowed: limits.Limits) -> list[str]:
    """What this server allows, in sentences."""
    registry = jobs.registry()
    minutes = registry.abandoned / 60
    said = [
        f"At most {sizes.plural(registry.limit, 'run')} of all visitors at once; everybody's "
        "first comes before anybody's second.",
        *_turns(registry.turn),
        f"A run that nobody has looked at for {minutes:g} minutes pauses, and goes on when "
        f"somebody does; after {2 * minutes:g} minutes it stops, and can be resumed.",
    ]
    if allowed.job_seconds is not None:
        said.append(f"A run may train for {allowed.time()}.")
    if allowed.jobs is not None:
        jobs_ = sizes.plural(allowed.jobs, "run")
        said.append(f"At most {jobs_} of a workspace may train or wait.")
    if allowed.parameters is not None:
        said.append(f"A model may have {sizes.count(allowed.parameters)} parameters.")
    if allowed.keep_seconds is not None:
        days = allowed.keep_seconds / 86_400
        said.append(f"A workspace that nobody opens for {days:g} days is removed.")
    if allowed.publication_seconds is not None:
        days = allowed.publication_seconds / 86_400
        said.append(f"What was published and nobody opens for {days:g} days is withdrawn.")
    return said


def _turns(seconds: float) -> list[str]:
    """How long a run trains where others wait; nothing where it is as long as it likes."""
    said = (
        f"Where runs of others wait, one that has trained for {seconds:g} s makes room and goes on "
        "when it is its turn again, exactly where it was; longer where it takes long to be loaded."
    )
    return [said] if seconds else []


def _things() -> None:
    """Models, drawings and runs, to be opened or deleted."""
    st.subheader("Contents")
    found = [*_models(), *_drawings(), *_datasets(), *_runs()]
    if found:
        rows = [{name: one[name] for name in ("kind", "title", "size", "id")} for one in found]
        st.dataframe(
            rows,
            hide_index=True,
            key=_THINGS,
            on_select="rerun",
            selection_mode="multi-row",
            height=sizes.table(len(rows), 360),
            column_config={
                "kind": st.column_config.TextColumn(width=64),
                "title": st.column_config.TextColumn(width=205),
                "size": st.column_config.TextColumn(width=110),
                "id": None,  # says nothing to anybody
            },
        )
        chosen = [found[n] for n in _selected() if n < len(found)]
        with st.container(horizontal=True):
            # Not a callback: another page can only be gone to from the script.
            if st.button("Open", disabled=len(chosen) != 1, help="Select one row."):
                _open(chosen[0]["kind"], chosen[0]["id"])
            st.button(
                f"Delete {sizes.plural(len(chosen), 'item')}" if chosen else "Delete",
                disabled=not chosen,
                on_click=functools.partial(_delete, [(one["kind"], one["id"]) for one in chosen]),
                help=None if chosen else "Select rows first.",
            )
    else:
        st.caption("Nothing yet: build, draw, upload or train a circuit.")
    if not limits.is_public():
        folder = jobs.registry().folders.home_of(session.token())
        with st.expander("Runs of the command line"):
            st.caption("What it writes into this folder appears on the page Train:")
            st.code(str(folder), language=None, wrap_lines=True)


def _selected() -> Sequence[int]:
    table: Any = st.session_state.get(_THINGS)
    return table["selection"]["rows"] if table else ()


def _models() -> list[dict[str, str]]:
    own = workspaces.models(workspaces.folder(session.workspace()))
    return [
        {
            "kind": "model",
            "title": one.title,
            "size": f"{sizes.count(one.parameters)} parameters",
            "id": one.id,
        }
        for one in store.models()
        if one.id in own
    ]


def _drawings() -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for drawing in workspaces.drawings(session.workspace()):
        with contextlib.suppress(PCError):
            draft = drafts.load(drawing).draft
            title = errors.short(str(draft.meta.get("title") or "Drawing"))
            size = sizes.plural(len(draft.nodes), "unit")
            found.append({"kind": "drawing", "title": title, "size": size, "id": drawing})
    return found


def _datasets() -> list[dict[str, str]]:
    mine = workspaces.datasets(workspaces.folder(session.workspace()))
    return [
        {
            "kind": "dataset",
            "title": datastore.title(one.id),
            "size": sizes.plural(one.info.rows or 0, "row"),
            "id": one.id,
        }
        for one in datastore.listed()
        if one.id in mine
    ]


def _runs() -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    home = jobs.registry().folders.home_of(session.token())
    for config, view in runs.listed():
        directory: RunDirectory = runs.directory(view.id)
        if directory.path.parent == home:
            size = limits.size(workspaces.tree_size(directory.path))
            title = f"{runs.label(config)} ({view.state})"
            found.append({"kind": "run", "title": title, "size": size, "id": view.id})
    return found


def _open(kind: str, name: str) -> None:
    if kind == "run":
        state.update(run=name)
        navigate.go("train")
        return
    if kind == "dataset":
        state.choose_dataset(name)
        navigate.go("data")
        return
    state.choose_model(name)
    navigate.go("build" if kind == "drawing" else "inspect")


def _delete(things: Sequence[tuple[str, str]]) -> None:
    home = session.workspace()
    try:
        for kind, name in things:
            if kind == "run":
                jobs.registry().remove(name, home)
                continue
            if kind == "dataset":
                workspaces.forget_dataset(workspaces.folder(home), name)
            elif kind == "drawing":
                workspaces.forget_drawing(home, name)
            else:
                workspaces.forget_model(workspaces.folder(home), name)
            if state.get().model == name:
                state.choose_model(store.default_model())
    except PCError as error:
        st.session_state[_SAID] = errors.sentence(error)
