"""Data: bring a dataset, look at its variables and rows, say what they are, split and keep it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, get_args

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import controls, datastore, errors, navigate, state, store
from pc_workbench.screens import data_upload
from pc_workbench.views import commands, sizes, tables
from pc_workbench.views.tables import Changes
from pccore.datasets import (
    COLUMN_TYPES,
    SPLITS,
    VARIABLE_TYPES,
    Dataset,
    Split,
    VariableSummary,
    dataset_bytes,
    describe,
    parse_shares,
    resplit,
    retype,
    suggested_types,
)
from pccore.errors import DataError, EvidenceError, PCError

_FIND, _EDITOR, _BASE = "pcw_data_find", "pcw_data_editor", "pcw_data_base"
_SPLIT, _SHARES, _SEED, _NAME = (f"pcw_data_{word}" for word in ("split", "shares", "seed", "name"))
_SAVED, _ROWS, _TAB = "pcw_data_saved", "pcw_data_rows", "pcw_data_tab"
_KEEP, _SHUFFLE, _IN_ORDER = "As it is", "Shuffled", "In order"
_OPEN = "pcw_data_save"
_HEIGHT = 420  # pixels of a table


def page() -> None:
    """Draw the page."""
    heading, upload, code, action = st.columns([5, 2, 2, 2], vertical_alignment="center")
    heading.title("Data")
    with upload:
        data_upload.show()
    _choice()
    data_upload.problem()
    with errors.boundary():
        dataset = store.get_dataset(state.get().dataset)
        _announce()
        _facts(dataset)
        wanted = _body(dataset)
        with code:
            controls.show_code(*_code(wanted))
        with action:
            _save(dataset, wanted)


def _choice() -> None:
    names = [info.name for info in store.dataset_infos()]
    current = state.get().dataset
    if current not in names:  # opened by a link to one that is not listed
        names = [current, *names]
    st.selectbox(
        "Dataset",
        names,
        format_func=datastore.title,
        label_visibility="collapsed",
        **state.bind("dataset", among=names, then=_chosen),
    )


def _chosen() -> None:
    state.choose_dataset(state.get().dataset)


def _facts(dataset: Dataset) -> None:
    """A line of numbers, and where to go with it."""
    counts = [f"**{len(dataset.rows(s)):,}** {s}" for s in SPLITS]
    parts = [f"**{dataset.num_variables:,}** variables", *counts]
    share = _missing(state.get().dataset, dataset)
    parts.append(f"**{share:.1%}** missing" if share else "nothing missing")
    if dataset.image is not None:
        parts.append(f"images of {errors.plain(str(dataset.image))}")
    if dataset.labels["train"] is not None:
        parts.append(f"{len(dataset.label_names) or 'with'} labels")
    st.markdown(" · ".join(parts))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button("Build a model for it", type="tertiary"):
            state.update(building="generate")
            navigate.go("build")
        pages = ["train", *(["complete"] if dataset.image is not None else [])]
        navigate.links(*pages, label="Use on {}")


@st.cache_data(max_entries=32, show_spinner=False)
def _missing(name: str, _dataset: Dataset) -> float:
    return float(_dataset.summary()["missing"])


@st.cache_data(max_entries=16, show_spinner=False)
def _described(name: str, names: tuple[str, ...], _dataset: Dataset) -> tuple[VariableSummary, ...]:
    return describe(_dataset, names)


@st.cache_data(max_entries=32, show_spinner=False)
def _suggested(name: str, _dataset: Dataset) -> dict[str, Any]:
    return suggested_types(_dataset)


def _body(dataset: Dataset) -> Changes:
    """Variables and rows; returns what was changed."""
    wanted = Changes()
    variables, rows, split = st.tabs(["Variables", "Rows", "Split"], key=_TAB, on_change="rerun")
    with variables:
        wanted = _variables(dataset)
    if rows.open:
        with rows:
            _rows(dataset)
    with split:
        _split()
    return wanted


def _variables(dataset: Dataset) -> Changes:
    fixed = dataset.image is not None or bool(dataset.streams)
    if fixed:
        _pictures(dataset)
    find = ""
    if dataset.num_variables > 20:
        find = st.text_input(
            "Find variables", key=_FIND, placeholder="Find variables", label_visibility="collapsed"
        )
    name = state.get().dataset
    names = tables.shown_names(dataset, find)
    if not names:
        st.caption("No variable has such a name.")
        return Changes()
    summaries = _described(name, names, dataset)
    if len(names) < dataset.num_variables:
        st.caption(f"{len(names)} of {dataset.num_variables:,} variables are listed.")
    suggested = {} if fixed else _suggested(name, dataset)
    base = _base(name, names, summaries, suggested)
    edited = st.data_editor(
        base,
        key=_editor_key(name, names),
        hide_index=True,
        width="stretch",
        height=_HEIGHT if len(names) > 11 else "auto",
        disabled=True if fixed else [c for c in base.columns if c not in ("Type", _STATES)],
        column_config=_columns(fixed),
    )
    controls.csv_button(tables.summary_rows(summaries), "variables.csv")
    if fixed:
        return Changes()
    hints = [f"{errors.plain(n)}: {t}" for n, t in suggested.items() if n in names]
    if hints:
        st.caption(f"Suggested, and already chosen in the table: {', '.join(hints[:8])}.")
    return tables.changes(summaries, list(edited["Type"]), list(edited[_STATES]))


_STATES = "States, in order"


def _base(
    name: str,
    names: tuple[str, ...],
    summaries: tuple[VariableSummary, ...],
    suggested: dict[str, Any],
) -> pd.DataFrame:
    """The table before it is edited: always the same, else the editor would forget the edits."""
    key = _editor_key(name, names)
    kept: tuple[str, pd.DataFrame] | None = st.session_state.get(_BASE)
    if kept is None or kept[0] != key:
        kept = (key, pd.DataFrame(tables.variable_rows(summaries, suggested)))
        st.session_state[_BASE] = kept
    return kept[1]


def _editor_key(name: str, names: tuple[str, ...]) -> str:
    return f"{_EDITOR}_{name}_{len(names)}_{names[0]}"


def _columns(fixed: bool) -> dict[str, Any]:
    config = st.column_config
    types = list(VARIABLE_TYPES if fixed else COLUMN_TYPES)
    return {
        "Variable": config.TextColumn(width=150, pinned=True),
        "Type": config.SelectboxColumn(
            options=types,
            required=True,
            width=110,
            help="What the values are. label: the class of each row, no variable. ignore: left out",
        ),
        "Values": config.BarChartColumn(
            width=170, y_min=0, help="How often each state or range of values occurs"
        ),
        "Missing": config.ProgressColumn(format="percent", min_value=0, max_value=1, width="small"),
        "Different": config.NumberColumn(width="small", help="Different values"),
        "Range": config.TextColumn(width=120),
        "Mean": config.TextColumn(width="small"),
        _STATES: config.TextColumn(
            width=170,
            help="Put the states of an ordered variable into their order, divided by commas",
        ),
    }


def _pictures(dataset: Dataset) -> None:
    if dataset.image is None:
        return
    sheet, mean = st.columns([3, 1], gap="medium")
    sheet.image(store.picture(state.get().dataset), caption="The first training images")
    picture = tables.mean_picture(dataset)
    if picture is not None:
        mean.image(picture, caption="Their mean")


def _rows(dataset: Dataset) -> None:
    """The first rows of a split; one of them can be asked about."""
    splits = [s for s in get_args(Split) if len(dataset.split(s))]
    st.segmented_control(
        "Rows of", splits, label_visibility="collapsed", **state.bind("split", among=splits)
    )
    split: Split = state.get().split if state.get().split in splits else "train"  # type: ignore[assignment]
    found, more = tables.preview(dataset, split)
    event: Any = st.dataframe(
        pd.DataFrame(found),
        key=f"{_ROWS}_{state.get().dataset}_{split}",
        height=_HEIGHT if len(found) > 11 else "auto",
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
    )
    total = len(dataset.rows(split))
    caption = (
        f"The first {len(found)} of {sizes.plural(total, 'row')}" if len(found) < total else ""
    )
    if more:
        caption += f"{', ' if caption else ''}{more:,} more columns"
    if caption:
        st.caption(f"{caption}.")
    if total * dataset.num_variables <= tables.MOST_CELLS:
        st.download_button(
            f"All {sizes.plural(total, 'row')} (CSV)",
            functools.partial(tables.split_csv, dataset, split),
            f"{datastore.title(state.get().dataset)}.{split}.csv",
            "text/csv",
            on_click="ignore",
            type="tertiary",
        )
    picked = list(event.selection.rows)
    if picked:
        _ask(dataset, split, picked[0])


def _ask(dataset: Dataset, split: Split, row: int) -> None:
    """Take a row to the Query page, where the current model has these variables."""
    circuit = store.get_circuit(state.get().model) if state.get().model else None
    if circuit is None or circuit.variables != dataset.variables:
        st.caption("The current model has other variables: build one for these data to ask it.")
        return
    if st.button(f"Observe row {row} on Query"):
        try:
            text = tables.row_evidence(dataset, split, row, circuit)
            state.update(evidence=text, soft=(), hidden=())
            navigate.go("query")
        except EvidenceError as error:
            st.warning(errors.sentence(error))
        except ValueError:
            st.warning("This row is more evidence than a link can hold.")


# -- splitting and keeping -------------------------------------------------------------------


def _split() -> None:
    st.session_state.setdefault(_SPLIT, _KEEP)
    st.segmented_control(
        "Rows", [_KEEP, _SHUFFLE, _IN_ORDER], key=_SPLIT, label_visibility="collapsed",
        help="Shuffled keeps the share of each label. In order is for rows whose neighbours are "
        "alike, such as frames of a film.",
    )  # fmt: skip
    if _split_kind() == _KEEP:
        st.caption("The splits stay as the file has them, or as they were made when it was read.")
        return
    left, right, _ = st.columns([1, 1, 2])
    st.session_state.setdefault(_SHARES, "80/10/10")
    left.text_input("Train / validation / test, in percent", key=_SHARES)
    if _split_kind() == _SHUFFLE:
        st.session_state.setdefault(_SEED, 0)
        right.number_input("Seed", 0, 2**32 - 1, step=1, key=_SEED)


def _split_kind() -> str:
    return st.session_state.get(_SPLIT) or _KEEP


def _making(dataset: Dataset, wanted: Changes) -> Callable[[], Dataset]:
    """What makes the dataset as it would be kept, and may raise DataError. Raises DataError for
    shares that are none; what the widgets say is read at once."""
    kind = _split_kind()
    shares = None if kind == _KEEP else parse_shares(st.session_state.get(_SHARES, ""))
    seed = int(st.session_state.get(_SEED, 0))

    def made() -> Dataset:
        found = dataset if wanted.empty else retype(dataset, wanted.types, wanted.orders)
        if shares is None:
            return found
        return resplit(found, shares, seed, in_order=kind == _IN_ORDER)

    return made


def _code(wanted: Changes) -> tuple[str, str]:
    kind = _split_kind()
    return commands.prepare(
        store.dataset_reference(state.get().dataset),
        wanted.types,
        wanted.orders,
        None if kind == _KEEP else st.session_state.get(_SHARES, ""),
        int(st.session_state.get(_SEED, 0)),
        in_order=kind == _IN_ORDER,
    )


def _save(dataset: Dataset, wanted: Changes) -> None:
    changed = not wanted.empty or _split_kind() != _KEEP
    kind = "primary" if changed else "secondary"
    with st.popover("Save", key=_OPEN, width="stretch", type=kind, on_change="rerun"):
        for line in tables.change_lines(wanted)[:12]:
            st.caption(errors.plain(line))
        if _split_kind() != _KEEP:
            st.caption(f"{_split_kind()}: {errors.plain(st.session_state.get(_SHARES, ''))}")
        if not changed:
            st.caption("Nothing was changed; this keeps a copy.")
        st.session_state.setdefault(_NAME, "")
        st.text_input("Name", key=_NAME, placeholder=datastore.title(state.get().dataset))
        st.button("Save as a new dataset", on_click=_keep, args=(dataset, wanted), type="primary")
        if not dataset.streams:
            _download(dataset, wanted)


def _download(dataset: Dataset, wanted: Changes) -> None:
    """The dataset as it would be kept, as a file."""
    try:
        make = _making(dataset, wanted)
    except PCError as error:
        st.caption(f":red[{errors.sentence(error)}]")
        return
    name = st.session_state.get(_NAME, "").strip() or datastore.title(state.get().dataset)
    st.download_button(
        "Download it (.npz)",
        lambda: dataset_bytes(make()),
        f"{datastore.slug(name)}.npz",
        "application/octet-stream",
        on_click="ignore",
        help="Splits, types, words and labels; every command and this page read it back",
    )


def _keep(dataset: Dataset, wanted: Changes) -> None:
    try:
        made = _making(dataset, wanted)()
        name = st.session_state.get(_NAME, "").strip() or datastore.title(state.get().dataset)
        one = datastore.put(made, name)
    except (DataError, PCError) as error:
        st.session_state[_SAVED] = ("", errors.sentence(error))
        return
    st.session_state[_SPLIT] = _KEEP
    st.session_state[_OPEN] = False
    st.session_state[_SAVED] = (datastore.title(one), "")
    state.choose_dataset(one)


def _announce() -> None:
    """What the last press of Save did; shown once."""
    title, refused = st.session_state.pop(_SAVED, ("", ""))
    place: DeltaGenerator = st.container()
    if refused:
        place.error(refused)
    elif title:
        place.success(f"**{errors.plain(title)}** is kept and is the current dataset.")
