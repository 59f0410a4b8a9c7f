"""Share: the link and the file, behind a button that every page has."""

from __future__ import annotations

import streamlit as st

from pc_workbench import controls, datastore, errors, navigate, sharing, state, store
from pc_workbench.views import commands
from pccore.errors import PCError

_OPEN, _DATA, _RUN = "pcw_share", "pcw_share_data", "pcw_share_run"


def show() -> None:
    """The button; what is behind it is made when somebody opens it."""
    if st.button("Share", key=_OPEN, help="A link, or one file with everything"):
        _dialog()


@st.dialog("Share", width="medium")
def _dialog() -> None:
    with errors.boundary():
        _panel()


def _panel() -> None:
    now = state.get()
    st.markdown("**Link**")
    address = sharing.link()
    if address:
        st.code(address, language=None, wrap_lines=True)
        st.caption(
            "Opens the circuit, the evidence and this view. Nothing is kept on the server for it."
        )
    else:
        st.caption(
            "This circuit is too large for a link of its own: pass the file on, or publish it on "
            "Workspace, for a link to this server."
        )
        navigate.links("workspace")
    st.markdown("**File**")
    own = datastore.id_of(now.dataset) is not None
    st.session_state.setdefault(_DATA, own)
    data = st.toggle(f"With the data ({errors.plain(datastore.title(now.dataset))})", key=_DATA)
    run = bool(now.run) and st.toggle("With the run on Train", key=_RUN)
    try:
        # Made again whenever the panel changes: small beside what else a page does.
        content = sharing.pack(data=data, run=run)
    except PCError as error:
        st.caption(f":red[{errors.sentence(error)}]")
        return
    name = sharing.file_name()
    size = len(content) / 2**20
    st.download_button(
        f"Download ({size:.1f} MB)" if size >= 0.1 else "Download",
        content,
        name,
        "application/octet-stream",
        type="primary",
        on_click="ignore",
    )
    st.caption("Open it again under *Upload a model* in the Gallery.")
    reference = store.dataset_reference(now.dataset) if data else ""
    model = store.model_reference(now.model)
    controls.show_code(*commands.pack(name, model, reference, now.evidence))
