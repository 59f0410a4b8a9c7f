"""Inspect: the current circuit as a graph, what the check says of it, and each unit in detail."""

from __future__ import annotations

import functools
import io
from typing import Any

import streamlit as st

from pc_workbench import controls, errors, navigate, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.views import labels, unit_details, violations
from pc_workbench.views.outline import Outline, toggle
from pc_workbench.views.scene import circuit_scene, node_of
from pc_workbench.views.violations import Finding
from pccore.check import Report, Witness
from pccore.files import FORMATS
from pccore.graph import Circuit

GRAPH = 450  # pixels
LISTED = 8  # violations shown at once
_PAGE = "pcw_findings_from"
_BADGES = {
    "yes": ":green-badge[✓ yes]",
    "no": ":gray-badge[✗ no]",
    "unknown": ":gray-badge[? open]",
}


def page() -> None:
    """Draw the page."""
    heading, save, code = st.columns([3, 1, 1], vertical_alignment="bottom")
    heading.title("Inspect")
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    circuit = store.get_circuit(model)
    with save:
        _save(model, circuit)
    with code:
        reference = store.model_reference(model)
        python = (
            "from pccore.check import check\nfrom pccore.files import load_model\n\n"
            f"circuit = load_model({reference!r})\nreport = check(circuit)\n"
            "print(report.properties)\nfor witness in report.violations:\n"
            "    print(witness.message)\n"
        )
        controls.show_code(python, f"pccore check {reference}")
    _body(model)


@st.cache_resource(max_entries=16, show_spinner=False)
def _outline(model: str, _circuit: Circuit) -> Outline:
    return Outline.of(_circuit)


@st.fragment
def _body(model: str) -> None:
    """Everything that a click changes."""
    circuit = store.get_circuit(model)
    report = store.get_report(model)
    outline = _outline(model, circuit)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        _graph(model, circuit, report, outline)
        _details(circuit, outline)
    with right:
        _findings(report, circuit, outline)
        _verdicts(report)
        _queries(report)


def _graph(model: str, circuit: Circuit, report: Report, outline: Outline) -> None:
    now = state.get()
    witness = _chosen(report, now.view)
    scene = circuit_scene(
        circuit, report, outline=outline, view=now.view, witness=witness, name=model
    )
    selected = now.unit or None
    if witness is not None:
        selected = node_of(scene, outline, witness.unit)
    circuit_graph(
        scene,
        key="pcw_inspect_graph",
        selected=selected,
        height=GRAPH,
        label=store.title_of(model),
        on_event=functools.partial(_on_event, outline),
    )
    facts = [
        labels.count(circuit.num_units, "unit"),
        labels.count(circuit.num_edges, "edge"),
        labels.count(circuit.num_parameters, "parameter"),
        labels.count(len(circuit.variables), "variable"),
        f"depth {circuit.depth}",
    ]
    if scene["hidden_edges"]:
        facts.append(f"{scene['hidden_edges']} thin edges not drawn")
    line = st.container(horizontal=True, vertical_alignment="center")
    line.caption(" · ".join(facts), width="stretch")
    if now.view:
        line.button("Reset view", on_click=_reset, type="tertiary")


def _on_event(outline: Outline, event: GraphEvent) -> None:
    now = state.get()
    if event.type == "select":
        # A violation that was looked at is put aside.
        view = tuple(v for v in now.view if not v.startswith("w:"))
        state.update(unit=event.id or "", view=view)
    elif event.id is not None:
        state.update(view=toggle(outline, now.view, event.id)[-200:])


def _reset() -> None:
    state.update(view=(), unit="")


# -- the selected unit -----------------------------------------------------------------------


def _details(circuit: Circuit, outline: Outline) -> None:
    node = state.get().unit
    found = unit_details.details(circuit, outline, node) if node else None
    if found is None:
        st.caption("Select a unit to see its scope, weights and function.")
        return
    st.markdown(f"### {errors.plain(found.title)}")
    if found.formula:
        st.code(found.formula, language=None, wrap_lines=True)
    st.markdown("  \n".join(f"**{name}** {errors.plain(text)}" for name, text in found.facts))
    table = found.children or found.parameters
    if not table:
        return
    title = "Children" if found.children else "Parameters"
    line = st.container(horizontal=True, vertical_alignment="center")
    more = f", {found.more:,} more in the CSV" if found.more else ""
    line.caption(f"{title} ({len(table)} shown{more})", width="stretch")
    line.download_button(
        "CSV",
        functools.partial(_csv, circuit, outline, node),
        file_name="unit.csv",
        mime="text/csv",
        on_click="ignore",
        type="tertiary",
    )
    st.dataframe(list(table), hide_index=True, height=min(260, 38 + 35 * len(table)))


def _csv(circuit: Circuit, outline: Outline, node: str) -> str:
    found = unit_details.details(circuit, outline, node, unit_details.CSV_ROWS)
    return unit_details.to_csv(found.children or found.parameters) if found else ""


# -- what the check says ---------------------------------------------------------------------


def _findings(report: Report, circuit: Circuit, outline: Outline) -> None:
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


def _chosen(report: Report, view: tuple[str, ...]) -> Witness | None:
    """The violation that is looked at, which the link remembers by its number."""
    for mark in view:
        number = mark.removeprefix("w:")
        if mark != number and number.isascii() and number.isdigit() and len(number) < 6:
            if int(number) < len(report.witnesses):
                return report.witnesses[int(number)]
    return None


def _verdicts(report: Report) -> None:
    lines = []
    for one in violations.verdicts(report):
        badge = ":red-badge[✗ no]" if one.fault else _BADGES[one.answer]
        lines.append(f"{badge} **{one.title}** :small[:gray[{one.meaning}]]")
    st.markdown("### Properties")
    st.markdown("  \n".join(lines))


def _queries(report: Report) -> None:
    st.markdown("### Queries")
    lines = []
    for one in violations.permissions(report):
        if one.granted:
            colour = "green" if one.quality == "exact" else "orange"
            lines.append(f":{colour}-badge[{one.quality}] {one.query.title}")
        else:
            lines.append(f":gray-badge[✗ no] :gray[{one.query.title}] :small[:gray[{one.reason}]]")
    st.markdown("  \n".join(lines))


# -- files -----------------------------------------------------------------------------------


def _save(model: str, circuit: Circuit) -> None:
    with st.popover("Save", width="stretch"):
        for name, one in FORMATS().items():
            if name == "pc.json" and circuit.num_parameters > 1_000_000:
                continue
            if name in ("dot", "build.py") and circuit.num_edges > 200_000:
                continue
            st.download_button(
                f"{one.title} ({one.suffixes[0]})",
                functools.partial(_file, name, circuit),
                file_name=f"{model}{one.suffixes[0]}",
                mime="application/octet-stream",
                on_click="ignore",
                width="stretch",
                key=f"pcw_save_{name}",
            )
        st.caption("The picture: SVG and PNG buttons on the graph.")


def _file(name: str, circuit: Circuit) -> Any:
    stream = io.BytesIO()
    FORMATS()[name].save(circuit, stream)
    return stream.getvalue()
