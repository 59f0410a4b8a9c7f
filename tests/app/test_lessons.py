"""Every lesson can be taken: numbers are computed, tasks solvable, wrong answers refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from pc_workbench import lessons
from pc_workbench.views.lesson import Lesson, Step, Table, parse_lesson
from pc_workbench.views.lesson_goals import GOALS, Answer, Choice
from pc_workbench.views.lesson_live import (
    Live,
    circuit_of,
    judge,
    opening,
    scene_of,
    terms_of,
    with_weight,
)
from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.lesson_terms import show
from pccore.errors import FileError, NotFoundError, OptionError
from pccore.repair import repairs

Act = Callable[[Live, Lesson, Step], Live]


# -- acts, as the page does them -------------------------------------------------------------


def see(text: str) -> Act:
    """Observe `X1=1,X2=?`; ? takes the evidence away."""

    def act(live: Live, lesson: Lesson, step: Step) -> Live:
        for part in text.split(","):
            name, _, value = part.partition("=")
            live = live.observed(name, None if value == "?" else float(value))
        return live

    return act


def given(**what: str) -> Act:
    return lambda live, lesson, step: dataclasses.replace(live, answer=Answer(**what), tried=True)


def typed(text: str) -> Act:
    return given(typed=text)


def option(text: str) -> Act:
    return given(option=text)


def unit(name: str) -> Act:
    return given(unit=name)


def weigh(**weights: float) -> Act:
    """Move the sliders of the sum S, one after the other."""

    def act(live: Live, lesson: Lesson, step: Step) -> Live:
        for child, weight in weights.items():
            subject = Subject(live.circuit)
            top = subject.unit("S")
            number = subject.child_number(top, child)
            circuit = with_weight(live.circuit, top, number, weight, step.setup.keep)
            live = live.changed(circuit=circuit)
        return live

    return act


def size(n: int) -> Act:
    return lambda live, lesson, step: opening(lesson, step, n)


def draw(times: int) -> Act:
    return lambda live, lesson, step: live.changed(draws=live.draws + times)


def mend(name: str) -> Act:
    """Apply the first repair of this kind to the first violation."""

    def act(live: Live, lesson: Lesson, step: Step) -> Live:
        offered = repairs(live.circuit, Subject(live.circuit).report.violations[0])
        chosen = next(one for one in offered if one.name == name)
        return live.changed(circuit=chosen.apply(), repaired=(chosen.title,))

    return act


#: For every task: acts that solve it, and acts that do not. The numbers were worked out by hand.
SCRIPTS: Mapping[tuple[str, int], tuple[Sequence[Act], Sequence[Act]]] = {
    ("evaluation", 0): ([see("X1=1,X2=0")], [see("X1=1"), see("X1=1,X2=1")]),
    ("evaluation", 1): ([typed("0.72")], [typed("1.7"), typed("0.48"), typed(""), typed("x")]),
    ("evaluation", 2): ([typed("0,522")], [typed("1.62"), typed("0.72")]),
    ("evaluation", 3): ([see("X2=?")], [see("X2=1"), see("X1=?"), see("X1=?,X2=?")]),
    ("evaluation", 4): ([weigh(C2=0.4)], [weigh(C2=0.3), weigh(C1=0.5)]),
    ("evaluation", 5): ([typed("0.66")], [typed("0.99"), typed("1.5")]),
    ("marginals", 0): ([typed("0.2435")], [typed("0.168"), typed("0.25"), typed("0.672")]),
    ("marginals", 1): ([option("S(X1 = 1, X2 = 1)")], [option("P(X2 = 1)"), option("")]),
    ("marginals", 2): ([typed("0.3")], [typed("0.27"), typed("0.9")]),
    ("marginals", 3): ([typed("0.24")], [typed("0.3"), typed("0.27")]),
    ("marginals", 4): ([typed("0.696")], [typed("0.522"), typed("0.304")]),
    ("marginals", 5): ([see("X2=1")], [see("X2=0"), see("X1=0")]),
    ("completeness", 0): ([unit("S")], [unit("A1"), unit("P"), unit("x1"), unit("")]),
    ("completeness", 1): ([option("X2")], [option("X1"), option("X1, X2")]),
    ("completeness", 2): ([typed("1.4")], [typed("1")]),
    ("completeness", 3): ([see("X1=1")], [see("X2=1"), see("X1=1,X2=0"), see("X1=?")]),
    ("completeness", 4): ([mend("smooth")], [mend("smooth_uniform")]),
    ("completeness", 5): ([unit("E3")], [unit("E6"), unit("O3"), unit("E5¬x6"), unit("x1")]),
    ("decomposability", 0): ([unit("P2")], [unit("P1"), unit("S"), unit("x1")]),
    ("decomposability", 1): ([typed("1/2")], [typed("1"), typed("0")]),
    ("decomposability", 2): ([see("X1=?,X2=1")], [see("X1=0"), see("X1=?")]),
    ("decomposability", 3): (
        [option("consistent, but not decomposable")],
        [option("neither"), option("consistent and decomposable")],
    ),
    ("decomposability", 4): ([mend("split")], [mend("marginalise")]),
    ("decomposability", 5): ([typed("0")], [typed("9"), typed("3")]),
    ("hidden", 0): ([see("Y=1")], [see("Y=2"), see("Y=1,X1=1")]),
    ("hidden", 1): ([typed("0.391")], [typed("0.3"), typed("0.27"), typed("0.9")]),
    ("hidden", 2): ([unit("C1")], [unit("C3"), unit("A1"), unit("x1")]),
    ("hidden", 3): ([option("C2")], [option("C1"), option("C3")]),
    ("hidden", 4): ([option("C3")], [option("C2"), option("C1")]),
    ("hidden", 5): ([draw(2)], [draw(1)]),
    ("mpe", 0): ([typed("0.567")], [typed("0.81"), typed("1"), typed("0.144")]),
    ("mpe", 1): ([see("X2=0")], [see("X2=1"), see("X1=0"), see("X3=0")]),
    ("mpe", 2): ([unit("S")], [unit("A1"), unit("C1")]),
    ("mpe", 3): ([typed("0.522")], [typed("0.216")]),
    ("mpe", 4): ([weigh(C3=0.35, C2=0.3)], [weigh(C3=0.8), weigh(C1=0.9)]),
    ("parity", 0): ([see("X1=1,X2=0,X3=0,X4=0")], [see("X1=1"), see("X1=1,X2=1,X3=0,X4=0")]),
    ("parity", 1): ([typed("1/8")], [typed("1/16"), typed("0.25")]),
    ("parity", 2): ([unit("O2")], [unit("E2"), unit("O3"), unit("E1x2")]),
    ("parity", 3): ([typed("12")], [typed("8"), typed("30")]),
    ("parity", 4): ([typed("524288")], [typed("1048576"), typed("524289"), typed("20")]),
    ("parity", 5): ([size(8)], [size(7), size(9), size(2)]),
    ("em", 0): ([typed("0.536")], [typed("0.09"), typed("0.5")]),
    ("em", 1): ([typed("0.612")], [typed("4.897"), typed("0.5")]),
    ("em", 2): (
        [weigh(C1=0.61, C2=0.2, C3=0.185)],
        [weigh(C1=0.61), weigh(C1=0.5, C2=0.3, C3=0.2)],
    ),
    ("em", 3): ([weigh(C1=0.95, C2=0.05, C3=0.0)], [weigh(C3=0.9), weigh(C1=0.61)]),
    ("gaussians", 0): ([typed("1")], [typed("0.36")]),
    ("gaussians", 1): ([see("Duration=2.89")], [see("Duration=4"), see("Duration=?")]),
    ("gaussians", 2): ([typed("77.7")], [typed("70.82"), typed("67.25")]),
    ("hmm", 0): ([unit("Z2|rain")], [unit("Z2|sun"), unit("Z2=rain"), unit("X1|rain")]),
    ("hmm", 1): ([typed("16")], [typed("8"), typed("7")]),
    ("hmm", 2): ([see("X1=2,X3=2")], [see("X2=2"), see("X1=0,X3=0")]),
}


def steps() -> list[tuple[Lesson, int]]:
    return [(one, stage) for one in lessons.lessons() for stage in range(len(one.steps))]


def name_of(one: object) -> str:
    return one.name if isinstance(one, Lesson) else str(one)


# -- the lessons -----------------------------------------------------------------------------


def test_there_are_enough_lessons_and_each_says_what_it_is_for():
    found = lessons.lessons()
    assert len(found) >= 8
    assert [one.order for one in found] == sorted(one.order for one in found)
    for one in found:
        assert one.summary and one.goals and one.notes
        assert 5 <= one.minutes <= 30
        assert one.tasks >= 3
        for step in one.steps:
            assert step.task is None or step.task.hint


def test_every_step_has_a_script():
    tasks = {(one.name, s) for one, s in steps() if one.steps[s].task is not None}
    assert tasks == set(SCRIPTS)


@pytest.mark.parametrize(("lesson", "stage"), steps(), ids=name_of)
def test_texts_evaluate_and_the_circuit_is_drawn(lesson: Lesson, stage: int):
    step = lesson.steps[stage]
    live = opening(lesson, step)
    terms = terms_of(lesson, step, live)
    for part in step.body:
        if isinstance(part, Table):
            rows = terms.value(part.over)
            assert isinstance(rows, tuple) and len(rows) > 1
            for row in rows:
                for _, what in part.columns:
                    assert show(terms.also(**{part.name: row}).value(what))
        else:
            assert "{{" not in terms.text(part)
    for text in (step.setup.notes, lesson.notes):
        assert "{{" not in terms.text(text)
    if step.task is not None:
        for text in (step.task.ask, step.task.hint, step.task.done):
            assert "{{" not in terms.text(text)
            assert "undefined" not in terms.text(text)
    scene = scene_of(terms.live, step.setup.show, "x")
    assert len(scene["nodes"]) == live.circuit.num_units
    if step.setup.show not in ("nothing", "scopes"):
        assert all(node.get("value") for node in scene["nodes"])


@pytest.mark.parametrize(("lesson", "stage"), steps(), ids=name_of)
def test_right_answers_are_accepted_and_wrong_ones_refused_with_a_reason(
    lesson: Lesson, stage: int
):
    step = lesson.steps[stage]
    if step.task is None:
        return
    before = opening(lesson, step)
    verdict = judge(step, terms_of(lesson, step, before), before)
    assert verdict is not None and not verdict.solved, "solved before anything was done"
    right, wrong = SCRIPTS[lesson.name, stage]
    assert right and wrong
    for act in right:
        live = act(before, lesson, step)
        terms = terms_of(lesson, step, live)
        verdict = judge(step, terms, live)
        assert verdict is not None and verdict.solved, verdict
        assert "{{" not in terms.text(step.task.done)
    for act in wrong:
        live = act(before, lesson, step)
        verdict = judge(step, terms_of(lesson, step, live), live)
        assert verdict is not None and not verdict.solved
        assert len(verdict.text) > 10


@pytest.mark.parametrize(("lesson", "stage"), steps(), ids=name_of)
def test_expected_mistakes_are_told_apart_from_the_answer(lesson: Lesson, stage: int):
    """Each mistake is refused with its own text; none is the answer, or hidden by another."""
    step = lesson.steps[stage]
    if step.task is None or not hasattr(step.task.goal, "mistakes"):
        return
    live = opening(lesson, step)
    terms = terms_of(lesson, step, live)
    if step.task.goal.widget != "number":
        return
    for what, text in step.task.goal.mistakes:
        value = terms.number(what)
        verdict = step.task.goal.judge(terms, Answer(typed=repr(value)))
        assert not verdict.solved
        assert verdict.text == terms.text(text), f"{what} is told as another mistake"


def test_choices_contain_the_answer_and_say_what_is_wrong_with_the_others():
    for lesson, stage in steps():
        task = lesson.steps[stage].task
        if task is None or not isinstance(task.goal, Choice):
            continue
        live = opening(lesson, lesson.steps[stage])
        terms = terms_of(lesson, lesson.steps[stage], live)
        options = task.goal.choices(terms)
        assert len(set(options)) == len(options) > 1
        right = [o for o in options if task.goal.judge(terms, Answer(option=o)).solved]
        assert len(right) == 1
        for wrong in set(options) - set(right):
            assert len(task.goal.judge(terms, Answer(option=wrong)).text) > len(wrong) + 10


# -- files that are wrong -----------------------------------------------------------------------

HEAD = '+++\ntitle = "T"\nminutes = 5\nmodel = "incomplete"\ngoals = ["g"]\n+++\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("## A\n", "head"),
        ("+++\ntitle = 1\n+++\n## A\n", "no minutes"),
        (HEAD, "no step"),
        ("+++\ntitle = \n+++\n## A\n", "TOML"),
        (HEAD.replace("goals", "extra = 1\ngoals") + "## A\n", "extra"),
        (HEAD + '## A\n```task\ngoal = "fly"\nask = "?"\n```\n', "fly"),
        (HEAD + '## A\n```task\ngoal = "number"\nanswer = "1"\n```\n', "no ask"),
        (HEAD + '## A\n```task\ngoal = "number"\nask = "?"\n```\n', "missing"),
        (HEAD + '## A\n```task\ngoal = "number"\nask = "?"\nanswer="1"\nx=1\n```\n', "'x'"),
        (HEAD + '## A\n```step\nshow = "everything"\n```\n', "show"),
        (HEAD + '## A\n```step\ncontrols = ["levers"]\n```\n', "levers"),
        (HEAD + '## A\n```step\ncontrols = ["n"]\n```\n', "least"),
    ],
)
def test_a_faulty_lesson_is_refused_with_its_place(text: str, what: str):
    with pytest.raises(FileError, match=what) as caught:
        parse_lesson(text, "mine")
    assert "mine" in str(caught.value)


def test_a_fault_names_its_line():
    text = HEAD + '## A\ntext\n\n```task\ngoal = "fly"\nask = "?"\n```\n'
    with pytest.raises(FileError, match=f"mine:{text[: text.index('```task')].count(chr(10)) + 1}"):
        parse_lesson(text, "mine")


def test_models_are_figures_samples_and_formulas():
    assert circuit_of("figure3_parity(3)").num_edges == 18
    assert circuit_of("figure3_parity(n)", 4).num_edges == 30
    assert circuit_of("weather_hmm").meta["title"]
    assert circuit_of("0.4*x1 + 0.6*!x1").num_edges == 2
    with pytest.raises(NotFoundError):
        circuit_of("no_such_model")
    with pytest.raises(OptionError):
        circuit_of("figure9(3)")
    with pytest.raises(NotFoundError):
        lessons.find("nothing")


def test_every_goal_is_used_by_some_lesson():
    used = {type(one.steps[s].task.goal) for one, s in steps() if one.steps[s].task}
    assert used == set(GOALS.values())


def test_lessons_ship_with_the_package():
    folder = Path(lessons.__file__).parent
    assert {p.stem for p in folder.glob("*.md")} == {one.name for one in lessons.lessons()}
