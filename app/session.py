"""This visitor's session: a token, and signs of life for the jobs that it started."""

from __future__ import annotations

import secrets
import sys

import streamlit as st

from pc_workbench import state

_TOKEN = "pcw_token"


def token() -> str:
    """What tells this session from others; never shown."""
    if _TOKEN not in st.session_state:
        st.session_state[_TOKEN] = secrets.token_hex(8)
    return st.session_state[_TOKEN]


def owns_jobs() -> bool:
    """Whether this session has jobs, or looks at runs."""
    return bool(_watched()) or bool(_jobs_loaded() and _registry().owned(token()))


def beat() -> None:
    """Say that somebody still looks at this session's jobs."""
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
