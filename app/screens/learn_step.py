"""A lesson while it is taken: text and task on the left, the live circuit on the right."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import errors, state
from pc_workbench.screens import learn_circuit, learn_session
from pc_workbench.views.labels import count
from pc_workbench.views.lesson import Lesson, Table
from pc_workbench.views.lesson_goals import Choice, Verdict
from pc_workbench.views.lesson_live import Live, judge, terms_of
from pc_workbench.views.lesson_terms import Terms, markdown_table
from pc_workbench.views.lesson_terms import show as written

_NOTES = "pcw_learn_notes"


# -- the page --------------------------------------------------------------------------------


def show(lesson: Lesson) -> None:
    """Draw the lesson at the stage of the link."""
    _body(lesson)


@st.fragment
def _body(lesson: Lesson) -> None:
    """Everything that an act changes."""
    if state.get().lesson != lesson.name:  # left by a button in here: the whole page follows
        st.rerun(scope="app")
    with errors.boundary():
        stage = min(state.get().stage, len(lesson.steps) - 1)
        step, live = lesson.steps[stage], learn_session.live_of(lesson, stage)
        terms = terms_of(lesson, step, live)
        verdict = judge(step, terms, live)
        if verdict is not None and verdict.solved and _shown(live):
            learn_session.solve(lesson, stage)
        free = verdict is None or (verdict.solved and _shown(live))
        _head(lesson, stage, live, free)
        left, right = st.columns([5, 6], gap="medium")
        with right:
            learn_circuit.show(lesson, stage, live, terms, free)
        with left:
            _text(lesson, stage, live, terms, verdict)


def _head(lesson: Lesson, stage: int, live: Live, free: bool) -> None:
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown(f"# {lesson.title}", width="stretch")
    line.toggle("Notes", key=_NOTES, help="Notes for the instructor, with the time for each step")
    learn_circuit.open_elsewhere(line, lesson, lesson.steps[stage], live)
    line.button("Lessons", on_click=_leave)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    done = learn_session.done()
    st.session_state["pcw_learn_stage"] = stage
    row.segmented_control(
        "Step",
        range(len(lesson.steps)),
        format_func=lambda one: f"{one + 1} ✓" if (lesson.name, one) in done else f"{one + 1}",
        required=True,
        key="pcw_learn_stage",
        on_change=lambda: _go(lesson, st.session_state["pcw_learn_stage"]),
        label_visibility="collapsed",
    )
    _moves(row, lesson, stage, free)


def _go(lesson: Lesson, stage: int) -> None:
    state.update(stage=max(0, min(stage, len(lesson.steps) - 1)))


def _text(lesson: Lesson, stage: int, live: Live, terms: Terms, verdict: Verdict | None) -> None:
    step = lesson.steps[stage]
    st.markdown(f"### {stage + 1}. {step.title}")
    if stage == 0:
        st.caption("You will be able to " + "; ".join(lesson.goals) + ".")
    for part in step.body:
        if isinstance(part, Table):
            _table(part, terms)
        else:
            st.markdown(terms.text(part))
    if step.task is not None:
        with st.container(border=True):
            _task(lesson, stage, live, terms, verdict)
    if st.session_state.get(_NOTES):
        _notes(lesson, stage, terms)


def _table(table: Table, terms: Terms) -> None:
    over = terms.value(table.over)
    rows: list[list[str]] = []
    for one in over if isinstance(over, tuple) else (over,):
        named = terms.also(**{table.name: one})
        rows.append([written(named.value(what)) for _, what in table.columns])
    st.markdown(markdown_table([head for head, _ in table.columns], rows))


def _notes(lesson: Lesson, stage: int, terms: Terms) -> None:
    with st.container(border=True):
        st.markdown(f"**For the instructor** · {count(lesson.minutes, 'minute')} in all")
        if stage == 0 and lesson.notes:
            st.markdown(terms.text(lesson.notes))
        if lesson.steps[stage].setup.notes:
            st.markdown(terms.text(lesson.steps[stage].setup.notes))


def _moves(line: DeltaGenerator, lesson: Lesson, stage: int, free: bool) -> None:
    line.button("Back", disabled=stage == 0, on_click=_go, args=(lesson, stage - 1), shortcut="B")
    if stage + 1 < len(lesson.steps):
        line.button(
            "Next",
            type="primary" if free else "secondary",
            on_click=_go,
            args=(lesson, stage + 1),
            shortcut="N",
        )
    else:
        line.button(
            "Finish",
            type="primary" if free else "secondary",
            on_click=_finish,
            args=(lesson,),
            shortcut="N",
        )
    line.space("stretch")
    line.button(
        "Reset this step", type="tertiary", on_click=learn_session.reset, args=(lesson, stage)
    )


def _leave() -> None:
    state.update(lesson="", stage=0)


def _finish(lesson: Lesson) -> None:
    _leave()
    done = learn_session.solved(lesson)
    st.toast(
        f"✓ {lesson.title}: finished."
        if done == lesson.tasks
        else f"{lesson.title}: {done} of {lesson.tasks} tasks solved."
    )


# -- the task --------------------------------------------------------------------------------


def _task(lesson: Lesson, stage: int, live: Live, terms: Terms, verdict: Verdict | None) -> None:
    step = lesson.steps[stage]
    task = step.task
    assert task is not None and verdict is not None
    st.markdown(terms.text(task.ask))
    widget = task.goal.widget
    key = learn_session.key_of(lesson, stage, "answer")
    if widget == "number":
        st.text_input(
            "Your number",
            key=_filled(key, live.answer.typed),
            placeholder="for example 0.25 or 1/4",
            on_change=lambda: learn_session.answer(lesson, stage, typed=st.session_state[key]),
        )
    elif isinstance(task.goal, Choice):
        options = task.goal.choices(terms)
        st.radio(
            "Your answer",
            options,
            key=_filled(key, live.answer.option if live.answer.option in options else None),
            index=None,
            format_func=errors.plain,
            on_change=lambda: learn_session.choose(lesson, stage, st.session_state[key]),
        )
    elif widget == "unit":
        _units(lesson, stage, live, terms, key)
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if not task.goal.at_once:
        line.button("Check", on_click=learn_session.check, args=(lesson, stage))
    if task.hint:
        with line.popover("Hint"):
            st.markdown(terms.text(task.hint))
    _feedback(live, verdict, terms.text(task.done) if verdict.solved else "", task.goal.at_once)


def _filled(key: str, value: Any) -> str:
    """The key of a widget that shows a value of ours."""
    st.session_state[key] = value
    return key


def _units(lesson: Lesson, stage: int, live: Live, terms: Terms, key: str) -> None:
    """A list of the units, for those who do not click in the drawing."""
    circuit = terms.live.circuit
    names = {}
    for unit in [
        *terms.live.of_kind("sum"),
        *terms.live.of_kind("product"),
        *terms.live.of_kind("leaf"),
    ]:
        name = circuit.unit_name(unit)
        kind = circuit.groups[unit.group].kind
        names[name] = terms.live.shown(unit) + f" ({kind})"
    chosen = live.answer.unit if live.answer.unit in names else None
    st.selectbox(
        "Selected unit",
        list(names),
        index=None,
        key=_filled(key, chosen),
        format_func=lambda name: names[name],
        placeholder="click one in the drawing, or choose here",
        on_change=lambda: learn_session.answer(lesson, stage, unit=st.session_state[key] or ""),
    )


def _feedback(live: Live, verdict: Verdict, done: str, at_once: bool) -> None:
    acted = live.tried or (at_once and bool(live.answer.unit or live.repaired))
    if verdict.solved and _shown(live):
        st.success(f"**✓ {verdict.text}** {done}".strip())
    elif acted and not verdict.solved:
        st.warning(f"**✗ Not yet.** {verdict.text}")


def _shown(live: Live) -> bool:
    """Whether a right state may be called so: a choice only once it was checked."""
    return live.tried or not live.answer.option
