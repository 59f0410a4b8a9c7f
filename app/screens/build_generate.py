"""Build, generated: a structure for a dataset, its size and graph while the sliders move."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import controls, datastore, errors, limits, navigate, preview, state, store
from pc_workbench.components import circuit_graph
from pc_workbench.views import commands, sizes
from pccore.errors import OptionError, PCError
from pccore.options import describe
from pccore.structures import Structure, build_structure, find_structure, shape_of, structures
from pccore.structures.leaf_groups import LeafOptions

#: Options that most people leave alone.
FURTHER = frozenset(
    {"leaf", "min_variance", "max_variance", "seed", "input_units", "roots", "mixing"}
)
LARGE = 20_000_000  # parameters above which building is refused here
_MADE = "pcw_made"


def show(code: DeltaGenerator, action: DeltaGenerator) -> None:
    """The structure's options and its graph; code and action: places for two buttons."""
    side, right = st.columns([4, 8], gap="large")
    left = side.container(gap="small")
    with left:
        structure = _choices()
    options = controls.chosen("options", structure.options)
    now = state.get()
    problem: PCError | None = None
    size = None
    try:
        size = preview.size(structure.name, now.dataset, tuple(options.items()))
    except PCError as error:
        problem = error
    with left:
        _options(structure, problem if isinstance(problem, OptionError) else None)
    with code:
        data = store.dataset_reference(now.dataset)
        controls.show_code(*commands.build(structure.name, data, options))
    most = min(LARGE, limits.current().parameters or LARGE)
    too_large = size is not None and size.parameters > most
    action.button(
        "Create",
        type="primary",
        width="stretch",
        disabled=size is None or too_large,
        on_click=_create,
        args=(structure.name, now.dataset, options),
    )
    with right, errors.boundary():
        _announce()
        if problem is not None:
            st.warning(errors.sentence(problem))
        elif size is not None:
            for cell, (name, value) in zip(st.columns(3), size._asdict().items(), strict=True):
                cell.metric(name.capitalize(), sizes.count(value))
            if too_large:
                st.warning(
                    f"More than the {sizes.count(most)} parameters that are built here: choose "
                    "smaller options, or build it on the command line."
                )
            _graph(structure.name, now.dataset, options)


def _choices() -> Structure:
    names = [info.name for info in store.dataset_infos()]
    # The widgets below change with these two, so they come first.
    st.selectbox(
        "Dataset", names, format_func=datastore.title, **state.bind("dataset", among=names)
    )
    known = _suitable(state.get().dataset)
    if state.get().structure not in known:
        # Rectangles where there is an image, else the structure that suits any data.
        state.update(structure="pd" if "pd" in known else "rat")
    st.selectbox(
        "Structure",
        known,
        format_func=lambda name: structures()[name].title,
        **state.bind("structure", among=known),
    )
    structure = find_structure(state.get().structure)
    st.caption(errors.plain(structure.description))
    return structure


def _suitable(name: str) -> list[str]:
    """The structures that the dataset allows; all of them where it cannot be read."""
    try:
        dataset = store.get_dataset(name)
    except PCError:
        return list(structures())
    image = dataset.image is not None
    return [
        key
        for key, one in structures().items()
        if (image or not one.needs_image) and one.suits(dataset.supports)
    ]


def _options(structure: Structure, problem: OptionError | None) -> None:
    names = [field.name for field in fields(structure.options)]
    # What is special about the structure comes first.
    common = {field.name for field in fields(LeafOptions)}
    own = set(vars(structure.options).get("__annotations__", ())) - common
    names.sort(key=lambda name: name not in own)
    advanced = {info.name for info in describe(structure.options) if info.advanced}
    main = [name for name in names if name not in FURTHER | advanced]
    controls.widgets("options", structure.options, main, problem)
    with st.expander("More options"):
        further = [name for name in names if name in FURTHER | advanced]
        controls.widgets("options", structure.options, further, problem)


def _graph(structure: str, dataset: str, options: dict[str, str]) -> None:
    scene, note = preview.scene(structure, dataset, tuple(options.items()))
    if scene is not None:
        circuit_graph(scene, key="pcw_build_graph", height=430, label="Region graph")
    if note:
        st.caption(note)


def _create(structure: str, dataset: str, options: dict[str, str]) -> None:
    """Build, keep and choose the model."""
    st.session_state.pop(_MADE, None)
    try:
        recipe = find_structure(structure)
        if recipe.needs_data:  # the preview has done the work
            circuit = preview.learned(structure, dataset, tuple(options.items()))
        else:
            circuit = build_structure(structure, shape_of(store.get_dataset(dataset)), options)
        title = f"{circuit.meta['title']} for {datastore.title(dataset)}"
        circuit = circuit.with_meta({**circuit.meta, "title": title})
        state.choose_model(store.put_model(circuit, untrained=not recipe.trained))
        st.session_state[_MADE] = (title, "")
    except PCError as error:
        st.session_state[_MADE] = ("", errors.sentence(error))


def _announce() -> None:
    """What the last press of Create did; shown once."""
    title, problem = st.session_state.pop(_MADE, ("", ""))
    if problem:
        st.error(problem)
    if title:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{errors.plain(title)}** is the current model.", width="stretch")
            navigate.links("train", "inspect")
