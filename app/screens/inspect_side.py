"""The side of the Inspect page: what the check says of the circuit."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.screens import inspect_witness
from pc_workbench.views import doctor, violations
from pc_workbench.views.outline import Outline
from pc_workbench.views.violations import Finding
from pccore.check import Report, Witness
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues

LISTED = 8  # violations shown at once
NOTES = 6  # notes shown for each property
_PAGE = "pcw_findings_from"
_BADGES: Mapping[str, str] = {
    "yes": ":green-badge[✓ yes]",
    "no": ":gray-badge[✗ no]",
    "unknown": ":gray-badge[? open]",
}


def show_findings(model: str, report: Report, circuit: Circuit, outline: Outline) -> None:
    """The violations as sentences; a click shows one in the graph, and what it breaks."""
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
        if current:
            inspect_witness.show(model, circuit, one.witness)
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
    state.update(view=(*rest, mark)[-200:], unit=_node(finding.witness.unit, circuit, outline))


def _node(unit: Unit, circuit: Circuit, outline: Outline) -> str:
    """The id under which a unit is drawn by itself."""
    alone = circuit.groups[unit.group].size == 1 or outline.fine
    return f"u:{unit.group}:{unit.index}" if alone else f"g:{unit.group}"


def _select(unit: Unit) -> None:
    view = tuple(v for v in state.get().view if not v.startswith("w:"))
    state.update(view=view, unit=f"u:{unit.group}:{unit.index}")


def show_notes(
    report: Report, circuit: Circuit, outline: Outline, values: UnitValues | None
) -> None:
    """What is no fault but worth knowing, and numbers in danger; a click shows the unit."""
    notes = [one for one in violations.findings(report) if not one.fault]
    numbers = doctor.complaints(circuit, values)
    if not notes and not numbers:
        return
    kinds = dict.fromkeys(one.witness.property for one in notes)
    view = state.get().view
    box = st.expander(f"Notes ({len(kinds) + bool(numbers)})")
    with box.container(gap="xsmall"):
        for name in kinds:
            alike = [one for one in notes if one.witness.property == name]
            for one in alike[:NOTES]:
                st.button(
                    errors.plain(one.sentence),
                    key=f"pcw_note_{one.number}",
                    type="primary" if f"w:{one.number}" in view else "tertiary",
                    wrap=True,
                    help="Show it in the graph",
                    on_click=_look_at,
                    args=(one, circuit, outline),
                )
            more = len(alike) - NOTES + report.truncated.get(name, 0)
            if more > 0:
                st.caption(f"{more:,} more about {violations.MEANINGS[name][0]}")
        for number, complaint in enumerate(numbers):
            more = f" ({complaint.more:,} more like it)" if complaint.more else ""
            st.button(
                errors.plain(violations.sentence(complaint.sentence + more)),
                key=f"pcw_doctor_{number}",
                type="tertiary",
                wrap=True,
                help="Select the unit",
                on_click=_select,
                args=(complaint.unit,),
            )


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
    lines: list[str] = []
    refused: dict[str, list[str]] = {}
    for one in violations.permissions(report):
        if one.granted:
            colour = "green" if one.quality == "exact" else "orange"
            lines.append(f":{colour}-badge[{one.quality}] {one.query.title}")
        else:
            refused.setdefault(one.reason, []).append(one.query.title)
    for reason, titles in refused.items():  # the same is lacking for most of them
        lines.append(f":gray-badge[✗ {reason}] :gray[{', '.join(titles)}]")
    st.markdown("  \n".join(lines))
