"""The text field with a formula behind it; what its browser test drives."""

from __future__ import annotations

import streamlit as st

from pc_workbench.components.source import source_text
from pccore.errors import SourceError
from pccore.formula import parse_formula

state = st.session_state
state.setdefault("text", "0.5*x + 0.5*!x")


def read(text: str) -> None:
    state["text"] = text


st.header("Source")
problem, units = None, 0
try:
    units = parse_formula(state["text"]).num_units
except SourceError as error:
    problem = (error.start, error.end, error.message)
source_text("source", state["text"], problem, label="Formula", height=160, on_change=read)
st.code(f"units {units}", language=None)
if st.button("Another text"):
    state["text"] = "a = x + !x\na*y"
    st.rerun()
