"""Below the canvas: whether the drawing is a valid circuit, and what breaks."""

from __future__ import annotations

import streamlit as st

from pc_workbench import desk, errors
from pc_workbench.desk import Desk
from pc_workbench.views import violations
from pc_workbench.views.repair_view import PRESERVES
from pccore.check import Report, Witness
from pccore.consequence import consequence
from pccore.errors import PCError
from pccore.repair import Repair, repairs

_PROBLEM = "pcw_draw_repair_problem"
EVALUATED = 2_000_000  # states times edges that may be evaluated to show what breaks
LISTED = 5  # violations shown
UNFINISHED = 3  # unfinished units named


def show(now: Desk) -> None:
    """The state of the drawing in a line, then a button for every violation."""
    _unfinished(now)
    report = now.drawn.report
    if report is None:
        return
    faults = [one for one in violations.findings(report) if one.fault]
    text = violations.summary(report)
    if not faults:
        st.markdown(f":green[**✓ {text}**] :gray[{_notes(report)}]")
        return
    st.markdown(f":red[**! {text}**]")
    for one in faults[:LISTED]:
        st.button(
            errors.plain(one.sentence),
            key=f"pcw_draw_fault_{one.number}",
            type="primary" if one.number == now.witness else "secondary",
            width="stretch",
            wrap=True,
            help="Show it in the drawing",
            on_click=desk.look_at,
            args=(one.number,),
        )
        if one.number == now.witness:
            _repairs(report, one.witness)
    if len(faults) > LISTED:
        st.caption(f"{len(faults) - LISTED} more; Inspect lists all of them.")


def _repairs(report: Report, witness: Witness) -> None:
    """What the violation breaks, and the ways to mend it; one click, and undo takes it back."""
    found = repairs(report.circuit, witness)
    wrong = consequence(report.circuit, witness, EVALUATED)
    with st.container(border=True, gap="small"):
        if wrong is not None:
            st.markdown(errors.plain(wrong.sentence))
        if not found:
            st.caption("Nothing mends this by itself: draw it differently.")
        for number, repair in enumerate(found):
            line = st.container(horizontal=True, vertical_alignment="center")
            colour, said = PRESERVES[repair.preserves]
            line.button(
                errors.plain(repair.title),
                key=f"pcw_draw_repair_{number}",
                on_click=_apply,
                args=(repair,),
            )
            line.badge(said, color=colour)
            st.caption(errors.plain(repair.explanation))
        problem = st.session_state.pop(_PROBLEM, "")
        if problem:
            st.warning(problem)


def _apply(repair: Repair) -> None:
    try:
        desk.take_circuit(repair.apply())
    except PCError as error:
        st.session_state[_PROBLEM] = errors.sentence(error)


def _notes(report: Report) -> str:
    """The properties that decide what may be asked."""
    shown = [one for one in violations.verdicts(report) if one.name not in ("smooth", "consistent")]
    return " · ".join(
        one.title if one.answer == "yes" else f"{one.title}: {one.answer}" for one in shown
    )


def _unfinished(now: Desk) -> None:
    sentences = list(now.draft.unfinished.values())
    if not sentences:
        return
    more = f" And {len(sentences) - UNFINISHED} more." if len(sentences) > UNFINISHED else ""
    st.caption("Unfinished: " + errors.plain(" ".join(sentences[:UNFINISHED])) + more)
