"""What a session remembers of the lessons: how each step stands, and which were solved."""

from __future__ import annotations

import dataclasses

import streamlit as st

from pc_workbench.views.lesson import Lesson
from pc_workbench.views.lesson_goals import Answer
from pc_workbench.views.lesson_live import Live, opening

_LIVES, _DONE = "pcw_learn_lives", "pcw_learn_done"
_KEPT = 60  # steps whose state a session remembers


def key_of(lesson: Lesson, stage: int, what: str) -> str:
    """The key of a widget that belongs to one step."""
    return f"pcw_learn_w_{lesson.name}_{stage}_{what}"


def live_of(lesson: Lesson, stage: int) -> Live:
    """The step as it stands; as it opens where nothing was done yet."""
    found = _lives().get((lesson.name, stage))
    return opening(lesson, lesson.steps[stage]) if found is None else found


def put(lesson: Lesson, stage: int, live: Live) -> None:
    """Remember how a step stands."""
    lives = _lives()
    lives.pop((lesson.name, stage), None)
    lives[lesson.name, stage] = live
    for key in list(lives)[:-_KEPT]:
        del lives[key]


def reset(lesson: Lesson, stage: int) -> None:
    """Let a step begin anew; that it was solved is not forgotten."""
    _lives().pop((lesson.name, stage), None)


def answer(lesson: Lesson, stage: int, **given: str) -> None:
    """An answer that is judged at once: a typed number, a selected unit."""
    live = live_of(lesson, stage)
    fresh = dataclasses.replace(live.answer, **given)
    put(lesson, stage, dataclasses.replace(live, answer=fresh, tried=True))


def choose(lesson: Lesson, stage: int, option: str | None) -> None:
    """A choice, judged when Check is pressed: arrow keys pass over the options."""
    live = live_of(lesson, stage)
    put(lesson, stage, live.changed(answer=Answer(option=option or "")))


def check(lesson: Lesson, stage: int) -> None:
    """Judge the step as it stands."""
    put(lesson, stage, dataclasses.replace(live_of(lesson, stage), tried=True))


def solve(lesson: Lesson, stage: int) -> None:
    """Note that a task was solved."""
    st.session_state[_DONE] = done() | {(lesson.name, stage)}


def done() -> frozenset[tuple[str, int]]:
    """Names of lessons and numbers of steps that were solved."""
    return st.session_state.get(_DONE, frozenset())


def solved(lesson: Lesson) -> int:
    """How many tasks of a lesson were solved."""
    return sum(name == lesson.name for name, _ in done())


def first_open(lesson: Lesson) -> int:
    """The first step whose task is not solved; the first of all where none or all are."""
    tasks = [stage for stage, step in enumerate(lesson.steps) if step.task is not None]
    waiting = [stage for stage in tasks if (lesson.name, stage) not in done()]
    begun = len(waiting) < len(tasks)
    return waiting[0] if waiting and begun else 0


def _lives() -> dict[tuple[str, int], Live]:
    return st.session_state.setdefault(_LIVES, {})
