"""Repairs of one violation: a button each, before and after side by side, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pc_workbench import errors, state, store
from pc_workbench.components import circuit_graph
from pc_workbench.views import compare_marks
from pc_workbench.views.outline import Outline
from pc_workbench.views.repair_view import PRESERVES, Outcome, outcome
from pc_workbench.views.scene import circuit_scene
from pccore.check import Witness
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.queries.compare import differences
from pccore.repair import Repair, repairs, why_none

GRAPH = 300  # pixels
_BROKEN = "Broken: "
_UNDO = "pcw_repair_undo"  # (the repaired model, the one before)


def show(
    model: str,
    circuit: Circuit,
    witness: Witness,
    apply: Callable[[Circuit], None] | None = None,
    key: str = "pcw_repair",
) -> None:
    """The repairs of a violation of a circuit.

    apply: takes the repaired circuit; by default it is stored and becomes the current model.
    """
    found = repairs(circuit, witness)
    if not found:
        st.caption(errors.plain(why_none(circuit, witness)))
        return
    mark = (model, witness.property, *witness.unit)
    tried = st.session_state.get(key)
    for number, repair in enumerate(found):
        line = st.container(horizontal=True, vertical_alignment="center")
        current = tried == (mark, number)
        line.button(
            errors.plain(repair.title),
            key=f"{key}_{number}",
            type="primary" if current else "secondary",
            help=errors.plain(repair.explanation),
            on_click=_try,
            args=(key, mark, number),
        )
        colour, words = PRESERVES[repair.preserves]
        line.badge(words, color=colour)
    if tried is not None and tried[0] == mark and tried[1] < len(found):
        with st.container(border=True):
            _trial(model, circuit, witness, found[tried[1]], apply, key)


def undo(model: str) -> None:
    """A way back, if the current model came from a repair in this session."""
    made = st.session_state.get(_UNDO)
    if made is not None and made[0] == model:
        help_ = "Back to the circuit before the repair"
        if st.button("Undo the repair", key="pcw_repair_back", type="tertiary", help=help_):
            state.choose_model(made[1])
            st.rerun()


def _try(key: str, mark: tuple[object, ...], number: int) -> None:
    """Show a repair; a second click puts it aside."""
    chosen = (mark, number)
    st.session_state[key] = None if st.session_state.get(key) == chosen else chosen


@st.cache_resource(max_entries=32, show_spinner=False)
def _outcome(
    model: str, version: int, name: tuple[object, ...], _c: Circuit, _w: Witness, _r: Repair
) -> Outcome:
    return outcome(_c, _w, _r)


def _trial(
    model: str,
    circuit: Circuit,
    witness: Witness,
    repair: Repair,
    apply: Callable[[Circuit], None] | None,
    key: str,
) -> None:
    """One repair, tried."""
    st.markdown(errors.plain(repair.explanation))
    name = (repair.title, witness.property, *witness.unit)
    try:
        # The circuit's identity tells versions of an edited model apart.
        done = _outcome(model, id(circuit), name, circuit, witness, repair)
    except PCError as error:
        st.warning(errors.sentence(error))
        return
    found = differences(circuit, done.after)
    left, right = st.columns(2)
    for column, which, title, one in (
        (left, "first", "Before", circuit),
        (right, "second", "After", done.after),
    ):
        with column:
            outline = Outline.of(one)
            scene = circuit_scene(one, outline=outline, name=f"{title} {repair.title}")
            circuit_graph(
                compare_marks.mark(scene, found, which, outline),  # type: ignore[arg-type]
                key=f"{key}_{which}",
                height=GRAPH,
                label=title,
            )
            st.caption(f"{title}: {one.num_units:,} units, {one.num_edges:,} edges")
    st.table(
        {
            "": [errors.plain(r[0]) for r in done.rows],  # cells are Markdown
            "Before": [r[1] for r in done.rows],
            "After": [r[2] for r in done.rows],
        }
    )
    st.caption(done.sentence)
    line = st.container(horizontal=True)
    # Not a callback: the page around this fragment has to be drawn anew for another model.
    if line.button("Use the repaired circuit", key=f"{key}_use", type="primary"):
        _use(model, done.after, apply, key)
        st.rerun()
    line.button("Keep the old one", key=f"{key}_keep", on_click=_forget, args=(key,))


def _use(model: str, circuit: Circuit, apply: Callable[[Circuit], None] | None, key: str) -> None:
    _forget(key)
    if apply is not None:
        apply(circuit)
        return
    made = store.put_model(circuit.with_meta({**circuit.meta, "title": repaired(model)}))
    state.choose_model(made)
    st.session_state[_UNDO] = (made, model)


def repaired(model: str) -> str:
    """What to call a model that was repaired: samples that are broken say so in their title."""
    title = store.title_of(model)
    if title.startswith(_BROKEN):
        return f"Repaired: {title.removeprefix(_BROKEN)}"
    return title if title.startswith("Repaired: ") else f"Repaired: {title}"


def _forget(key: str) -> None:
    st.session_state.pop(key, None)
