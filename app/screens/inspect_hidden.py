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


def chosen(known: Sequence[Choice]) -> Choice | None:
    """The group of the link, or the first that there is."""
    named = {one.name: one for one in known}
    return named.get(state.get().latent) or (known[0] if known else None)


def code(model: str) -> None:
    """'Show code' of this view."""
    circuit = store.get_circuit(model)
    try:
        choice = chosen(_choices(store.version(model), store.get_program(model)))
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
        choice = chosen(known)
        assert choice is not None
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
    """The current dataset where the circuit can read it, else one of its pictures or words."""
    names = [state.get().dataset, str(circuit.meta.get("dataset", ""))]
    infos = {one.name: one for one in store.dataset_infos()}
    size = len(circuit.variables)
    names += [one.name for one in infos.values() if one.num_variables == size]
    grid = image_shape(circuit)
    for name in dict.fromkeys(names):
        if name not in infos:
            continue
        try:
            dataset = store.get_dataset(name)
        except PCError:
            continue
        if dataset.num_variables != size or (grid is not None and not fits(dataset, grid)):
            continue
        if grid is None and dataset.image is None and dataset.variables != circuit.variables:
            continue
        return dataset
    return None


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
    prior = _prior(look)
    order = np.argsort(-prior, kind="stable").tolist()
    possible = [k for k in order if prior[k] > hidden.POSSIBLE]
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


def _prior(look: Look) -> np.ndarray:
    if look.found is not None:
        return look.found.prior[:-1]
    nothing = np.zeros((0, len(look.circuit.variables)), np.float32)
    return hidden.clusters(look.program, nothing).prior[:-1]


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
    columns = list(look.scope) if len(look.scope) < len(look.circuit.variables) else []
    lines = []
    for place, k in enumerate(means.states):
        line = {"state": k, "probability": float(prior[k])}
        if look.found is not None:
            line["rows"] = look.found.count(k)
        line["in this state (otherwise)"] = ", ".join(told[place])
        if look.found is not None and look.dataset is not None:
            members = look.found.members(k, 2).tolist()
            if words is None:
                line["most certain rows"] = ", ".join(str(i) for i in members)
            else:
                rows = look.dataset.train[members]
                line["most certain rows"] = " / ".join(
                    sentences.text(row, words, columns) for row in rows
                )
        if words is not None:
            line["a sample"] = sentences.text(means.samples[place, 0], words, columns)
        lines.append(line)
    st.dataframe(
        lines,
        hide_index=True,
        height=45 + 35 * len(lines),
        column_config={
            "probability": st.column_config.ProgressColumn(format="percent", min_value=0.0,
                                                           max_value=float(prior.max())),
            "in this state (otherwise)": st.column_config.TextColumn(width="large"),
        },
    )  # fmt: skip
