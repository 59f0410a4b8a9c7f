"""Learn: lessons on live circuits, and questions about the current circuit."""

from __future__ import annotations

import streamlit as st

from pc_workbench import errors, lessons, publish, session, state
from pc_workbench.screens import learn_ask, learn_session, learn_step
from pc_workbench.views.labels import count
from pc_workbench.views.lesson import Lesson
from pccore.errors import FileError, NotFoundError

#: The value of `lesson` in the link that means questions instead of a lesson.
ASK = "ask-me"
_COLUMNS = 3


def page() -> None:
    """Draw the page."""
    name = state.get().lesson
    if name and name != ASK:
        try:
            own = publish.is_publication(name)
            lesson = publish.lesson_of(name, session.workspace()) if own else lessons.find(name)
        except (NotFoundError, FileError) as error:
            st.warning(errors.sentence(error))
            _overview()
            return
        learn_step.show(lesson)
        return
    _overview()


def _overview() -> None:
    heading, choice = st.columns([3, 2], vertical_alignment="center")
    heading.title("Learn")
    asking = state.get().lesson == ASK
    st.session_state["pcw_learn_mode"] = "Ask me" if asking else "Lessons"
    choice.segmented_control(
        "What to do",
        ["Lessons", "Ask me"],
        required=True,
        key="pcw_learn_mode",
        on_change=_mode,
        label_visibility="collapsed",
    )
    if asking:
        learn_ask.show()
        return
    total = sum(lesson.minutes for lesson in lessons.lessons())
    st.caption(
        f"{count(len(lessons.lessons()), 'lesson')} of {total} minutes together. Every step has a "
        "circuit that you change to answer, and the answer is computed, not looked up."
    )
    _cards()


def _mode() -> None:
    asking = st.session_state["pcw_learn_mode"] == "Ask me"
    state.update(lesson=ASK if asking else "", stage=0)


def _cards() -> None:
    found = lessons.lessons()
    for first in range(0, len(found), _COLUMNS):
        cells = st.columns(_COLUMNS, gap="small")
        for place, cell in enumerate(cells):
            if first + place < len(found):
                with cell.container(border=True, height="stretch", vertical_alignment="distribute"):
                    _card(first + place + 1, found[first + place])


def _card(number: int, lesson: Lesson) -> None:
    done = learn_session.solved(lesson)
    st.markdown(f"**{number}. {lesson.title}**  \n:small[{lesson.summary}]")
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    mark = "✓ done" if done == lesson.tasks else f"{done} of {lesson.tasks} solved" if done else ""
    facts = [f"{lesson.minutes} min", count(len(lesson.steps), "step"), *([mark] if mark else [])]
    line.caption(" · ".join(facts), width="stretch")
    line.button(
        "Go on" if 0 < done < lesson.tasks else "Again" if done else "Start",
        key=f"pcw_lesson_{lesson.name}",
        help=f"Lesson {number}: {lesson.title}",
        on_click=_start,
        args=(lesson,),
    )


def _start(lesson: Lesson) -> None:
    """To the first step that is not solved yet."""
    state.update(lesson=lesson.name, stage=learn_session.first_open(lesson))
