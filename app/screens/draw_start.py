"""What a drawing starts from: nothing, the current model, a sample, or a text."""

from __future__ import annotations

import streamlit as st

from pc_workbench import desk, errors, state, store
from pc_workbench.screens import draw_text
from pccore.draft import MAX_UNITS, Draft
from pccore.errors import PCError

_PROBLEM = "pcw_start_problem"
_TEXT, _SAMPLE = "pcw_start_text", "pcw_start_sample"


def menu() -> None:
    """A button with the ways to start."""
    with st.popover("Start from", width="stretch"):
        problem = st.session_state.pop(_PROBLEM, "")
        if problem:
            st.error(problem)
        st.button("Empty canvas", width="stretch", on_click=_empty)
        st.button(
            "A copy of the current model",
            width="stretch",
            on_click=_copy,
            disabled=not state.get().model,
        )
        names = _samples()
        if names:
            titles = {one.name: one.title for one in store.samples()}
            st.selectbox(
                "A figure or another sample", names, format_func=titles.__getitem__, key=_SAMPLE
            )
            st.button("Draw the sample", width="stretch", on_click=_sample)
        st.text_area(
            "A formula, or code for pccore.build",
            key=_TEXT,
            height=110,
            placeholder="0.3*x1*x2 + 0.7*!x1*!x2",
        )
        st.button("Draw the text", width="stretch", on_click=_text)


@st.cache_resource(max_entries=1, show_spinner=False)
def _samples() -> tuple[str, ...]:
    """The samples that are small enough, the figures of the SPN paper first."""
    names = [
        one.name for one in store.samples() if store.get_circuit(one.name).num_units <= MAX_UNITS
    ]
    first = "figure1_naive_bayes"
    return tuple(sorted(names, key=lambda name: (name != first, not name.startswith("figure"))))


def _empty() -> None:
    try:
        desk.begin(Draft())
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)


def _copy() -> None:
    try:
        now, _ = desk.current_or_empty()
        desk.begin(now.draft)
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)


def _sample() -> None:
    try:
        desk.begin(Draft.of(store.get_circuit(st.session_state[_SAMPLE])))
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)


def _text() -> None:
    text = st.session_state[_TEXT]
    try:
        desk.begin(Draft.of(draw_text.parse_any(text)))
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)
