"""The evidence line below the text: S(e) of the drawing, from the engine's run."""

from __future__ import annotations

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.desk import Desk
from pc_workbench.views import draft_evidence, labels
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues

_TEXT, _PILLS, _SHOWN = "pcw_draw_evidence", "pcw_draw_literals", "pcw_draw_values"


def show(now: Desk) -> dict[Unit, str] | None:
    """The evidence and S(e); returns the texts beside the units, where they are wanted."""
    circuit = now.drawn.circuit
    if circuit is None:
        st.caption("S(e), the value of the circuit, stands here as soon as a leaf is drawn.")
        return None
    text = state.get().evidence
    given: dict[str, float] = {}
    problem = ""
    try:
        given = draft_evidence.read(text, circuit)
    except PCError as error:
        problem = errors.sentence(error)
    st.session_state[_TEXT] = text.replace(",", ", ")
    st.text_input(
        "Evidence",
        key=_TEXT,
        placeholder="x1=1, x2=0",
        on_change=_typed,
        args=(circuit,),
    )
    _literals(circuit, given)
    if problem:
        st.caption(f":red[{problem}]")
        return None
    values = now.drawn.values(given)
    if values is None:
        return None
    said = draft_evidence.answer(values, given, now.drawn.report)
    st.markdown(f"**{errors.plain(said.equation)}**")
    if said.notes:
        st.caption("  \n".join(errors.plain(note) for note in said.notes))
    wanted = st.toggle("Values on the units", key=_SHOWN)
    return _texts(values) if wanted else None


def _literals(circuit: Circuit, given: dict[str, float]) -> None:
    """The states of small variables, to be clicked."""
    known = draft_evidence.literals(circuit)
    if not known:
        return
    st.session_state[_PILLS] = [
        text for text, (name, number) in known.items() if given.get(name) == number
    ]
    st.pills(
        "Observed",
        list(known),
        selection_mode="multi",
        key=_PILLS,
        label_visibility="collapsed",
        wrap=True,
        on_change=_clicked,
        args=(circuit, known, given),
    )


def _typed(circuit: Circuit) -> None:
    text = draft_evidence.known_names(st.session_state[_TEXT], circuit.variables)
    try:
        state.update(evidence=text)
    except ValueError:
        st.toast("The evidence cannot be that.")


def _clicked(circuit: Circuit, known: dict[str, tuple[str, int]], given: dict[str, float]) -> None:
    """One state of a variable at most: the one that was clicked last."""
    chosen = [known[text] for text in st.session_state[_PILLS] if text in known]
    before = set(given.items())
    values = {name: value for name, value in given.items() if name not in dict(known.values())}
    for name, number in sorted(chosen, key=lambda pair: pair not in before, reverse=False):
        values[name] = number
    state.update(evidence=draft_evidence.write(values, circuit))


def _texts(values: UnitValues) -> dict[Unit, str]:
    """The value of every unit that was evaluated."""
    circuit = values.circuit
    return {
        Unit(g, 0): labels.number(values.value_of(Unit(g, 0)))
        for g in values.planned
        if circuit.groups[g].size == 1
    }
