"""Bringing a dataset: upload, read as told, or a standard set."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pc_workbench import datastore, errors, state
from pccore.datasets import ColumnType
from pccore.datasets.uploads import ENDINGS, load_upload, upload_header
from pccore.errors import DataError, PCError
from pccore.files import Companion

_FILES, _REFUSED = "pcw_data_upload", "pcw_data_refused"
_WORDS, _SKIPPED = "pcw_data_words", "pcw_data_skipped"


def show() -> None:
    """The button with the upload behind it."""
    with st.popover("Upload", width="stretch"):
        st.file_uploader(
            "A table (.csv, .parquet, .npz), a .zip of images, or the three .data files of a set",
            type=list(ENDINGS),
            accept_multiple_files=True,
            key=_FILES,
            on_change=_uploaded,
        )
        st.caption(
            "Words become categories, empty cells and NA are missing values. Standard sets are "
            "downloaded on the command line: `pccore datasets fetch mnist`."
        )


def problem() -> None:
    """What is wrong with the last upload, and for a table what can be done about it."""
    refused: str = st.session_state.get(_REFUSED, "")
    files = _companions()
    if not refused:
        return
    st.error(refused)
    header = upload_header(files[0]) if len(files) == 1 else ()
    if len(header) > 1:
        left, right, button = st.columns([3, 3, 1], vertical_alignment="bottom")
        left.multiselect("Columns of words", header, key=_WORDS)
        right.multiselect("Columns to leave out", header, key=_SKIPPED)
        button.button("Read again", on_click=_uploaded, width="stretch")


def _companions() -> list[Companion]:
    return [Companion(file.name, file.getvalue()) for file in st.session_state.get(_FILES) or []]


def _uploaded() -> None:
    """Keep the dataset and make it the current one; where it is none, all stays as it was."""
    files = _companions()
    st.session_state[_REFUSED] = ""
    if not files:
        return
    types: dict[str, ColumnType] = dict.fromkeys(st.session_state.get(_WORDS, ()), "categorical")
    types |= dict.fromkeys(st.session_state.get(_SKIPPED, ()), "ignore")
    try:
        try:
            dataset = load_upload(files, types)
        except DataError:
            known = set(upload_header(files[0]))
            if set(types) <= known:
                raise
            dataset = load_upload(files)  # chosen for the file before this one
        name = dataset.name if len(files) > 1 else Path(files[0].name).stem
        state.choose_dataset(datastore.put(dataset, name))
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)
