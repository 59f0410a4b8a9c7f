"""This visitor's session: the workspace it works in, and signs of life for the jobs of that.

A workspace comes from the link (`workspace=w-...`), else from the cookie that `serve` sets, else it
is a new one. Only where there is no cookie does the link keep it: an address that is passed on does
not give the workspace away.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pc_workbench import cookies, limits, navigate, state, workspaces

_TOKEN, _WORKSPACE = "pcw_token", "pcw_workspace"


def enter() -> str:
    """Find this session's workspace, once it is known what the link says; returns a notice."""
    asked, kept = state.get().workspace, cookie_workspaces()[:1]
    before = workspace()
    chosen = asked or before or (kept[0] if kept else workspaces.new_id())
    st.session_state[_WORKSPACE] = chosen
    workspaces.touch(chosen)
    wanted = "" if (chosen,) == kept else chosen
    if not before and not state.encode(state.get()).keys() - {"workspace"}:
        state.follow(workspaces.last(chosen))
    if asked != wanted:
        state.update(workspace=wanted)
    if asked and before != asked and not workspaces.exists(asked):
        return "This workspace is not on this server, or holds nothing yet: it begins empty."
    return ""


def remember() -> None:
    """Keep what this session looks at, for whoever opens the workspace without more of a link."""
    kept = {"workspace", "open", "presenting"}
    link = state.encode(state.get())
    workspaces.remember(workspace(), {n: text for n, text in link.items() if n not in kept})


def workspace() -> str:
    """The workspace of this session; "" where there is no visitor, as in scripts and tests."""
    if get_script_run_ctx() is None:
        return ""
    return st.session_state.get(_WORKSPACE, "")


def room(size: int) -> Path:
    """The folder of this session's workspace, in which so many bytes have room. QuotaError."""
    used = workspaces.usage(workspace()).disk
    limits.current().check_disk(used, size, workspaces.total())
    return workspaces.begin(workspace())


def address(page: str = "", **parameters: str) -> str:
    """The address of a page of this server, as this visitor sees it."""
    here = (st.context.url or "").partition("?")[0].rstrip("/")
    last = here.rpartition("/")[2]
    if last in navigate.names():
        here = here.removesuffix("/" + last)
    query = urlencode(parameters)
    return f"{here}/{page}" + (f"?{query}" if query else "")


def cookie_workspaces() -> tuple[str, ...]:
    """The workspaces that this browser has used, the current one first."""
    return cookies.workspaces_of(st.context.cookies.get(cookies.WORKSPACES, ""))


def token() -> str:
    """Whose jobs and drawings these are: the workspace, else a secret of this session."""
    if workspace():
        return workspace()
    if _TOKEN not in st.session_state:
        st.session_state[_TOKEN] = secrets.token_hex(8)
    return st.session_state[_TOKEN]


def owns_jobs() -> bool:
    """Whether this session has jobs, or looks at runs."""
    return bool(_watched()) or bool(_jobs_loaded() and _registry().owned(token()))


def beat() -> None:
    """Say that somebody still looks at this session's jobs."""
    if workspace():
        workspaces.touch(workspace())
    if _jobs_loaded():
        _registry().beat(token(), _watched())


def _watched() -> tuple[str, ...]:
    """The runs that the link names: after a reload they belong to no session that is there."""
    now = state.get()
    return (*((now.run,) if now.run else ()), *now.classes)


def _jobs_loaded() -> bool:
    """Whether any page of this process has used jobs yet: only then can there be some."""
    return "pc_workbench.jobs" in sys.modules


def _registry():
    from pc_workbench import jobs

    return jobs.registry()
