"""The drawing of the Query page with a pass in it, and the controls of its steps."""

from __future__ import annotations

import functools

import streamlit as st

from pc_workbench import errors, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.components.stepper import Wish, stepper
from pc_workbench.screens import query_symbols
from pc_workbench.screens.query_session import Subject
from pc_workbench.views import query_answers, query_board, stepping
from pc_workbench.views.outline import toggle
from pc_workbench.views.scene import Scene, circuit_scene, node_of
from pc_workbench.views.stepping import PASSES, Pass, View
from pccore.graph import Circuit, Unit
from pccore.queries import licence_of
from pccore.queries.steps import Scale
from pccore.transform.soften import num_children

GRAPH = 330  # pixels
ASPECT = 2.1  # of the window
DEEP = 6  # levels from which a drawing gets more room
_ALONE = "pcw_query_alone"
#: Room for the texts beside the units: they change, the drawing shall not.
_ROOM = "0.0000"


def show(subject: Subject) -> None:
    """The drawing and, below it, the passes and the current step."""
    now = state.get()
    kind = now.pass_ or "up"
    scale: Scale = "log" if now.scale == "log" else "linear"
    below = _zoomed(subject.circuit, now.view)
    shown = subject.walk(kind, scale, now.seed, below)
    unit = stepping.unit_of(now.unit) if now.unit else None
    alone = bool(st.session_state.get(_ALONE)) and shown.walk is not None
    step = 0 if alone else min(now.step, len(shown.steps))
    bright = query_symbols.bright(subject)
    view = View(step, alone, unit, below, bright)
    scene = stepping.dress(_base(subject, now.view, below), subject.values, shown, view)
    selected = now.unit or None
    if step:
        selected = node_of(scene, subject.outline, shown.steps[step - 1].unit)
    known = {node["id"] for node in scene["nodes"]}
    with st.container(key="pcw_query_drawing"):
        circuit_graph(
            scene,
            key="pcw_query_graph",
            selected=selected if selected in known else None,
            height=GRAPH + (40 if subject.circuit.depth > DEEP else 0),
            label=f"{store.title_of(subject.model)} with values",
            on_event=functools.partial(_on_event, subject, shown),
        )
    if below is not None or _can_zoom(subject, unit, shown):
        _zoom(subject, unit, below)
    wish = Wish(kind, step, alone, scale, now.seed, 0)
    stepper(
        "pcw_query_stepper",
        _passes(subject),
        wish,
        query_board.board(subject.values, shown, view),
        label="The passes, step by step",
        on_change=functools.partial(_wished, subject),
    )


def _passes(subject: Subject) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for name, (label, title) in PASSES.items():
        one = {"id": name, "label": label, "title": title}
        query = stepping.NEEDS.get(name)
        if query is not None:
            licence = licence_of(subject.values, query)
            if not licence.granted:
                one["refused"] = query_answers.refusal(licence)
        found.append(one)
    return found


def _wished(subject: Subject, wish: Wish) -> None:
    if wish.chosen not in PASSES:
        return
    st.session_state[_ALONE] = wish.alone
    state.update(
        pass_="" if wish.chosen == "up" else wish.chosen,
        step=wish.step,
        scale=wish.scale,
        seed=wish.seed,
    )


def _on_event(subject: Subject, shown: Pass, event: GraphEvent) -> None:
    now = state.get()
    if event.type != "select":
        if event.id is not None:
            state.update(view=toggle(subject.outline, now.view, event.id)[-200:])
        return
    unit = stepping.unit_of(event.id) if event.id else None
    step = now.step
    if step and unit is not None:  # go to the step of the unit that was clicked
        step = shown.last_of(unit, step) or step
    state.update(unit=event.id or "", step=step)


# -- the drawing without values ----------------------------------------------------------------


def _base(subject: Subject, view: tuple[str, ...], below: Unit | None) -> Scene:
    return _scene((subject.version, view, below), subject)


@st.cache_resource(max_entries=32, show_spinner=False)
def _scene(key: tuple[object, ...], _subject: Subject) -> Scene:
    """The drawing with room for the texts, so that nothing moves when they change."""
    view, below = key[1], key[2]
    circuit, outline = _subject.circuit, _subject.outline
    focus: list[Unit] = []
    opened: tuple[str, ...] = tuple(view)  # type: ignore[arg-type]
    if isinstance(below, Unit):
        focus = stepping.focus(circuit, below)
        wide = {unit.group for unit in focus if circuit.groups[unit.group].size > 1}
        if not outline.fine:
            opened = (*opened, *(f"g:{g}" for g in sorted(wide) if f"g:{g}" not in opened))
    report = store.get_report(_subject.model)
    bare = circuit_scene(circuit, report, outline=outline, view=opened, focus=focus)
    room = {unit: _ROOM for unit in stepping.units_in(bare)}
    scene = circuit_scene(
        circuit,
        report,
        outline=outline,
        view=opened,
        focus=focus,
        values=room,
        name=f"query {_subject.version} {below}",
    )
    return stepping.flattened(scene, ASPECT) if outline.fine else scene


# -- zooming in --------------------------------------------------------------------------------


def _zoomed(circuit: Circuit, view: tuple[str, ...]) -> Unit | None:
    """The unit that is zoomed into, which the link remembers as `z:12:3`."""
    for mark in view:
        unit = stepping.unit_of("u" + mark[1:]) if mark.startswith("z:") else None
        if unit is None or unit.group >= len(circuit.groups):
            continue
        if unit.index < circuit.groups[unit.group].size:
            return unit
    return None


def _can_zoom(subject: Subject, unit: Unit | None, shown: Pass) -> bool:
    if unit is None or unit == subject.values.unit or not shown.reason:
        return False
    circuit = subject.circuit
    if unit.group >= len(circuit.groups) or unit.index >= circuit.groups[unit.group].size:
        return False
    return num_children(circuit, unit) > 0


def _zoom(subject: Subject, unit: Unit | None, below: Unit | None) -> None:
    circuit = subject.circuit
    line = st.container(horizontal=True, vertical_alignment="center")
    if below is not None:
        name = errors.plain(circuit.unit_name(below))
        line.caption(f"Below **{name}** alone: the steps of this part.", width="stretch")
        line.button("Back to the whole", on_click=_look_at, args=(None,), key="pcw_query_whole")
        return
    assert unit is not None
    name = errors.plain(circuit.unit_name(unit))
    line.caption("The whole is too large to be stepped through.", width="stretch")
    line.button(f"Zoom into {name}", on_click=_look_at, args=(unit,), key="pcw_query_zoom")


def _look_at(unit: Unit | None) -> None:
    view = tuple(mark for mark in state.get().view if not mark.startswith("z:"))
    if unit is not None:
        view = (*view, f"z:{unit.group}:{unit.index}")
    state.update(view=view[-200:], step=0)
