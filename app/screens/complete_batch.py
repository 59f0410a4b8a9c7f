"""Many pictures with one mask: a table of scores and files to download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from pc_workbench import errors, state, store
from pc_workbench.components.canvas.codec import pack_mask
from pc_workbench.screens import complete_subject as subject
from pc_workbench.screens.complete_code import Choice
from pc_workbench.views import batches
from pc_workbench.views.masks import hidden_columns
from pccore.completion import (
    BASELINES,
    METHODS,
    Batch,
    complete_batch,
    contact_sheet,
    table_csv,
    training_rows,
)
from pccore.completion.report import bands_of, table_of, title_of
from pccore.datasets import ImageShape

#: Pictures of one batch, at most.
MOST = 500
SHOWN = 12  # on the sheet below the table
_METHODS, _BASELINES, _COUNT = "pcw_batch_methods", "pcw_batch_baselines", "pcw_batch_count"
_DONE = "pcw_batch_done"


@dataclass(frozen=True, eq=False)
class _Done:
    """A batch and what it was made of."""

    made_of: tuple[object, ...]
    batch: Batch


def show(model: str, mask: np.ndarray, grid: ImageShape, data: str) -> Choice:
    """Choices, the button, and the last result. data: reference of the rows.

    Gives what is chosen.
    """
    name, _, split = data.rpartition(":")
    dataset = store.get_dataset(name)
    rows = dataset.split(split)
    st.session_state.setdefault(_METHODS, ["mean", "mpe", "tree"])
    st.session_state.setdefault(_BASELINES, ["nn", "pca", "ppca"])
    st.session_state.setdefault(_COUNT, min(20, len(rows)))
    st.session_state[_COUNT] = min(st.session_state[_COUNT], len(rows), MOST)
    for key in (_METHODS, _BASELINES):  # a page switch would drop what no widget shows
        st.session_state[key] = st.session_state[key]
    left, right = st.columns(2)
    left.multiselect("Methods", list(METHODS), format_func=title_of, key=_METHODS)
    right.multiselect("Baselines", list(BASELINES), format_func=title_of, key=_BASELINES)
    number, go, said = st.columns([2, 2, 4], vertical_alignment="bottom")
    number.number_input(f"Pictures of {name}, {split}", 1, min(MOST, len(rows)), key=_COUNT)
    methods, baselines = st.session_state[_METHODS], st.session_state[_BASELINES]
    count = st.session_state[_COUNT]
    ready = bool(mask.any() and methods)
    start = go.button(
        f"Complete {count} pictures",
        type="primary",
        disabled=not ready,
        key="pcw_batch_start",
        width="stretch",
    )
    made_of = (model, state.get().muted, data, count, pack_mask(mask), (*methods,), (*baselines,))
    if start:
        with st.spinner("Completing …"):
            batch = complete_batch(
                subject.program(model),
                rows[:count],
                hidden_columns(mask, grid),
                grid,
                methods,
                baselines=baselines,
                train=training_rows(dataset, split),
                seed=state.get().seed,
                uncertain=True,
            )
        st.session_state[_DONE] = _Done(made_of, batch)
    done: _Done | None = st.session_state.get(_DONE)
    if not ready:
        said.caption("Hide some pixels first." if methods else "Choose a method.")
    elif done is not None and done.made_of != made_of:
        said.caption("Below: an earlier batch, not what is chosen now.")
    if done is not None:
        _result(done.batch)
    return Choice(count, tuple(methods), tuple(baselines))


def _result(batch: Batch) -> None:
    rows = batches.summary_rows(batch)
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        column_config={
            "MSE": st.column_config.NumberColumn(
                format="%.1f", help="of the hidden pixels, 0-255 scale"
            ),
            "PSNR (dB)": st.column_config.NumberColumn(format="%.2f"),
            "SSIM": st.column_config.NumberColumn(format="%.3f", help="of whole pictures"),
            "log P(completed | visible)": st.column_config.NumberColumn(
                format="%.1f", help="nats; empty where a completion is no state of the pixels"
            ),
            "ms a picture": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    line = st.container(horizontal=True, vertical_alignment="center")
    line.caption(errors.plain(batches.best(batch.guesses)))
    line.download_button(
        "Table (CSV)",
        lambda: table_csv(batch),
        file_name="completions.csv",
        mime="text/csv",
        on_click="ignore",
    )
    line.download_button(
        "Pictures (ZIP)",
        lambda: batches.to_zip(batch),
        file_name="completions.zip",
        mime="application/zip",
        on_click="ignore",
    )
    sheet = contact_sheet(bands_of(batch, SHOWN), batch.image)
    st.image(np.asarray(sheet), caption="The first pictures", width=min(sheet.width, 1100))
    with st.expander(f"Every picture ({len(batch.rows) * len(batch.guesses)} lines)"):
        st.dataframe(table_of(batch), hide_index=True, height=240)
