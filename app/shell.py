"""What is around every page: the current model and dataset, errors, the session's heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pc_workbench import datastore, errors, publish, session, sharing, state, store
from pc_workbench.screens import share_panel
from pccore.errors import PCError

SIDEBAR = 220  # pixels
HEARTBEAT = 30  # seconds; hidden tabs slow their timers to one a minute


def run(page: Callable[[], None]) -> None:
    """Show a page inside the shell."""
    state.sync()
    notice = session.enter()
    presenting = state.get().presenting == "yes"
    _style(presenting)
    if notice:
        st.toast(notice, duration="long")
    ignored = state.take_notices()
    if ignored:
        names = ", ".join(sorted(ignored))[:80]
        st.toast(f"Ignored in the link: {errors.plain(names)}", duration="long")
    with errors.boundary():
        sharing.open_inline()
    with errors.boundary():
        _open_published()
    with errors.boundary():
        if not state.get().model:
            state.update(model=store.default_model())
        _known_dataset()
    with errors.boundary():
        page()
    # After the page, which may have changed what is current.
    with st.sidebar, errors.boundary():
        _current()
    _presentation(presenting)
    session.beat()
    session.remember()
    if session.owns_jobs():
        _heartbeat()


def _open_published() -> None:
    """What the link says was published becomes a copy of this session's own. Raises PCError."""
    publication = state.get().open
    if publication:
        state.update(open="")
        title = publish.read(publication).title
        session.room(0)
        state.follow(publish.take(publication, session.workspace(), session.token()))
        st.toast(f"A copy of {errors.plain(errors.short(title))}: what you change is yours alone.")


def _style(presenting: bool) -> None:
    """The look of all pages; for presenting larger type and the sidebar folded away."""
    here = Path(__file__)
    st.html(here.with_name("shell.css"))
    # One more element in either case: what follows keeps its place.
    st.html(here.with_name("presenting.css") if presenting else "<style></style>")
    st.set_page_config(initial_sidebar_state="collapsed" if presenting else SIDEBAR)


def _presentation(presenting: bool) -> None:
    """The way into presentation mode, in the sidebar, and out of it, in a corner."""
    if presenting:
        with st.container(key="pcw_end_presenting"):
            st.button(
                "End presentation",
                key="pcw_present",
                type="tertiary",
                on_click=_present,
                args=("no",),
                shortcut="P",
            )
        return
    st.sidebar.button(
        "Present",
        key="pcw_present",
        help="Larger type for a projector, without the sidebar",
        on_click=_present,
        args=("yes",),
        shortcut="P",
    )


def _present(presenting: str) -> None:
    state.update(presenting=presenting)


def _known_dataset() -> None:
    """A link may name a dataset that only another server has: widgets could not show it."""
    known = [info.name for info in store.dataset_infos()]
    dataset = state.get().dataset
    if known and dataset not in known and datastore.id_of(dataset) is None:
        st.toast(f"There is no dataset {errors.plain(errors.short(dataset))} here.")
        state.choose_dataset(known[0])


def _current() -> None:
    """The lines that say what every page works on."""
    now = state.get()
    try:
        model = store.title_of(now.model) or "none yet"
    except PCError:
        model = "not on this server"
    st.caption("Model")
    st.markdown(errors.plain(model))
    if store.is_untrained(now.model):
        st.badge("untrained", color="orange", help="Its parameters are random. Train fits them.")
    st.caption("Dataset")
    st.markdown(errors.plain(datastore.title(now.dataset)))
    if now.model:
        share_panel.show()


@st.fragment(run_every=HEARTBEAT)
def _heartbeat() -> None:
    """Tell the jobs of this session that somebody still looks."""
    session.beat()
