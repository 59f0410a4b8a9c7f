"""Build, by hand: the canvas, the text beside it, and what the circuit says and lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import desk, errors, navigate, state, store
from pc_workbench.components.editor import drawing_editor, sent_edits
from pc_workbench.desk import Desk
from pc_workbench.screens import draw_check, draw_evidence, draw_start, draw_text
from pc_workbench.views import labels
from pc_workbench.views.draft_ops import read_edits
from pc_workbench.views.draft_scene import drawing, family_forms
from pccore.errors import PCError

CANVAS = 440  # pixels
_KEY = "pcw_draw"
_MADE, _OPEN, _NAME = "pcw_draw_kept", "pcw_draw_keeping", "pcw_draw_name"


def show(start: DeltaGenerator, keep: DeltaGenerator) -> None:
    """The page; start and keep: places for two buttons."""
    with start, errors.boundary():
        draw_start.menu()
    with keep, errors.boundary():
        _keeping()
    _announce()
    _body(state.get().model)


@st.fragment
def _body(model: str) -> None:
    """Everything that an edit changes. model: the current one when the page was last drawn."""
    with errors.boundary():
        _on_edits(sent_edits(_KEY))  # those of before are known by their numbers
        now, note = desk.current_or_empty()
        # Always there: a canvas that moves down the page would be mounted anew.
        with st.container():
            if note:
                st.info(note)
        left, right = st.columns([65, 35], gap="medium")
        with right:
            with errors.boundary():
                draw_text.show(now)
            with errors.boundary():
                values = draw_evidence.show(now)
        with left:
            _canvas(now, values)
            with errors.boundary():
                draw_check.show(now)
    if state.get().model != model:
        st.rerun()  # the first edit made a new drawing, and the sidebar names it


def _canvas(now: Desk, values: dict[Any, str] | None) -> None:
    report = now.drawn.report
    witness = None
    if report is not None and now.witness is not None and now.witness < len(report.witnesses):
        witness = report.witnesses[now.witness]
    drawing_editor(
        drawing(now.draft, now.drawn.finished, report, witness=witness, values=values),
        key=_KEY,
        sheet=now.token,
        acks=desk.acknowledged(),
        version=now.version,
        undo=bool(now.history.past),
        redo=bool(now.history.future),
        refused=now.refused,
        look=_look(now),
        families=family_forms(),
        height=CANVAS,
        label=str(now.draft.meta.get("title") or "Drawing"),
        on_edits=_on_edits,
    )
    facts = [labels.count(len(now.draft.nodes), "unit"), labels.count(now.draft.num_edges, "edge")]
    facts.append(labels.count(len(now.draft.variables), "variable"))
    st.caption(" · ".join(facts))


def _look(now: Desk) -> tuple[str, Sequence[str]] | None:
    if now.looked is None:
        return None
    return str(now.looked[0]), now.looked[1]


def _on_edits(payload: object) -> None:
    edits = read_edits(payload)
    if edits is None:
        return
    try:
        desk.edit(edits)
    except PCError as error:
        st.session_state[_MADE] = ("", errors.sentence(error))


def _keeping() -> None:
    """The menu that names the drawing and keeps a copy of it."""
    with st.popover("Keep", width="stretch", key=_OPEN, on_change="rerun"):
        now, _ = desk.current_or_empty()
        st.session_state[_NAME] = errors.short(str(now.draft.meta.get("title") or ""))
        st.text_input(
            "Name", key=_NAME, max_chars=80, placeholder="Drawing", on_change=_named,
            disabled=not now.draft.nodes,
        )  # fmt: skip
        st.button(
            "Keep a copy",
            width="stretch",
            help="Put the circuit, as it is now, among the models of the Gallery",
            on_click=_keep,
            disabled=not now.draft.nodes,
        )


def _named() -> None:
    """Call the drawing what was typed."""
    name = st.session_state[_NAME].strip()
    try:
        desk.change(lambda draft: replace(draft, meta={**draft.meta, "title": name or "Drawing"}))
    except PCError as error:
        st.session_state[_MADE] = ("", errors.sentence(error))


def _keep() -> None:
    """A copy of the drawing that no edit changes any more."""
    st.session_state[_OPEN] = False
    try:
        now, _ = desk.current_or_empty()
        circuit = now.draft.circuit()
        model = store.put_model(circuit)
        st.session_state[_MADE] = (store.title_of(model), "")
    except PCError as error:
        st.session_state[_MADE] = ("", errors.sentence(error))


def _announce() -> None:
    title, problem = st.session_state.pop(_MADE, ("", ""))
    if problem:
        st.error(problem)
    if title:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"A copy of **{errors.plain(title)}** is in the Gallery.", width="stretch")
            navigate.links("gallery")
