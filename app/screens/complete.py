"""Complete: hide a part of a picture, and see at once what the circuit makes of it.

A model of sentences is completed word by word, in `complete_text`.
"""

from __future__ import annotations

import streamlit as st

from pc_workbench import navigate, state, store
from pc_workbench.components.thumbs import thumb_strip
from pc_workbench.matching import dataset_for
from pc_workbench.screens import complete_own as own_picture
from pc_workbench.screens import complete_text
from pc_workbench.screens.complete_canvas import canvas, chosen
from pc_workbench.views.completion import fits, image_shape
from pccore.completion import to_pixels
from pccore.datasets import Dataset, ImageShape
from pccore.errors import PCError
from pccore.graph import Circuit

STRIP = 15  # thumbnails around the current one
_SPLITS = ("test", "valid", "train")


def page() -> None:
    """Draw the page."""
    model = state.get().model
    circuit: Circuit | None = None
    try:
        circuit = store.get_circuit(model) if model else None
    except PCError:
        st.title("Complete")
        raise
    grid = image_shape(circuit) if circuit else None
    if circuit is not None and grid is None and complete_text.show(model, circuit):
        return
    if circuit is None or grid is None:
        st.title("Complete")
        what = (
            "No model is chosen yet"
            if circuit is None
            else "The variables of this model are neither pixels nor words"
        )
        st.info(
            f"{what}: choose a model of pictures or sentences, or build one for the digits or the "
            "sentences."
        )
        navigate.links("gallery", "build")
        return
    dataset = _dataset(circuit, grid)
    own = own_picture.current(circuit, grid)
    heading, strip, tools = st.columns([2.0, 5.9, 3.8], vertical_alignment="center")
    heading.title("Complete")
    with tools.container(horizontal=True, gap="small"):
        st.button("Resample", on_click=_resample, help="Draw other samples", width="stretch")
        with st.popover("Upload", width="stretch", help="Complete a picture of your own"):
            own_picture.choose()
        with st.popover("Options", width="stretch"):
            _options(dataset)
    if dataset is not None:
        split, index = _place(dataset)
        with strip:
            _strip(dataset, split, index, grid, chosen=own is None)
        row, data = dataset.split(split)[index], f"{dataset.name}:{split}"
    else:
        strip.caption(f"No dataset here has pictures of {grid}, as this model wants them.")
        row, data = None, ""
    if own is not None:
        row = own.row
        own_picture.line(own)
    if row is None:
        st.info("Upload a picture of your own, or choose another model.")
        navigate.links("gallery")
        return
    canvas(model, row, grid, data)


def _strip(dataset: Dataset, split: str, index: int, grid: ImageShape, *, chosen: bool) -> None:
    rows = dataset.split(split)
    first = max(0, min(index - STRIP // 2, len(rows) - STRIP))
    shown = range(first, min(len(rows), first + STRIP))
    thumb_strip(
        [(i, to_pixels(rows[i], grid), _label(dataset, split, i)) for i in shown],
        selected=index if chosen else -1,
        total=len(rows),
        key="pcw_strip",
        on_pick=_pick,
    )


# -- what is looked at -----------------------------------------------------------------------


def _dataset(circuit: Circuit, grid: ImageShape) -> Dataset | None:
    """The current dataset if it has such pictures, else the first that has (made the current)."""
    found = dataset_for(circuit, lambda dataset: fits(dataset, grid))
    if found is not None and found.name != state.get().dataset:
        state.choose_dataset(found.name)
    return found


def _place(dataset: Dataset) -> tuple[str, int]:
    """Split and row that exist, as near as possible to those of the state."""
    now = state.get()
    split = now.split if len(dataset.split(now.split)) else "train"
    return split, min(now.image, len(dataset.split(split)) - 1)


def _label(dataset: Dataset, split: str, index: int) -> str:
    labels = dataset.labels.get(split)  # type: ignore[call-overload]
    if labels is None:
        return f"Picture {index + 1}"
    label = int(labels[index])
    named = dataset.label_names[label] if label < len(dataset.label_names) else str(label)
    return f"Picture {index + 1}, a {named}"


def _pick(index: int) -> None:
    own_picture.leave()
    state.update(image=index)


def _resample() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31)


# -- options ---------------------------------------------------------------------------------


def _keep(name: str) -> None:
    st.session_state[f"pcw_complete_{name}"] = st.session_state[f"pcw_widget_{name}"]


def _options(dataset: Dataset | None) -> None:
    if dataset is not None:
        splits = [name for name in _SPLITS if len(dataset.split(name))]
        st.segmented_control("Pictures", splits, **state.bind("split", among=splits))
    titles = {
        "mean": "Posterior mean",
        "mpe": "Most probable explanation",
        "tree": "Sums up, maxima down (the SPN paper's)",
        "uncertainty": "Uncertainty of each pixel",
    }
    for name, title in titles.items():
        key = f"pcw_widget_{name}"
        st.session_state[key] = chosen(name)
        st.toggle(title, key=key, on_change=_keep, args=(name,))
    st.session_state["pcw_widget_samples"] = chosen("samples")
    st.slider("Samples", 0, 6, key="pcw_widget_samples", on_change=_keep, args=("samples",))
    st.number_input("Seed of the samples", 0, 2**31 - 1, step=1, **state.bind("seed"))
