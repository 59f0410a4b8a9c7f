"""The circuit editor alone, with a draft that Python keeps; what its browser tests drive.

`?start=figure` begins with figure 1, `?slow=0.5` answers late. The draft is written as JSON into
an element that the tests read.
"""

from __future__ import annotations

import time

import streamlit as st

from pc_workbench.components.editor import drawing_editor, sent_edits
from pc_workbench.views.draft_ops import apply_batch, read_edits
from pc_workbench.views.draft_scene import drawing, family_forms
from pccore.check import check
from pccore.draft import Draft, History, to_json
from pccore.errors import GraphError, PCError
from pccore.structures.figures import figure1_naive_bayes

KEY = "editor"


def begin() -> History:
    figure = st.query_params.get("start") == "figure"
    return History(Draft.of(figure1_naive_bayes()) if figure else Draft())


def take(payload: object) -> None:
    edits = read_edits(payload)
    if edits is None:
        return
    kept = st.session_state
    for batch in edits.batches:
        if batch.seq > kept.acks.get(edits.stream, 0):
            kept.acks[edits.stream] = batch.seq
            kept.batches += 1
            try:
                kept.history = apply_batch(kept.history, batch)
            except PCError as error:
                kept.refused, kept.version = str(error), kept.version + 1


@st.fragment
def editor() -> None:
    kept = st.session_state
    take(sent_edits(KEY))
    time.sleep(float(st.query_params.get("slow", 0)))
    columns = st.columns(4)
    if columns[0].toggle("away"):
        return
    if columns[1].button("elsewhere"):  # the drawing is changed by something else
        name = f"extra{kept.version}"
        kept.history = kept.history.push(kept.history.present.add(name, "sum", 300, 0, name=name))
        kept.version += 1
    draft = kept.history.present
    try:
        finished = draft.finished
        report = check(finished.circuit)
    except GraphError:
        finished, report = None, None
    drawing_editor(
        drawing(draft, finished, report),
        key=KEY,
        sheet="sheet",
        acks=kept.acks,
        version=kept.version,
        undo=bool(kept.history.past),
        redo=bool(kept.history.future),
        refused=kept.refused,
        families=family_forms(),
        height=440,
        on_edits=take,
    )
    st.code(f"draft {to_json(draft)}", language=None)
    st.code(f"batches {kept.batches}", language=None)


st.set_page_config(page_title="Editor", layout="wide")
if "history" not in st.session_state:
    st.session_state.update(history=begin(), acks={}, batches=0, refused="", version=0)
editor()
