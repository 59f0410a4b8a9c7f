"""The text beside the drawing: the same circuit as a formula or as code."""

from __future__ import annotations

import streamlit as st

from pc_workbench import desk, errors, state
from pc_workbench.components.source import source_text
from pc_workbench.desk import Desk
from pccore.errors import PCError
from pccore.files import to_code
from pccore.files.python_source import from_code
from pccore.formula import format_formula, parse_formula
from pccore.graph import Circuit

HEIGHT = 230  # pixels
_NOTATIONS = ("formula", "code")
_TITLES = ("Formula", "pccore code")
_KEY = "pcw_draw_text"


def parse_any(text: str) -> Circuit:
    """The circuit of a formula or of builder code, whichever it looks like. SourceError."""
    return parse(text, "code" if "circuit(" in text else "formula")


def parse(text: str, notation: str) -> Circuit:
    """The circuit of a text in a notation. Raises SourceError."""
    return parse_formula(text) if notation == "formula" else from_code(text)


def show(now: Desk) -> None:
    """The choice of notation, and the text."""
    st.segmented_control(
        "Notation",
        _NOTATIONS,
        format_func=lambda name: _TITLES[_NOTATIONS.index(name)],
        label_visibility="collapsed",
        **state.bind("notation"),
    )
    notation = state.get().notation
    text, note = _text_of(now, notation)
    problem = now.problem if now.notation == notation else None
    source_text(
        f"{_KEY}_{notation}",
        text,
        problem,
        label=_TITLES[_NOTATIONS.index(notation)],
        height=HEIGHT,
        on_change=lambda typed: _read(typed, notation),
    )
    if problem:
        line = st.container(horizontal=True, vertical_alignment="center")
        line.caption("The drawing stays as it was.", width="stretch")
        line.button("Discard", on_click=desk.drop_text, type="tertiary")
    elif note:
        st.caption(errors.plain(note))


def _text_of(now: Desk, notation: str) -> tuple[str, str]:
    """What stands in the box, and a note where that is not all."""
    if now.typed is not None and now.notation == notation:
        return now.typed, ""
    circuit = now.drawn.circuit
    if circuit is None:
        return "", ""
    note = "Unfinished units are not in the text." if now.draft.unfinished else ""
    plain = circuit.with_meta({})
    try:
        return (format_formula(plain) if notation == "formula" else to_code(plain)), note
    except PCError as error:
        return "", str(error)


def _read(typed: str, notation: str) -> None:
    """Take over what was typed; code does not show what no root reaches."""
    if not typed.strip():
        desk.hold_text(typed, notation)  # somebody is about to type
        return
    whole = notation == "formula"
    try:
        desk.read_text(typed, notation, lambda text: parse(text, notation), whole=whole)
    except PCError as error:  # of the text itself the box says what is wrong
        st.toast(errors.sentence(error))
