"""The live circuit of a step: the drawing with values, and the controls that change it."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import errors, navigate, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.screens import learn_session
from pc_workbench.views.lesson import Lesson, Step
from pc_workbench.views.lesson_live import NOTHING, Live, opening, scene_of, with_weight
from pc_workbench.views.lesson_samples import SAMPLES, frequencies
from pc_workbench.views.lesson_subject import as_text, states_of
from pc_workbench.views.lesson_terms import Terms, markdown_table
from pccore.check import Witness
from pccore.errors import PCError
from pccore.evidence import write_evidence
from pccore.graph import Unit
from pccore.repair import repairs

_HEIGHT = 360  # pixels
_DEEP = 6  # levels from which a drawing gets more room
_FEW = 6  # states that are buttons; more become a list
_NOTHING = "?"
_CAPTIONS: Mapping[str, str] = {
    "values": "Beside each unit: its value under the evidence.",
    "derivatives": "Beside each unit: how fast the root's value grows with its value.",
    "flows": "Beside each unit: its share of the root's value.",
    "largest": "Beside each unit: its max-product value. Winning edges are solid.",
    "scopes": "Beside each sum and product: its scope.",
    "nothing": "",
}


def show(lesson: Lesson, stage: int, live: Live, terms: Terms, solved: bool) -> None:
    """Draw the circuit and its controls. solved: whether the task is."""
    step = lesson.steps[stage]
    subject = terms.live
    # What is to be found is not marked before it was found.
    sought = step.task is not None and step.task.goal.widget in ("unit", "choice")
    name = f"{lesson.name}-{stage}-{live.n}"
    scene = scene_of(subject, step.setup.show, name, marks=solved or not sought)
    event = functools.partial(_on_event, lesson, stage)
    selected = _node(terms, live.answer.unit)
    presenting = state.get().presenting == "yes"
    height = _HEIGHT + (70 if subject.circuit.depth > _DEEP else 40 if presenting else 0)
    circuit_graph(
        scene,
        key="pcw_learn_graph",
        selected=selected,
        height=height,
        label=f"Circuit of the lesson {lesson.title}",
        on_event=event,
    )
    if _CAPTIONS[step.setup.show]:
        st.caption(_CAPTIONS[step.setup.show])
    kinds = [control.partition(":")[0] for control in step.setup.controls]
    if "evidence" in kinds:
        _evidence(lesson, stage, live)
    elif live.given:
        st.caption(f"Observed: {errors.plain(as_text(subject.given))}")
    for control in step.setup.controls:
        kind, _, name = control.partition(":")
        if kind == "weights":
            _weights(lesson, stage, live, terms, name)
        elif kind == "n":
            _size(lesson, stage, live, step)
        elif kind == "repairs":
            _repairs(lesson, stage, live, terms)
        elif kind == "draw":
            _draw(lesson, stage, live, terms)


def _node(terms: Terms, name: str) -> str | None:
    if not name:
        return None
    unit = terms.live.unit(name)
    return f"u:{unit.group}:{unit.index}"


def _on_event(lesson: Lesson, stage: int, event: GraphEvent) -> None:
    """A click selects a unit; some tasks are answered so."""
    if event.type != "select":
        return
    live = learn_session.live_of(lesson, stage)
    name = ""
    parts = (event.id or "").split(":")
    if len(parts) == 3 and parts[0] == "u" and parts[1].isdigit() and parts[2].isdigit():
        unit = Unit(int(parts[1]), int(parts[2]))
        groups = live.circuit.groups
        if unit.group < len(groups) and unit.index < groups[unit.group].size:
            name = live.circuit.unit_name(unit)
    learn_session.answer(lesson, stage, unit=name)


# -- controls --------------------------------------------------------------------------------


def _evidence(lesson: Lesson, stage: int, live: Live) -> None:
    line = st.container(horizontal=True, gap="small", vertical_alignment="bottom")
    known = dict(live.given)
    for v, name in enumerate(live.circuit.variables):
        key = learn_session.key_of(lesson, stage, f"e{v}")
        states = states_of(live.circuit, v)
        if states is None:
            st.session_state[key] = known.get(name)
            line.number_input(
                errors.plain(name),
                key=key,
                value=None,
                step=0.5,
                placeholder="not observed",
                width=180,
                on_change=_observe_number,
                args=(lesson, stage, name, key),
            )
            continue
        value = known.get(name)
        options = [_NOTHING, *(str(c) for c in range(states))]
        st.session_state[key] = _NOTHING if value is None else f"{value:g}"
        label, event = errors.plain(name), (lesson, stage, name, key)
        if states <= _FEW:
            line.segmented_control(
                label, options, required=True, key=key, on_change=_observe, args=event
            )
        else:
            line.selectbox(label, options, width=120, key=key, on_change=_observe, args=event)


def _observe(lesson: Lesson, stage: int, name: str, key: str) -> None:
    text = st.session_state[key]
    value = None if text in (None, _NOTHING) else float(text)
    learn_session.put(lesson, stage, learn_session.live_of(lesson, stage).observed(name, value))


def _observe_number(lesson: Lesson, stage: int, name: str, key: str) -> None:
    value = st.session_state[key]
    learn_session.put(lesson, stage, learn_session.live_of(lesson, stage).observed(name, value))


def _weights(lesson: Lesson, stage: int, live: Live, terms: Terms, name: str) -> None:
    subject, keep = terms.live, lesson.steps[stage].setup.keep
    unit = subject.unit(name)
    weights = subject.weights(unit)
    top = float(weights.sum()) if keep else max(2.0, float(weights.max()))
    st.caption(f"Weights of {errors.plain(name)}" + (", which keep their sum" if keep else ""))
    line = st.container(horizontal=True, gap="medium")
    for number, child in enumerate(subject.children(unit)):
        key = learn_session.key_of(lesson, stage, f"w{unit.group}_{number}")
        st.session_state[key] = min(top, float(weights[number]))
        line.slider(
            errors.plain(subject.shown(child)),
            0.0,
            top,
            step=0.005,
            format="%.3f",
            key=key,
            width=150,
            on_change=_weigh,
            args=(lesson, stage, unit, number, key),
        )


def _weigh(lesson: Lesson, stage: int, unit: Unit, number: int, key: str) -> None:
    live = learn_session.live_of(lesson, stage)
    keep = lesson.steps[stage].setup.keep
    circuit = with_weight(live.circuit, unit, number, float(st.session_state[key]), keep)
    learn_session.put(lesson, stage, live.changed(circuit=circuit))


def _size(lesson: Lesson, stage: int, live: Live, step: Step) -> None:
    key = learn_session.key_of(lesson, stage, "n")
    st.session_state[key] = live.n
    least, most, _ = step.setup.n
    st.slider(
        "n, the number of variables",
        least,
        most,
        key=key,
        on_change=_resize,
        args=(lesson, stage, key),
    )


def _resize(lesson: Lesson, stage: int, key: str) -> None:
    before = learn_session.live_of(lesson, stage)
    fresh = opening(lesson, lesson.steps[stage], st.session_state[key])
    learn_session.put(lesson, stage, fresh.changed(answer=before.answer))


# -- repairs ---------------------------------------------------------------------------------


def _repairs(lesson: Lesson, stage: int, live: Live, terms: Terms) -> None:
    report = terms.live.report
    if not report.violations:
        done = f" after {', then '.join(live.repaired)}" if live.repaired else ""
        st.caption(errors.plain(f"No violation is left{done}."))
        return
    witness = report.violations[0]
    st.caption(errors.plain(f"{witness.message[:1].upper()}{witness.message[1:]}."))
    offered = repairs(live.circuit, witness)
    line = st.container(horizontal=True, gap="small")
    for number, repair in enumerate(offered):
        line.button(
            errors.plain(repair.title),
            key=learn_session.key_of(lesson, stage, f"r{number}"),
            on_click=_mend,
            args=(lesson, stage, witness, number),
        )
    with st.expander("What these repairs do"):
        for repair in offered:
            st.markdown(f"**{errors.plain(repair.title)}.** {errors.plain(repair.explanation)}")


def _mend(lesson: Lesson, stage: int, witness: Witness, number: int) -> None:
    live = learn_session.live_of(lesson, stage)
    try:
        repair = repairs(live.circuit, witness)[number]
        circuit = repair.apply()
    except PCError as error:
        st.toast(errors.sentence(error))
        return
    done = (*live.repaired, repair.title)
    fresh = live.changed(circuit=circuit, repaired=done, answer=NOTHING)
    learn_session.put(lesson, stage, fresh)


# -- samples ---------------------------------------------------------------------------------


def _draw(lesson: Lesson, stage: int, live: Live, terms: Terms) -> None:
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.button(
        f"Draw {SAMPLES} samples",
        on_click=_drawn,
        args=(lesson, stage),
        key=learn_session.key_of(lesson, stage, "draw"),
    )
    if not live.draws:
        line.caption("Each sample is a walk from the root to the leaves.")
        return
    rows = frequencies(terms.live, live.draws)
    st.markdown(markdown_table(list(rows[0]), (list(row.values()) for row in rows)))


def _drawn(lesson: Lesson, stage: int) -> None:
    live = learn_session.live_of(lesson, stage)
    learn_session.put(lesson, stage, live.changed(draws=live.draws + 1))


# -- elsewhere -------------------------------------------------------------------------------


def open_elsewhere(line: DeltaGenerator, lesson: Lesson, step: Step, live: Live) -> None:
    """A menu of pages that can take the live circuit over."""
    with line.popover("Open in …", help="Take this circuit to another page"):
        for name in navigate.known("inspect", "query", "build"):
            key = f"pcw_learn_open_{name}"
            if st.button(name.capitalize(), key=key, width="stretch"):
                _take(lesson, step, live)
                navigate.go(name)


def _take(lesson: Lesson, step: Step, live: Live) -> None:
    """Make the live circuit the current model."""
    title = f"{lesson.title}: {step.title}"
    fresh = live.circuit.with_meta({**live.circuit.meta, "title": title})
    state.choose_model(store.put_model(fresh))
    state.update(evidence=write_evidence(live.circuit, dict(live.given)))
