"""Query: evidence in, every answer out, the value on each unit, and each pass step by step."""

from __future__ import annotations

import shlex

import streamlit as st

from pc_workbench import controls, errors, navigate, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.components.evidence import evidence_list
from pc_workbench.screens import picture_export, query_more, query_steps
from pc_workbench.views import query_view
from pc_workbench.views.evidence_rows import Observed
from pc_workbench.views.outline import Outline, toggle
from pc_workbench.views.query_view import Asked
from pc_workbench.views.scene import circuit_scene
from pccore.check import check
from pccore.graph import Circuit
from pccore.queries import UnitValues, unit_values

GRAPH = 400  # pixels
STEPPING = 330  # leaves room for the equation
LIST = 430
_KINDS = ("up", "derivatives", "flows", "mpe", "sample")
_TITLES = ("Values", "Derivatives", "Flows", "MPE", "Sample")


def page() -> None:
    """Draw the page."""
    heading, save, code = st.columns([3, 1, 1], vertical_alignment="center")
    heading.title("Query")
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    circuit = store.get_circuit(model)
    if not check(circuit, ("weights",)).holds("weights"):
        st.warning("Some parameters of this circuit are illegal: repair them before asking.")
        navigate.links("inspect")
        return
    with save, st.popover("Save", width="stretch"):
        picture_export.show(model, circuit, picture_export.current_values(circuit), key="query")
    with code:
        _code(model)
    _body(model)


@st.cache_resource(max_entries=16, show_spinner=False)
def _outline(version: str, _circuit: Circuit) -> Outline:
    return Outline.of(_circuit)


@st.fragment
def _body(model: str) -> None:
    """Everything that evidence changes."""
    with errors.boundary():
        circuit = store.get_circuit(model)
        now = state.get()
        asked, problems = query_view.read(circuit, now.evidence, now.soft, now.hidden)
        for problem in problems[:3]:
            st.caption(f":orange[Passed over: {errors.plain(problem)}]")
        values = unit_values(
            store.get_exact_program(model), asked.hard, soft=asked.soft, hidden=asked.hidden
        )
        _answers(values)
        left, right = st.columns([66, 34], gap="medium")
        with right:
            _variables(values, asked)
        with left:
            _graph(model, circuit, values)
        query_more.show(model, values, asked)


# -- answers ---------------------------------------------------------------------------------


def _answers(values: UnitValues) -> None:
    """S(e), Z and P(e) in a line, each with its quality."""
    found = query_view.answers(values)
    line = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    for one in found:
        if one.quality:
            text = f"**{one.title}** = {errors.plain(one.text)} :green-badge[{one.quality}]"
            line.markdown(text, width="content")
    refused = [one for one in found if not one.quality]
    if refused:
        titles = ", ".join(one.title for one in refused)
        text = f":gray[**{titles}**] :gray-badge[✗ {refused[0].reason}]"
        line.markdown(text, width="content")
        with line:
            navigate.links("inspect", label="See why on {}")
    with line, st.container(horizontal=True, horizontal_alignment="right"):
        st.segmented_control(
            "Scale", ("linear", "log"), label_visibility="collapsed", **state.bind("scale")
        )


# -- the variables ---------------------------------------------------------------------------


def _variables(values: UnitValues, asked: Asked) -> None:
    rows, reason = query_view.rows(values, asked)
    circuit = values.circuit

    def changed(seen: Observed) -> None:
        known = query_view.taken(asked, seen)
        try:
            state.update(**query_view.write(known), step=0)
        except ValueError:
            st.toast("The evidence is too long for a link.")

    st.caption("Click a state to observe it, again to forget it. Bars: P(state | evidence).")
    evidence_list(
        rows,
        query_view.observed(asked),
        key=f"pcw_query_evidence_{len(circuit.variables)}_{circuit.num_units}",
        height=LIST,
        on_change=changed,
    )
    if reason:
        st.caption(f":gray[No posteriors: {errors.plain(reason)}.]")


# -- the graph -------------------------------------------------------------------------------


def _graph(model: str, circuit: Circuit, values: UnitValues) -> None:
    now = state.get()
    outline = _outline(store.version(model), circuit)
    kind = now.pass_ or "up"
    line = st.container(horizontal=True, vertical_alignment="center")
    line.segmented_control(
        "What the units show",
        _KINDS,
        format_func=lambda name: _TITLES[_KINDS.index(name)],
        label_visibility="collapsed",
        key="pcw_query_pass",
        default=kind,
        on_change=_turn,
    )
    walk = query_steps.walk(values, kind)
    if walk.problem:
        st.caption(errors.plain(walk.problem))
    if walk.steps:
        with line:
            query_steps.buttons(walk)
    beside = walk.texts(now.step)
    if beside is None:
        beside = query_view.beside(values, kind, now.scale)
    scene = circuit_scene(
        circuit, outline=outline, view=now.view, values=beside, name=f"query {store.version(model)}"
    )
    scene, selected = walk.marked(scene, now.step)
    circuit_graph(
        scene,
        key="pcw_query_graph",
        selected=selected or now.unit or None,
        height=STEPPING if walk.steps and now.step else GRAPH,
        label=f"{store.title_of(model)} with values",
        on_event=lambda event: _on_event(outline, event),
    )
    query_steps.panel(walk, circuit)


def _turn() -> None:
    chosen = st.session_state["pcw_query_pass"]
    if chosen is not None:
        state.update(pass_="" if chosen == "up" else chosen, step=0)


def _on_event(outline: Outline, event: GraphEvent) -> None:
    now = state.get()
    if event.type == "select":
        state.update(unit=event.id or "")
    elif event.id is not None:
        state.update(view=toggle(outline, now.view, event.id)[-200:])


def _code(model: str) -> None:
    now = state.get()
    reference = store.model_reference(model)
    python = (
        "from pccore.files import load_model\n"
        "from pccore.queries import posterior_marginals, unit_values\n\n"
        f"circuit = load_model({reference!r})\n"
        f"values = unit_values(circuit, {_mapping(now.evidence)})\n"
        "print(values.log_root, values.log_partition)\n"
        "print(posterior_marginals(values).probabilities)\n"
        "print(values.flow_of(circuit.root))\n"
    )
    command = f"pccore query {shlex.quote(reference)}"
    if now.evidence:
        command += f" --evidence {shlex.quote(now.evidence)}"
    if now.soft:
        soft = ",".join(f"{name}={text}" for name, text in now.soft)
        command += f" --soft {shlex.quote(soft)}"
    controls.show_code(python, f"{command} --ask marginals")


def _mapping(evidence: str) -> str:
    pairs = [part.rpartition("=") for part in evidence.split(",") if part.strip()]
    inside = ", ".join(f"{name.strip()!r}: {value.strip()}" for name, _, value in pairs)
    return f"{{{inside}}}"
