"""Ask me: questions about the current circuit, one at a time, and as a worksheet on paper."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import errors, navigate, state, store
from pc_workbench.components import circuit_graph
from pc_workbench.views import questions as asking
from pc_workbench.views import worksheet
from pc_workbench.views.lesson_live import scene_of
from pc_workbench.views.lesson_subject import Subject, as_text
from pc_workbench.views.questions_base import Question
from pc_workbench.views.questions_part import Part, part_of
from pccore.graph import Circuit

_HEIGHT = 360  # pixels
_LEAST, _MOST, _USUAL = 4, 20, 8  # questions of a set
_COUNT, _ANSWERS, _KINDS = "pcw_ask_count", "pcw_ask_answers", "pcw_ask_kinds"
_SETS = 20  # sets whose answers a session remembers


@dataclass(frozen=True)
class _Set:
    """What is asked. key: tells it from other sets."""

    part: Part
    questions: tuple[Question, ...]
    key: str


def show() -> None:
    """Draw the questions about the current model."""
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    _body(model)


@st.cache_resource(max_entries=32, show_spinner=False)
def _part(version: str, seed: int, _circuit: Circuit) -> Part:
    return part_of(_circuit, seed)


@st.cache_resource(max_entries=32, show_spinner=False)
def _questions(
    version: str, seed: int, count: int, kinds: tuple[str, ...], _part: Part
) -> tuple[Question, ...]:
    return asking.questions(_part.circuit, seed, count, kinds)


@st.fragment
def _body(model: str) -> None:
    """Everything that an answer changes."""
    with errors.boundary():
        _controls(model)


def _controls(model: str) -> None:
    title = store.title_of(model)
    st.caption(f"About the current circuit: {errors.plain(title)}")
    line = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with line.popover("Choose questions"):
        st.session_state.setdefault(_COUNT, _USUAL)
        st.slider("How many", _LEAST, _MOST, key=_COUNT, on_change=_first)
        st.multiselect(
            "Kinds",
            list(asking.KINDS),
            key=_KINDS,
            format_func=lambda name: asking.KINDS[name][0],
            placeholder="all that the circuit allows",
            on_change=_first,
        )
    line.number_input(
        "Seed",
        0,
        2**31 - 1,
        width=150,
        help="The same seed gives the same questions",
        **state.bind("seed", then=_first),
    )
    line.button("Other questions", on_click=_reseed, help="The next seed")
    seed, version = state.get().seed, store.version(model)
    part = _part(version, seed, store.get_circuit(model))
    count = int(st.session_state[_COUNT])
    kinds = tuple(sorted(st.session_state.get(_KINDS, ())))
    asked = _questions(version, seed, count, kinds, part)
    one = _Set(part, asked, f"{version} {seed} {count} {' '.join(kinds)}")
    _export(line, one, title, seed)
    _quiz(one)


def _first() -> None:
    state.update(stage=0)


def _go(place: int) -> None:
    state.update(stage=place)


def _reseed() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31, stage=0)


# -- one question ----------------------------------------------------------------------------


def _answers(one: _Set) -> dict[int, str]:
    """What was answered in this set: the first answer to each question counts."""
    kept: dict[str, dict[int, str]] = st.session_state.setdefault(_ANSWERS, {})
    found = kept.pop(one.key, {})
    kept[one.key] = found
    for key in list(kept)[:-_SETS]:
        del kept[key]
    return found


def _quiz(one: _Set) -> None:
    total = len(one.questions)
    place = min(state.get().stage, total - 1)
    answers = _answers(one)
    question, answer = one.questions[place], answers.get(place)
    left, right = st.columns([5, 6], gap="medium")
    with left:
        _progress(one, place, answers)
        with st.container(border=True):
            st.markdown(f"**{place + 1}.** {errors.plain(question.text)}")
            _widget(one, place, question, answer)
            if answer is not None:
                _feedback(question, answer)
        _moves(one, place, answers)
    with right:
        _drawing(one, question, answer is not None)


def _progress(one: _Set, place: int, answers: dict[int, str]) -> None:
    right = sum(asking.judge(one.questions[i], text).solved for i, text in answers.items())

    def label(number: int) -> str:
        if number not in answers:
            return str(number + 1)
        solved = asking.judge(one.questions[number], answers[number]).solved
        return f"{number + 1} {'✓' if solved else '✗'}"

    st.session_state["pcw_ask_place"] = place
    st.segmented_control(
        "Question",
        range(len(one.questions)),
        format_func=label,
        required=True,
        key="pcw_ask_place",
        on_change=lambda: _go(st.session_state["pcw_ask_place"]),
        label_visibility="collapsed",
    )
    st.caption(f"{right} right of {len(answers)} answered, {len(one.questions)} questions in all")


def _widget(one: _Set, place: int, question: Question, answer: str | None) -> None:
    key = f"pcw_ask_{place}"
    done = answer is not None
    if done:
        st.session_state[key] = answer
    elif st.session_state.get("pcw_ask_shown") != (one.key, place):
        st.session_state[key] = None if question.options else ""
    st.session_state["pcw_ask_shown"] = (one.key, place)
    if question.options:
        st.radio(
            "Your answer",
            question.options,
            index=None,
            key=key,
            format_func=errors.plain,
            disabled=done,
        )
    else:
        st.text_input(
            "Your number",
            key=key,
            placeholder="for example 0.25 or 1/4",
            disabled=done,
            on_change=_take,
            args=(one, place, key),
        )
    if not done:
        st.button("Check", on_click=_take, args=(one, place, key))


def _take(one: _Set, place: int, key: str) -> None:
    text = st.session_state.get(key)
    if not text or not text.strip():
        return
    question = one.questions[place]
    if question.options or asking.read_number(text) is not None:
        _answers(one).setdefault(place, text)
    else:
        st.toast("This is not a number; write it like 0.25 or 1/4.")


def _feedback(question: Question, answer: str) -> None:
    verdict = asking.judge(question, answer)
    why = errors.plain(question.explanation)
    if verdict.solved:
        st.success(f"**✓ Right.** {why}")
    else:
        wanted = errors.plain(worksheet.answer_text(question))
        st.warning(f"**✗ {errors.plain(verdict.text)}** The answer is **{wanted}**. {why}")
    if question.equation:
        st.code(question.equation, language=None, wrap_lines=True)


def _moves(one: _Set, place: int, answers: dict[int, str]) -> None:
    line = st.container(horizontal=True, gap="small")
    line.button(
        "Back",
        disabled=place == 0,
        on_click=_go,
        args=(place - 1,),
        shortcut="B",
    )
    line.button(
        "Next",
        disabled=place + 1 == len(one.questions),
        type="primary" if place in answers else "secondary",
        on_click=_go,
        args=(place + 1,),
        shortcut="N",
    )


def _drawing(one: _Set, question: Question, answered: bool) -> None:
    """The circuit in question; its values only once the answer was given."""
    subject = Subject(one.part.circuit, dict(question.given))
    legal = subject.report.holds("weights")
    scene = scene_of(
        subject, "values" if answered and legal else "nothing", one.key, marks=answered
    )
    name = question.units[0] if question.units else ""
    unit = subject.unit(name) if name else None
    circuit_graph(
        scene,
        key="pcw_ask_graph",
        selected=f"u:{unit.group}:{unit.index}" if unit else None,
        height=_HEIGHT,
        label="Circuit in question",
    )
    facts = [f"Observed: {errors.plain(as_text(dict(question.given)))}"] if question.given else []
    if one.part.below:
        facts.append(f"the sub-circuit below {errors.plain(one.part.below)}")
    if answered and legal:
        facts.append("beside each unit: its value")
    if facts:
        st.caption(" · ".join(facts))


# -- on paper --------------------------------------------------------------------------------


def _export(line: DeltaGenerator, one: _Set, title: str, seed: int) -> None:
    sheet = worksheet.Worksheet(one.part, one.questions, title, seed)
    files: tuple[tuple[str, str, Callable[[worksheet.Worksheet], str]], ...] = (
        ("Worksheet to print (HTML)", f"worksheet-{seed}.html", worksheet.to_html),
        ("Key to print (HTML)", f"worksheet-{seed}-key.html", worksheet.key_to_html),
        ("Worksheet (Markdown)", f"worksheet-{seed}.md", worksheet.to_markdown),
        ("Key (Markdown)", f"worksheet-{seed}-key.md", worksheet.key_to_markdown),
    )
    with line.popover("Worksheet"):
        for number, (label, name, make) in enumerate(files):
            st.download_button(
                label,
                functools.partial(make, sheet),
                file_name=name,
                mime="text/html" if name.endswith("html") else "text/markdown",
                on_click="ignore",
                width="stretch",
                key=f"pcw_ask_save_{number}",
            )
