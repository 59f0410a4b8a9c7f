"""What a drawing starts from: nothing, the current model, a sample, or a text."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pc_workbench import desk, errors, state, store
from pc_workbench.screens import draw_text
from pccore.draft import MAX_UNITS, Draft
from pccore.errors import PCError

_PROBLEM, _OPEN = "pcw_start_problem", "pcw_start"
_TEXT, _SAMPLE = "pcw_start_text", "pcw_start_sample"


def menu() -> None:
    """A button with the ways to start."""
    with st.popover("Start from", width="stretch", key=_OPEN, on_change="rerun"):
        problem = st.session_state.pop(_PROBLEM, "")
        if problem:
            st.error(problem)
        st.button("Empty canvas", width="stretch", on_click=_begin, args=(Draft,))
        st.button(
            "A copy of the current model",
            width="stretch",
            on_click=_begin,
            args=(_current,),
            disabled=not state.get().model,
        )
        names = _samples()
        if names:
            titles = {one.name: one.title for one in store.samples()}
            st.selectbox(
                "A figure or another sample", names, format_func=titles.__getitem__, key=_SAMPLE
            )
            st.button("Draw the sample", width="stretch", on_click=_begin, args=(_sample,))
        st.text_area(
            "A formula, or code for pccore.build",
            key=_TEXT,
            height=110,
            placeholder="0.3*x1*x2 + 0.7*!x1*!x2",
        )
        st.button("Draw the text", width="stretch", on_click=_begin, args=(_text,))


@st.cache_resource(max_entries=1, show_spinner=False)
def _samples() -> tuple[str, ...]:
    """The samples that are small enough, the figures of the SPN paper first."""
    names = [
        one.name for one in store.samples() if store.get_circuit(one.name).num_units <= MAX_UNITS
    ]
    first = "figure1_naive_bayes"
    return tuple(sorted(names, key=lambda name: (name != first, not name.startswith("figure"))))


def _begin(make: Callable[[], Draft]) -> None:
    """Begin a drawing, and close the menu; where there is none, say why in it."""
    try:
        desk.begin(make())
        st.session_state[_OPEN] = False
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)


def _current() -> Draft:
    return desk.current_or_empty()[0].draft


def _sample() -> Draft:
    return Draft.of(store.get_circuit(st.session_state[_SAMPLE]))


def _text() -> Draft:
    return Draft.of(draw_text.parse_any(st.session_state[_TEXT]))
