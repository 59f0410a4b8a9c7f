"""Inspect: the current circuit as a graph, what the check says of it, and each unit in detail.

Its other sides are the layers that the circuit is compiled to, in `inspect_compile`, and what its
hidden variables stand for, in `inspect_hidden`.
"""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from pc_workbench import controls, navigate, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.screens import (
    inspect_compile,
    inspect_hidden,
    inspect_unit,
    inspect_witness,
    picture_export,
    repair_panel,
)
from pc_workbench.screens.inspect_side import (
    chosen,
    show_findings,
    show_notes,
    show_queries,
    show_verdicts,
)
from pc_workbench.views import labels, sectors
from pc_workbench.views.outline import Outline, toggle
from pc_workbench.views.scene import circuit_scene, node_of
from pccore.check import Report
from pccore.files import FORMATS, save_bytes, writable
from pccore.graph import Circuit

GRAPH = 450  # pixels


def page() -> None:
    """Draw the page."""
    heading, aspect, save, code = st.columns([1.2, 1.9, 1, 1], vertical_alignment="center")
    heading.title("Inspect")
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    circuit = store.get_circuit(model)
    aspect.segmented_control(
        "What is shown",
        ("structure", "compile", "hidden"),
        format_func=str.capitalize,
        label_visibility="collapsed",
        **state.bind("aspect"),
    )
    with save:
        _save(model, circuit)
    with code:
        _code(model)
    _body(model)


def _code(model: str) -> None:
    if state.get().aspect == "compile":
        inspect_compile.code(model)
        return
    if state.get().aspect == "hidden":
        inspect_hidden.code(model)
        return
    reference = store.model_reference(model)
    python = (
        "from pccore.check import check\nfrom pccore.files import load_model\n\n"
        f"circuit = load_model({reference!r})\nreport = check(circuit)\n"
        "print(report.properties)\nfor witness in report.violations:\n"
        "    print(witness.message)\n"
    )
    controls.show_code(python, f"pccore check {reference}")


@st.cache_resource(max_entries=16, show_spinner=False)
def _outline(version: str, _circuit: Circuit) -> Outline:
    return Outline.of(_circuit)


@st.fragment
def _body(model: str) -> None:
    """Everything that a click changes."""
    circuit = store.get_circuit(model)
    if state.get().aspect == "hidden":
        inspect_hidden.show(model, circuit)
        return
    outline = _outline(store.version(model), circuit)
    if state.get().aspect == "compile":
        inspect_compile.show(model, circuit, outline)
        return
    report = store.get_report(model)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        _graph(model, circuit, report, outline)
        witness = chosen(report, state.get().view)
        if witness is not None:
            inspect_witness.show_repairs(model, circuit, witness)
        inspect_unit.show(model, circuit, outline)
    with right:
        show_findings(model, report, circuit, outline)
        show_notes(report, circuit, outline, inspect_unit.values_now(model, circuit))
        show_verdicts(report)
        show_queries(report)


def _graph(model: str, circuit: Circuit, report: Report, outline: Outline) -> None:
    now = state.get()
    witness = chosen(report, now.view)
    scene = circuit_scene(
        circuit, report, outline=outline, view=now.view, witness=witness, name=model
    )
    parts = sectors.sectors_of(circuit)
    if parts is not None:
        scene = sectors.coloured(scene, parts, outline)
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
    with line:
        repair_panel.undo(model)
    if parts is not None:
        st.caption(parts.line())
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


# -- files -----------------------------------------------------------------------------------


def _save(model: str, circuit: Circuit) -> None:
    with st.popover("Save", width="stretch"):
        report = store.get_report(model).properties
        likelihood = report.get("smooth") == "yes" == report.get("consistent")
        for one in writable():
            name = one.name
            if one.drawing or not one.suits(circuit) or (one.likelihood and not likelihood):
                continue
            if name == "pc.json" and circuit.num_parameters > 1_000_000:
                continue
            if name in ("build.py", "spflow", "jpc") and circuit.num_edges > 200_000:
                continue
            st.download_button(
                f"{one.title} ({one.suffixes[0]})",
                functools.partial(_file, name, circuit),
                file_name=f"{model}{one.suffixes[0]}",
                mime="application/octet-stream",
                on_click="ignore",
                width="stretch",
                key=f"pcw_save_{name}",
                disabled=not one.installed,
                help=None if one.installed else f"Needs the Python package {one.package}.",
            )
        picture_export.show(model, circuit, picture_export.current_values(circuit))


def _file(name: str, circuit: Circuit) -> Any:
    return save_bytes(circuit, f"model{FORMATS()[name].suffixes[0]}")
