"""The Hidden view of Inspect: a hidden variable made visible, and what each of its states means.

For a chosen group: how probable each state is, the training rows that belong to it (for pictures
their patches), the mean and samples given the state (Liu, Zhang and Van den Broeck 2023, fig. 6b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pc_workbench import controls, errors, navigate, state, store
from pc_workbench.matching import dataset_for
from pc_workbench.views import hidden, looks, sentences
from pc_workbench.views.completion import fits, image_shape
from pc_workbench.views.hidden import Choice, Clusters
from pccore.compile import Program, compile_circuit
from pccore.datasets import Dataset, ImageShape
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.scope import Scope
from pccore.transform import with_states

#: States on a page, rows of each, samples of each, and rows of the data that are assigned.
STATES, MEMBERS, SAMPLES, ROWS = 8, 12, 4, 2000
#: Width of the pictures of rows, in pixels; of samples and of the mean.
_LINE, _SHORT, _ONE = 480, 170, 36
_PAGE, _WHOLE = "pcw_hidden_page", "pcw_hidden_whole"
_COLUMNS = (1.7, 0.7, 5.2, 2.2)
_COLUMNS_OF_WORDS, _COLUMNS_OF_NUMBERS = (1.5, 2.4, 3.4, 2.4), (1.5, 8.2)
#: Sentences of a state.
SENTENCES = 2


@dataclass(frozen=True, eq=False)
class Look:
    """What is looked at: a group of a model, made visible, on the rows of a dataset."""

    circuit: Circuit
    choice: Choice
    program: Program
    found: Clusters | None
    dataset: Dataset | None
    key: tuple[str, str, int]

    @property
    def scope(self) -> Scope:
        """The variables behind the group."""
        return self.circuit.scopes[self.choice.position]

    @property
    def grid(self) -> ImageShape | None:
        """How the variables are pixels."""
        return image_shape(self.circuit, self.dataset)


def chosen(known: Sequence[Choice], circuit: Circuit) -> Choice | None:
    """The group of the link, else one in the middle of a picture, or the first that there is."""
    found = {one.name: one for one in known}.get(state.get().latent)
    if found is not None or not known:
        return found
    grid = image_shape(circuit)
    return known[0] if grid is None else hidden.most_central(known, circuit, grid)


def code(model: str) -> None:
    """'Show code' of this view."""
    circuit = store.get_circuit(model)
    try:
        choice = chosen(_choices(store.version(model), store.get_program(model)), circuit)
    except PCError:
        return
    if choice is not None:
        reference = store.model_reference(model)
        controls.show_code(*hidden.code(reference, state.get().dataset, circuit, choice))


def show(model: str, circuit: Circuit) -> None:
    """The choice, and below it a line for each state."""
    with errors.boundary():
        known = _choices(store.version(model), store.get_program(model))
        if not known:
            st.info("No group of this circuit has several sums or leaves: build a hidden tree, a "
                    "hidden Markov model or patches, or materialise a sum on Query.")  # fmt: skip
            navigate.links("build", "query")
            return
        choice = chosen(known, circuit)
        assert choice is not None
        if choice.name != state.get().latent:
            state.update(latent=choice.name)
        left, right = st.columns([5, 4], vertical_alignment="bottom")
        labels = {one.name: one.label for one in known}
        left.selectbox(
            "Hidden variable behind",
            list(labels),
            format_func=lambda name: labels[name],
            help="Unit k of the group is what the variables look like in state k. "
            + ("These are the ones that the structure has noted." if known[0].noted else ""),
            **state.bind("latent", among=list(labels), then=_first_page),
        )
        look = _look(model, circuit, choice)
        with right:
            _facts(look)
        _states(look)


def _first_page() -> None:
    st.session_state[_PAGE] = 0


# -- what is computed ------------------------------------------------------------------------


def _look(model: str, circuit: Circuit, choice: Choice) -> Look:
    version, dataset = store.version(model), _dataset(circuit)
    name = "" if dataset is None else dataset.name
    key = (version, name, choice.position)
    with st.spinner("Making the variable visible …"):
        program = _program(version, choice.position, circuit)
        found = None if dataset is None else _clusters(key, program, dataset)
    return Look(circuit, choice, program, found, dataset, key)


@st.cache_resource(max_entries=16, show_spinner=False)
def _choices(version: str, _program: Program) -> tuple[Choice, ...]:
    return hidden.choices(_program.circuit, hidden.parts_of(_program))


@st.cache_resource(max_entries=16, show_spinner=False)
def _program(version: str, position: int, _circuit: Circuit) -> Program:
    return compile_circuit(with_states(_circuit, [position], "state"))


@st.cache_resource(max_entries=32, show_spinner=False)
def _clusters(key: tuple[str, str, int], _program: Program, _dataset: Dataset) -> Clusters:
    return hidden.clusters(_program, _dataset.train[:ROWS])


@st.cache_resource(max_entries=64, show_spinner=False)
def _meant(
    key: tuple[str, str, int], states: tuple[int, ...], seed: int, _program: Program
) -> hidden.Meant:
    return hidden.meant(_program, states, SAMPLES, seed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _telling(key: tuple[str, str, int], states: tuple[int, ...], _look: Look) -> list[list[str]]:
    return hidden.telling(_look.program, states, _look.scope, _look.dataset)


def _dataset(circuit: Circuit) -> Dataset | None:
    """A dataset of such pictures, or of the variables of these names."""
    grid = image_shape(circuit)

    def suits(dataset: Dataset) -> bool:
        if grid is not None:
            return fits(dataset, grid)
        return dataset.image is None and dataset.variables == circuit.variables

    return dataset_for(circuit, suits)


# -- what is shown ---------------------------------------------------------------------------


def _facts(look: Look) -> None:
    """How much the variable takes part, which rows were assigned, the files."""
    found = look.found
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if look.grid is not None:
            region = hidden.inside(look.scope, look.grid)
            st.image(looks.tiles([hidden.where(region)], _ONE), width=_ONE)
        if found is None:
            st.caption("No dataset here has rows of this model: states, means and samples alone.")
            return
        assert look.dataset is not None
        rows, part = len(found.state), 1 - float(found.prior[-1])
        text = f"{rows:,} training rows of {errors.plain(look.dataset.name)}"
        if part < 0.999:
            text += f" · takes part in {part:.0%} of the distribution"
        st.caption(text, width="stretch")
        st.badge("exact", color="green", help="P(state | row) is a marginal of the circuit.")
        st.download_button(
            "CSV", hidden.to_csv(found), "states.csv", "text/csv", on_click="ignore",
            type="tertiary", help="Each row with its most probable state",
        )  # fmt: skip


def _states(look: Look) -> None:
    """A page of states, the most probable first."""
    found = look.found or _nothing_known(look)
    prior, possible = found.prior, found.order()
    pages = max(1, -(-len(possible) // STATES))
    page = min(st.session_state.get(_PAGE, 0), pages - 1)
    shown = tuple(possible[page * STATES : (page + 1) * STATES])
    if not shown:
        st.info("No state of this variable is possible.")
        return
    means = _meant(look.key, shown, state.get().seed, look.program)
    grid = look.grid
    with st.container(gap="small"):
        if grid is not None:
            _pictures(look, grid, means, prior)
        else:
            _texts(look, means, prior)
    with st.container(horizontal=True, vertical_alignment="center"):
        if pages > 1:
            st.button("Previous states", disabled=page == 0, on_click=_turn, args=(page - 1,))
            last = page + 1 == pages
            st.button("Next states", disabled=last, on_click=_turn, args=(page + 1,))
            st.caption(f"States {page * STATES + 1} to {page * STATES + len(shown)} of "
                       f"{len(possible)}, the most probable first")  # fmt: skip
        st.button("Resample", type="tertiary", on_click=_resample, help="Draw other samples")


def _nothing_known(look: Look) -> Clusters:
    """The states without any rows."""
    return hidden.clusters(look.program, np.zeros((0, len(look.circuit.variables)), np.float32))


def _turn(page: int) -> None:
    st.session_state[_PAGE] = page


def _resample() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31)


def _heads(*texts: str) -> None:
    for cell, text in zip(st.columns(_COLUMNS, vertical_alignment="bottom"), texts, strict=True):
        cell.caption(text)


def _said(look: Look, k: int, prior: np.ndarray) -> str:
    count = "" if look.found is None else f"  \n:small[:gray[{look.found.count(k):,} rows]]"
    return f"**State {k}** · {prior[k]:.1%}{count}"


def _pictures(look: Look, grid: ImageShape, means: hidden.Meant, prior: np.ndarray) -> None:
    region = hidden.inside(look.scope, grid)
    patches = hidden.is_patch(region)
    if patches:
        st.toggle("Whole pictures", key=_WHOLE, help="Not only what is behind this variable")
    cut = patches and not st.session_state.get(_WHOLE, False)
    draw = hidden.patch if cut else hidden.whole

    def line(rows: Sequence[np.ndarray], width: int) -> np.ndarray:
        return looks.tiles([draw(row, grid, region) for row in rows], _ONE, width)

    _heads("State, probability", "Mean", "Training rows, the most certain first",
           "Samples given the state")  # fmt: skip
    lines: list[np.ndarray] = []
    for place, k in enumerate(means.states):
        cells = st.columns(_COLUMNS, vertical_alignment="center")
        cells[0].markdown(_said(look, k, prior))
        parts = [line([means.mean[place]], _SHORT)]
        cells[1].image(parts[0], width=parts[0].shape[1])
        if look.found is not None and look.dataset is not None:
            rows = [look.dataset.train[i] for i in look.found.members(k, MEMBERS)]
            if rows:
                parts.append(line(rows, _LINE))
                cells[2].image(parts[1], width=parts[1].shape[1])
            else:
                cells[2].caption("no training row")
        drawn = line(list(means.samples[place]), _SHORT)
        cells[3].image(drawn, width=drawn.shape[1])
        lines.append(looks.beside(parts))
    st.download_button(
        "Save the patches (PNG)" if cut else "Save the pictures (PNG)",
        looks.to_png(looks.below(lines)),
        "hidden-states.png",
        "image/png",
        on_click="ignore",
        type="tertiary",
    )


def _texts(look: Look, means: hidden.Meant, prior: np.ndarray) -> None:
    """What tells each state, and rows of it: sentences where the values are words."""
    told = _telling(look.key, means.states, look)
    words = None if look.dataset is None else sentences.vocabulary(look.circuit, look.dataset)
    marked = list(look.scope) if len(look.scope) == 1 else []
    widths = _COLUMNS_OF_WORDS if words is not None else _COLUMNS_OF_NUMBERS
    heads = ["State, probability", "In this state (otherwise)"]
    if words is not None:
        heads += ["Training rows, the most certain first", "Sample given the state"]
    for cell, head in zip(st.columns(widths), heads, strict=True):
        cell.caption(head)
    for place, k in enumerate(means.states):
        cells = st.columns(widths)
        cells[0].markdown(_said(look, k, prior))
        cells[1].markdown(errors.plain(", ".join(told[place])))
        if words is None:
            continue
        rows = [] if look.found is None or look.dataset is None else [
            look.dataset.train[i] for i in look.found.members(k, SENTENCES)
        ]  # fmt: skip
        for cell, those in ((cells[2], rows), (cells[3], [means.samples[place, 0]])):
            lines = [errors.plain(sentences.text(row, words, marked)) for row in those]
            cell.markdown("  \n".join(f":small[{line}]" for line in lines) or ":gray[none]")
