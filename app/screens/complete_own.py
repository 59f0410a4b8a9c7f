"""A picture of one's own on the Complete page."""

from __future__ import annotations

import hashlib

import streamlit as st

from pc_workbench import errors
from pc_workbench.views.own_picture import OwnPicture, read_picture
from pccore.datasets import ImageShape
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.limits import current_limits

_FILE = "pcw_own_file"  # the bytes that were uploaded
_WIDGET, _INVERT = "pcw_own_upload", "pcw_own_invert"
_READY = "pcw_own_ready"  # (what it was made from, the row)
_PROBLEM = "pcw_own_problem"


def current(circuit: Circuit, grid: ImageShape) -> OwnPicture | None:
    """The uploaded picture as a row of this model; None where the dataset's is looked at."""
    content: bytes | None = st.session_state.get(_FILE)
    if content is None:
        return None
    whole = circuit.domain(0).kind != "real"
    invert = bool(st.session_state.get(_INVERT, False))
    made_from = (hashlib.sha256(content).digest(), grid, whole, invert)
    ready = st.session_state.get(_READY)
    if ready is None or ready[0] != made_from:
        try:
            picture = read_picture(content, grid, whole_numbers=whole, invert=invert)
        except PCError as error:
            st.session_state[_PROBLEM] = errors.sentence(error)
            leave()
            return None
        ready = st.session_state[_READY] = (made_from, picture)
    return ready[1]


def choose() -> None:
    """The widgets: upload, invert, back to the dataset."""
    st.file_uploader(
        "A picture of your own",
        type=["png", "jpg", "jpeg", "bmp", "gif", "webp"],
        key=_WIDGET,
        on_change=_uploaded,
        max_upload_size=max(1, current_limits().max_picture_bytes // 2**20),
        help="Cropped in the middle, resized, and made grey or RGB as the model needs it. "
        "It stays in this session.",
    )
    # Widgets that are not drawn are dropped; the choice is to survive a page switch.
    st.session_state[_INVERT] = st.session_state.get(_INVERT, False)
    st.toggle("Invert (dark strokes on white paper)", key=_INVERT)
    if problem := st.session_state.get(_PROBLEM):
        st.error(problem)


def line(picture: OwnPicture) -> None:
    """What was done to the picture, and the way back to the dataset."""
    said, swap, back = st.columns([7, 2, 2], vertical_alignment="center")
    said.caption(f"Your picture: {errors.plain(picture.line)}")
    help_ = "Models of digits know light strokes on dark"
    swap.button("Swap light and dark", type="tertiary", on_click=_swap, help=help_)
    back.button("Back to the dataset", type="tertiary", on_click=leave)


def _swap() -> None:
    st.session_state[_INVERT] = not st.session_state.get(_INVERT, False)


def leave() -> None:
    """Look at the dataset again."""
    st.session_state.pop(_FILE, None)
    st.session_state.pop(_READY, None)


def _uploaded() -> None:
    file = st.session_state.get(_WIDGET)
    st.session_state.pop(_PROBLEM, None)
    leave()
    if file is not None:
        st.session_state[_FILE] = file.getvalue()
