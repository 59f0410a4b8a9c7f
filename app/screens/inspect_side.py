"""The side of the Inspect page: what the check says of the circuit."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.views import violations
from pc_workbench.views.outline import Outline
from pc_workbench.views.violations import Finding
from pccore.check import Report, Witness
from pccore.graph import Circuit

LISTED = 8  # violations shown at once
_PAGE = "pcw_findings_from"
_BADGES: Mapping[str, str] = {
    "yes": ":green-badge[✓ yes]",
    "no": ":gray-badge[✗ no]",
    "unknown": ":gray-badge[? open]",
}


def show_findings(report: Report, circuit: Circuit, outline: Outline) -> None:
    """The violations as sentences; a click shows one in the graph."""
    faults = [one for one in violations.findings(report) if one.fault]
    text = violations.summary(report)
    if not faults:
        st.markdown(f":green[**✓ {text}**]")
        return
    st.markdown(f":red[**! {text}**]")
    start = min(st.session_state.get(_PAGE, 0), (len(faults) - 1) // LISTED * LISTED)
    view = state.get().view
    for one in faults[start : start + LISTED]:
        current = f"w:{one.number}" in view
        st.button(
            errors.plain(one.sentence),
            key=f"pcw_finding_{one.number}",
            type="primary" if current else "secondary",
            width="stretch",
            wrap=True,
            help="Show it in the graph",
            on_click=_look_at,
            args=(one, circuit, outline),
        )
    if len(faults) > LISTED:
        line = st.container(horizontal=True, vertical_alignment="center")
        line.button("Previous", disabled=start == 0, on_click=_turn, args=(start - LISTED,))
        last = start + LISTED >= len(faults)
        line.button("Next", disabled=last, on_click=_turn, args=(start + LISTED,))
        line.caption(f"{start + 1} to {min(len(faults), start + LISTED)} of {len(faults)}")


def _turn(start: int) -> None:
    st.session_state[_PAGE] = start


def _look_at(finding: Finding, circuit: Circuit, outline: Outline) -> None:
    """Select the unit of a violation; a second click puts it aside."""
    now = state.get()
    mark = f"w:{finding.number}"
    rest = tuple(v for v in now.view if not v.startswith("w:"))
    if mark in now.view:
        state.update(view=rest)
        return
    unit = finding.witness.unit
    alone = circuit.groups[unit.group].size == 1 or outline.fine
    node = f"u:{unit.group}:{unit.index}" if alone else f"g:{unit.group}"
    state.update(view=(*rest, mark)[-200:], unit=node)


def chosen(report: Report, view: tuple[str, ...]) -> Witness | None:
    """The violation that is looked at, which the link remembers by its number."""
    for mark in view:
        number = mark.removeprefix("w:")
        known = mark != number and number.isascii() and number.isdigit() and len(number) < 6
        if known and int(number) < len(report.witnesses):
            return report.witnesses[int(number)]
    return None


def show_verdicts(report: Report) -> None:
    """The properties, a line each."""
    lines = []
    for one in violations.verdicts(report):
        badge = ":red-badge[✗ no]" if one.fault else _BADGES[one.answer]
        lines.append(f"{badge} **{one.title}** :small[:gray[{one.meaning}]]")
    st.markdown("### Properties")
    st.markdown("  \n".join(lines))


def show_queries(report: Report) -> None:
    """What this circuit may be asked, and what it lacks for the rest."""
    st.markdown("### Queries")
    lines = []
    for one in violations.permissions(report):
        if one.granted:
            colour = "green" if one.quality == "exact" else "orange"
            lines.append(f":{colour}-badge[{one.quality}] {one.query.title}")
        else:
            lines.append(f":gray-badge[✗ no] :gray[{one.query.title}] :small[:gray[{one.reason}]]")
    st.markdown("  \n".join(lines))
