"""Gallery: choose a model and a dataset, or bring a model file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import streamlit as st

from pc_workbench import controls, datastore, errors, navigate, sharing, state, store
from pc_workbench.views import commands, sizes, uploads
from pccore.bundle import SUFFIX
from pccore.datasets import DatasetInfo
from pccore.errors import PCError
from pccore.files import Companion, ModelInfo, SampleModel, describe, load_together
from pccore.structures.figures import groups

COLUMNS = 3
RECENT = 6  # stored models that are shown
#: Colour and explanation of the badge of a model.
BADGES: Mapping[store.Verdict, tuple[Any, str | None]] = MappingProxyType(
    {
        "valid": ("green", None),
        "valid, not decomposable": ("orange", "Every probability is right, samples are refused."),
        "broken": ("red", "Inspect shows where."),
    }
)
_UPLOAD = "pcw_upload"
_FILTER = "pcw_gallery_filter"
_OWN = "Built and trained here"
_REFUSED = "pcw_upload_refused"


def page() -> None:
    """Draw the page."""
    st.title("Gallery")
    models, data, upload = st.tabs(
        ["Models", "Datasets", "Upload a model"], key="pcw_gallery", on_change="rerun"
    )
    if models.open:
        with models:
            _models()
    if data.open:
        with data:
            _datasets()
    if upload.open:
        with upload:
            _upload()


def _models() -> None:
    samples = store.samples()
    if not samples:
        st.info("No sample models are installed. Build one, or upload a file.")
    stored = store.models()[:RECENT]
    sections = _sections(samples)
    names = [*sections, *([_OWN] if stored else [])]
    wanted = st.pills("Show", names, selection_mode="multi", key=_FILTER) if len(names) > 1 else []
    for name, members in sections.items():
        if not wanted or name in wanted:
            st.subheader(name)
            _cards(members)
    if stored and (not wanted or _OWN in wanted):
        st.subheader(_OWN)
        for number, cell in _cells(len(stored)):
            one = stored[number]
            with cell:
                with st.container():
                    st.markdown(f"**{errors.plain(one.title)}**")
                    st.caption(
                        f"{sizes.plural(one.variables, 'variable')} · "
                        f"{sizes.plural(one.parameters, 'parameter')}"
                    )
                _choose_model(one.id)


def _sections(samples: Sequence[SampleModel]) -> dict[str, list[SampleModel]]:
    """The samples under their headings, those without any left out."""
    members: dict[str, tuple[str, ...]] = {
        name: tuple(maker.__name__ for maker in makers) for name, makers in groups().items()
    }
    known = {name for names in members.values() for name in names}
    # A sample that is no figure was trained, unless it is broken.
    other = {one.name: store.verdict(one.name) for one in samples if one.name not in known}
    trained = sorted(
        (name for name, verdict in other.items() if verdict == "valid"),
        key=lambda name: name not in store.FIRST_CHOICE,
    )
    wrong = tuple(name for name in other if name not in trained)
    order = {
        "Trained": tuple(trained),
        "Figures of the SPN paper": members["figures"],
        "Classic models": members["classics"],
        "Broken on purpose": members["broken"] + wrong,
    }
    by_name = {one.name: one for one in samples}
    found = {
        title: [by_name[name] for name in names if name in by_name]
        for title, names in order.items()
    }
    return {title: cards for title, cards in found.items() if cards}


def _cards(samples: Sequence[SampleModel]) -> None:
    for number, cell in _cells(len(samples)):
        with cell, errors.boundary():
            _sample_card(samples[number])


@st.cache_resource(max_entries=64, show_spinner=False)
def _info(path: str) -> ModelInfo:
    """What a sample's file says of itself; these files do not change."""
    return describe(path)


def _sample_card(sample: SampleModel) -> None:
    info = _info(str(sample.path))
    opening, _, rest = sample.story.partition(". ")
    with st.container(gap="small"):
        st.markdown(f"**{errors.plain(sample.title)}**")
        st.markdown(
            errors.plain(opening.removesuffix(".") + "."),
            help=errors.plain(sample.story) if rest else None,
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            verdict = store.verdict(sample.name)
            colour, help_ = BADGES[verdict]
            st.badge(verdict, color=colour, help=help_)
            st.caption(
                f"{sizes.plural(info.variables, 'variable')} · {sizes.plural(info.units, 'unit')}",
                help=sizes.plural(info.parameters, "parameter"),
                width="content",
            )
    _choose_model(sample.name)


def _choose_model(name: str) -> None:
    current = state.get().model == name
    _choose("model", name, f"pcw_use_{name}", current, state.choose_model, ("inspect", "query"))


def _choose(
    what: str,
    name: str,
    key: str,
    current: bool,
    choose: Callable[[str], None],
    then: tuple[str, ...],
) -> None:
    """The button that makes it the current one; where it is, the pages that go on with it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            f"Current {what}" if current else f"Use this {what}",
            key=key,
            disabled=current,
            on_click=choose,
            args=(name,),
            width="stretch",
        )
        if current:
            navigate.links(*then, label="{}")


def _datasets() -> None:
    infos = store.dataset_infos()
    for number, cell in _cells(len(infos)):
        with cell, errors.boundary():
            _dataset_card(infos[number])


def _dataset_card(info: DatasetInfo) -> None:
    facts: list[str] = []
    if info.rows is not None:
        facts.append(sizes.plural(info.rows, "row"))
    if info.num_variables is not None:
        facts.append(sizes.plural(info.num_variables, "variable"))
    with st.container(gap="small"):
        st.markdown(f"**{errors.plain(datastore.title(info.name))}**")
        if info.kind == "bundled":  # those of a folder may be large
            st.image(store.picture(info.name), width="stretch")
        st.markdown(errors.plain(info.description[:1].upper() + info.description[1:]))
        st.caption(" · ".join(facts))
    name, current = info.name, state.get().dataset == info.name
    _choose("dataset", name, f"pcw_data_{name}", current, state.choose_dataset, ("data", "train"))


def _upload() -> None:
    st.markdown(
        "A model of this workbench or of another program, or a `.pcbundle` that somebody shared. "
        "Drop the files of one model together: a PSDD or SDD with its vtree, a d-DNNF with its "
        "formula."
    )
    st.file_uploader(
        "Model files",
        type=[*uploads.endings(), "pcbundle"],
        accept_multiple_files=True,
        key=_UPLOAD,
        on_change=_uploaded,
        label_visibility="collapsed",
    )
    refused, title = st.session_state.get(_REFUSED, ("", ""))
    if refused:
        st.error(refused)
    elif title:
        st.success(f"**{errors.plain(title)}** is the current model.")
        navigate.links("inspect", "query", "train")
        files = st.session_state.get(_UPLOAD)
        if files:
            name = uploads.model_name([f.name for f in files])
            bundle = name.lower().endswith(SUFFIX)
            controls.show_code(*(commands.unpack(name) if bundle else commands.open_file(name)))
    with st.expander("Formats that are read"):
        st.dataframe(uploads.rows(), hide_index=True, width="stretch")


def _uploaded() -> None:
    """Take a model over; where there is none, everything stays as it was."""
    files = st.session_state.get(_UPLOAD)
    st.session_state[_REFUSED] = ("", "")
    if not files:
        return
    try:
        if len(files) == 1 and files[0].name.lower().endswith(SUFFIX):
            title = sharing.unpack(files[0].getvalue(), files[0].name)
            st.session_state[_REFUSED] = ("", title)
            return
        circuit = load_together([Companion(file.name, file.getvalue()) for file in files])
        if not circuit.meta.get("title"):
            name = uploads.model_name([file.name for file in files])
            circuit = circuit.with_meta({**circuit.meta, "title": name[:80]})
        state.choose_model(store.put_model(circuit))
        st.session_state[_REFUSED] = ("", errors.short(str(circuit.meta["title"])))
    except PCError as error:
        st.session_state[_REFUSED] = (errors.sentence(error), "")


def _cells(count: int):
    """(number, bordered container) of a grid, the cells of a line equally high."""
    for line in range(math.ceil(count / COLUMNS)):
        columns = st.columns(COLUMNS, gap="medium")
        for place, column in enumerate(columns):
            number = line * COLUMNS + place
            if number < count:
                yield (
                    number,
                    column.container(
                        border=True, height="stretch", vertical_alignment="distribute"
                    ),
                )
