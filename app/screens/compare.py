"""Compare: the current circuit against another one, in how it is built and in what it says."""

from __future__ import annotations

import functools
import shlex

import streamlit as st

from pc_workbench import controls, errors, navigate, state
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.screens import compare_start, picture_export
from pc_workbench.screens.compare_distance import show_distance
from pc_workbench.screens.compare_subject import (
    Subject,
    candidates,
    first_choice,
    label,
    subject,
)
from pc_workbench.views import compare_marks, compare_texts, labels, sizes
from pc_workbench.views.compare_marks import Which
from pc_workbench.views.outline import Outline, group_of, toggle
from pc_workbench.views.scene import circuit_scene, node_of
from pc_workbench.views.unit_details import unit_of
from pccore.graph import Circuit, Unit
from pccore.queries.compare import Differences, differences

GRAPH = 330  # pixels
_VIEWS = "pcw_compare_views"  # what was expanded in each of the drawings
_CHOSEN = "pcw_compare_chosen"  # (which, unit) that is looked at


def page() -> None:
    """Draw the page."""
    heading, choice, save, code = st.columns([2, 3, 1, 1], vertical_alignment="center")
    heading.title("Compare")
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    with choice:
        other = _choose(model)
    if not other:
        with errors.boundary():
            compare_start.show(model, candidates(model))
        return
    with errors.boundary():
        first, second = subject(other, model), subject(model, model)
        with save, st.popover("Save", width="stretch"):
            st.markdown(f"**A · other** {errors.plain(first.title)}")
            picture_export.show(first.id, first.circuit, key="compare_other")
            st.markdown(f"**B · current** {errors.plain(second.title)}")
            values = picture_export.current_values(second.circuit)
            picture_export.show(model, second.circuit, values, key="compare_current")
        if first.reference:
            with code:
                _code(first.reference, second.reference)
        numbers = st.container()  # on top, but the drawings are there first
        _structure(other, model)
        show_distance(numbers, first, second)


def _choose(model: str) -> str:
    """The select box of the other circuit; its choice is a field of the state."""
    options = candidates(model)
    other = state.get().other
    if other and other not in options and other != model:
        # A link may name what is no candidate by itself.
        with errors.boundary():
            subject(other, model)
            options = (other, *options)
    if other not in options and (earlier := first_choice(model, options)):
        state.update(other=earlier)
    options = options if state.get().other in options else ("", *options)
    st.selectbox(
        "Compare the current circuit with",
        options,
        format_func=functools.partial(label, model),
        label_visibility="collapsed",
        **state.bind("other", among=options, then=_forget),
    )
    return state.get().other if state.get().other in options else ""


def _forget() -> None:
    st.session_state.pop(_VIEWS, None)
    st.session_state.pop(_CHOSEN, None)


def _code(first: str, second: str) -> None:
    python = (
        "from pccore.files import load_model\n"
        "from pccore.queries.compare import differences, distance\n\n"
        f"a, b = load_model({first!r}), load_model({second!r})\n"
        "for one in differences(a, b).units:\n"
        "    print(one.status, one.name, *one.what)\n"
        "found = distance(a, b)\n"
        "print(found.kl, found.reverse, found.total_variation, found.gap)\n"
    )
    controls.show_code(python, f"pccore compare {shlex.quote(first)} {shlex.quote(second)}")


# -- structure -------------------------------------------------------------------------------


@st.cache_resource(max_entries=16, show_spinner="Aligning …")
def _found(versions: tuple[str, str], _first: Circuit, _second: Circuit) -> Differences:
    return differences(_first, _second)


@st.cache_resource(max_entries=16, show_spinner=False)
def _outline(version: str, _circuit: Circuit) -> Outline:
    return Outline.of(_circuit)


@st.fragment
def _structure(other: str, model: str) -> None:
    """Both drawings and the table: everything that a click changes."""
    first, second = subject(other, model), subject(model, model)
    found = _found((first.version, second.version), first.circuit, second.circuit)
    left, right = st.columns(2, gap="small")
    with left:
        st.markdown(f"**A · other** {errors.plain(first.title)}")
        _graph("first", first, found)
    with right:
        st.markdown(f"**B · current** {errors.plain(second.title)}")
        _graph("second", second, found)
    _table(found, f"{other}-{model}")


def _graph(which: Which, one: Subject, found: Differences) -> None:
    circuit = one.circuit
    outline = _outline(one.version, circuit)
    view: tuple[str, ...] = st.session_state.get(_VIEWS, {}).get(which, ())
    chosen = _chosen(found).get(which)
    if chosen is not None and not _known(circuit, chosen):
        chosen = None  # the circuit was changed since
    focus = [chosen] if chosen is not None else []
    scene = circuit_scene(circuit, outline=outline, view=view, focus=focus, name=one.id)
    scene = compare_marks.mark(scene, found, which, outline)
    circuit_graph(
        scene,
        key=f"pcw_compare_{which}",
        selected=node_of(scene, outline, chosen) if chosen is not None else "",
        height=GRAPH,
        label=one.title,
        on_event=functools.partial(_on_event, which, outline),
    )
    facts = [labels.count(circuit.num_units, "unit"), labels.count(circuit.num_edges, "edge")]
    facts.append(labels.count(circuit.num_parameters, "parameter"))
    st.caption(" · ".join(facts))


def _known(circuit: Circuit, unit: Unit) -> bool:
    groups = circuit.groups
    return unit.group < len(groups) and unit.index < groups[unit.group].size


def _on_event(which: Which, outline: Outline, event: GraphEvent) -> None:
    if event.type == "select":
        unit = _unit(outline, event.id or "")
        st.session_state[_CHOSEN] = None if unit is None else (which, unit)
    elif event.id is not None:
        views = dict(st.session_state.get(_VIEWS, {}))
        views[which] = toggle(outline, views.get(which, ()), event.id)[-200:]
        st.session_state[_VIEWS] = views


def _unit(outline: Outline, node: str) -> Unit | None:
    """The unit of a node; unit 0 stands for a group."""
    group = group_of(node, outline)
    return None if group is None else unit_of(outline, node) or Unit(group, 0)


def _chosen(found: Differences) -> dict[str, Unit | None]:
    """The unit that is looked at, in each of the circuits."""
    chosen = st.session_state.get(_CHOSEN)
    if chosen is None:
        return {}
    which, unit = chosen
    mate = compare_marks.partner(found, which, unit)
    return {which: unit, ("second" if which == "first" else "first"): mate}


def _table(found: Differences, name: str) -> None:
    line = st.container(horizontal=True, vertical_alignment="center")
    line.markdown(f"**{compare_texts.summary(found)}**", width="stretch")
    if found.identical:
        return
    line.download_button(
        "CSV",
        functools.partial(compare_marks.to_csv, found),
        file_name="differences.csv",
        mime="text/csv",
        on_click="ignore",
        type="tertiary",
    )
    rows = compare_marks.table(found)
    st.dataframe(
        rows,
        hide_index=True,
        height=sizes.table(len(rows), 215),
        key=f"pcw_compare_table_{name}",
        on_select=functools.partial(_pick, found, f"pcw_compare_table_{name}"),
        selection_mode="single-row",
        column_config={"What differs": st.column_config.TextColumn(width="large")},
    )
    if len(found.units) > len(rows):
        st.caption(f"The first {len(rows):,} of {len(found.units):,}; the CSV has all of them.")


def _pick(found: Differences, key: str) -> None:
    """Show the unit of the chosen row in the drawings."""
    picked = st.session_state[key].selection.rows
    order = compare_marks.ordered(found)
    if not picked or not 0 <= picked[0] < len(order):
        st.session_state[_CHOSEN] = None
        return
    one = order[picked[0]]
    unit = one.second if one.second is not None else one.first
    st.session_state[_CHOSEN] = ("second" if one.second is not None else "first", unit)
