"""Below the canvas of the Complete page: other models on the same mask, what explains the picture,
and batches. It is computed when a stroke has ended, after the canvas has been drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from pc_workbench import controls, errors, state, store
from pc_workbench.components import MaskEvent
from pc_workbench.components.pictures import Card, picture_row
from pc_workbench.screens import complete_batch, complete_code
from pc_workbench.screens import complete_subject as subject
from pc_workbench.views import baselines, completion_text, explaining
from pc_workbench.views.completion import complete
from pc_workbench.views.masks import evidence_of, mask_png
from pccore.compile import Program
from pccore.completion import (
    Component,
    component_means,
    component_program,
    components_of,
    training_rows,
)
from pccore.datasets import ImageShape
from pccore.errors import PCError

_TITLES: Mapping[str, str] = {
    "side": "Models side by side",
    "components": "What explains this picture",
    "batch": "Many pictures",
}
_WIDGET, _RIVALS = "pcw_lab", "pcw_lab_rivals"
_BASELINES = "pcw_lab_baselines"
_LOOK = "pcw_lab_look"
_ALONE, _COMPLETES = "Its mean image", "How it completes this picture"
_DRAWN = "pcw_lab_drawn"  # key of a row -> (title, note, cards) as last computed


def show(
    model: str, row: np.ndarray, event: MaskEvent, grid: ImageShape, data: str, samples: int
) -> None:
    """The choice, and what was chosen. Within the canvas's fragment.

    data: reference of the rows that a batch is made of, "" where there is no dataset. samples: how
    many the canvas shows.
    """
    open_, muted = state.get().lab, state.get().muted
    if muted and open_ != "components":  # nobody is to wonder why the answers are others
        line = st.container(horizontal=True, vertical_alignment="center")
        many = "1 component is" if len(muted) == 1 else f"{len(muted)} components are"
        line.caption(f"{many} muted.")
        line.button("Unmute all", on_click=_unmute, type="tertiary")
    st.session_state[_WIDGET] = open_ or None
    names = [name for name in _TITLES if name != "batch" or data]
    choice, take, code = st.columns([5, 1.1, 1.1], vertical_alignment="center")
    choice.segmented_control(
        "Below the picture",
        names,
        format_func=lambda name: _TITLES[name],
        key=_WIDGET,
        on_change=_chosen,
        label_visibility="collapsed",
    )
    take.download_button(
        "Mask (PNG)",
        lambda: mask_png(event.mask),
        file_name="mask.png",
        mime="image/png",
        on_click="ignore",
        width="stretch",
        help="White is hidden, as `pccore complete --hide mask.png` takes it",
    )
    if open_ == "side":
        chosen = _side(model, row, event, grid)
        if data and event.mask.any():
            _baselines(row, event, grid, data)
        shown = complete_code.side(model, chosen)
    elif open_ == "components":
        _components(model, row, event, grid)
        shown = complete_code.components(model)
    elif open_ == "batch" and data:
        shown = complete_code.batch(model, data, complete_batch.show(model, event.mask, grid, data))
    else:
        shown = complete_code.one(model, max(1, samples))
    with code:
        controls.show_code(*shown)


def _chosen() -> None:
    state.update(lab=st.session_state[_WIDGET] or "")


def _draw(key: str, title: str, note: str, cards: Sequence[Card], **more: object) -> None:
    """Draw a row, and remember it for the moments of the next stroke."""
    st.session_state.setdefault(_DRAWN, {})[key] = (title, note, cards)
    picture_row(title, cards, key=key, note=note, **more)  # type: ignore[arg-type]


def _again(key: str, event: MaskEvent, **more: object) -> bool:
    """Draw what was there, if this is a moment of a stroke: painting has to be quick."""
    drawn = st.session_state.get(_DRAWN, {}).get(key)
    if event.final or drawn is None:
        return False
    title, note, cards = drawn
    picture_row(title, cards, key=key, note=note, **more)  # type: ignore[arg-type]
    return True


# -- side by side ----------------------------------------------------------------------------


def _side(model: str, row: np.ndarray, event: MaskEvent, grid: ImageShape) -> list[str]:
    """Draw the rows; gives the models beside the current one."""
    options = subject.rivals(model, grid)
    # A link may name what is not there, or is of another size.
    chosen = [name for name in state.get().rivals if name in options][: subject.MOST]
    st.session_state[_RIVALS] = chosen
    st.multiselect(
        "Beside the current model",
        options,
        format_func=lambda name: store.title_of(name),
        max_selections=subject.MOST,
        placeholder="Choose models of pictures of this size",
        key=_RIVALS,
        on_change=_rivals_chosen,
    )
    if not event.mask.any():
        st.caption("Hide some pixels: every method of every model is shown here.")
        return chosen
    for number, name in enumerate([model, *chosen]):
        # Each row is sent as soon as it is ready, and a new stroke can interrupt between two.
        key = f"pcw_side_{number}"
        if _again(key, event):
            continue
        with errors.boundary():
            program = subject.program(model) if name == model else store.get_program(name)
            _side_row(key, store.title_of(name), program, row, event, grid)
    return chosen


def _baselines(row: np.ndarray, event: MaskEvent, grid: ImageShape, data: str) -> None:
    key = "pcw_side_baselines"
    st.session_state[_BASELINES] = st.session_state.get(_BASELINES, False)
    if not st.toggle("Baselines: nearest neighbour, PCA, mean image", key=_BASELINES):
        return
    if _again(key, event):
        return
    name, _, split = data.rpartition(":")
    train = training_rows(store.get_dataset(name), split)
    cards = baselines.baseline_cards(train, row, event.mask, grid)
    _draw(key, "Baselines", baselines.note(len(train)), cards)


def _rivals_chosen() -> None:
    state.update(rivals=tuple(st.session_state[_RIVALS]))


def _side_row(
    key: str, title: str, program: Program, row: np.ndarray, event: MaskEvent, grid: ImageShape
) -> None:
    try:
        found = complete(
            program,
            row,
            event.mask,
            grid,
            seed=state.get().seed,
            samples=1,
            tree=True,
            uncertainty=True,
        )
    except PCError as error:
        st.warning(f"{errors.plain(title)}: {errors.sentence(error)}")
        return
    _draw(key, title, completion_text.summary(found), completion_text.cards(found))


# -- components ------------------------------------------------------------------------------


def _components(model: str, row: np.ndarray, event: MaskEvent, grid: ImageShape) -> None:
    key, muted = "pcw_components", state.get().muted
    line = st.container(horizontal=True, vertical_alignment="center")
    # Widgets that are not drawn are dropped; the choice is to survive that.
    look = st.session_state[_LOOK] = st.session_state.get(_LOOK) or _ALONE
    line.segmented_control(
        "What is shown of each", [_ALONE, _COMPLETES], key=_LOOK, label_visibility="collapsed"
    )
    if muted:
        line.button("Unmute all", on_click=_unmute, type="tertiary")
    if _again(key, event, on_switch=_switch):
        return
    try:
        evidence = evidence_of(row, event.mask, grid)
        mixture = components_of(store.get_program(model), evidence)
        listed = explaining.shown(mixture, muted)
        means = _means(model, listed, evidence if look == _COMPLETES else None)
    except PCError as error:
        st.warning(errors.sentence(error))
        return
    cards = explaining.component_cards(mixture, listed, means, muted, grid)
    note = explaining.summary(mixture, muted)
    _draw(key, "Components of the top sum", note, cards, on_switch=_switch)


def _means(
    model: str, components: Sequence[Component], evidence: np.ndarray | None
) -> list[np.ndarray]:
    """What is shown of each component. One that excludes the evidence completes nothing."""
    version, program = store.version(model), store.get_program(model)
    return [
        _mean(model, version, one.id, one, program)
        if evidence is None or not one.share
        else component_means(_rooted(model, version, program), [one], evidence)[0]
        for one in components
    ]


@st.cache_resource(max_entries=512, show_spinner=False)
def _mean(
    model: str, version: str, component: str, _one: Component, _program: Program
) -> np.ndarray:
    return component_means(_rooted(model, version, _program), [_one])[0]


@st.cache_resource(max_entries=4, show_spinner=False)
def _rooted(model: str, version: str, _program: Program) -> Program:
    return component_program(_program)


def _switch(component: str) -> None:
    muted = state.get().muted
    rest = tuple(name for name in muted if name != component)
    state.update(muted=(*muted, component)[-64:] if rest == muted else rest)


def _unmute() -> None:
    state.update(muted=())
